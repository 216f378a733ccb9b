"""The room of a profile: what would pass ``max_profile_bytes`` is not stored, the rest is."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec.structs import replace

from processor.identity.profile import Attribute, Device, Profile, WorkspaceData
from processor.profiles.document import (
    attribute_bytes,
    consent_bytes,
    device_bytes,
    packed_bytes,
    to_json,
)

RESERVE = 64
"""Bytes kept free for small changes of a full profile: a longer number, a flag, a source."""

_WORST_CASE = 20
_WORST_FRAME = 400
_SPARE = 65_536
"""As JSON, what may be computed of a person at once, with room for more."""

Key = TypeVar("Key")
Entry = TypeVar("Entry")


def is_within(profile: Profile, most: int) -> bool:
    """Whether *profile* without what is computed, as published JSON, is within *most* bytes.

    What is computed yields to everything else, so it is no reason to refuse anything.
    """
    return has_room(without_computed(profile), most)


def has_room(profile: Profile, most: int) -> bool:
    """Whether *profile*, as published JSON, is within *most* bytes, all of it.

    The packed form is cheap to make, and a byte of it becomes at most twenty of JSON (a control
    character becomes six, an array of a few bytes an object with field names): so the JSON is
    only made for profiles that could be near the limit.
    """
    if _WORST_CASE * packed_bytes(profile) + _WORST_FRAME <= most - RESERVE:
        return True
    return len(to_json(profile)) <= most - RESERVE


def without_computed(profile: Profile) -> Profile:
    """Return *profile* without what is computed; itself where nothing is."""
    more = profile.more
    if not more.stamp:
        return profile
    workspaces = {
        name: data
        if data.more.computed is None
        else replace(data, more=replace(data.more, computed=None))
        for name, data in profile.workspaces.items()
    }
    bare = replace(more, clock_ms=0, due_ms=None, stamp=b"")
    return replace(profile, workspaces=workspaces, more=bare)


def room_for_computed(profile: Profile, most: int) -> int | None:
    """Return how many packed bytes of a workspace *profile* has room for; None: enough.

    Published they take more than packed, names of fields and base64, but hardly twice as much.
    """
    if has_room_to_spare(profile, most):
        return None
    left = most - RESERVE - len(to_json(without_computed(profile)))
    return max(left, 0) // (2 * max(len(profile.workspaces), 1))


def has_room_to_spare(profile: Profile, most: int) -> bool:
    """Whether *profile* is so far from *most* bytes that nothing computed of it can matter."""
    return _WORST_CASE * packed_bytes(profile) + _WORST_FRAME <= most - RESERVE - _SPARE


def fit(
    base: Profile, before: WorkspaceData, after: WorkspaceData, most: int
) -> tuple[WorkspaceData, int]:
    """Return what fits of the step from *before* to *after*, and how many of its writes do not.

    Removals come first, then consent, attributes and devices, each in its order. *base* is the
    profile with *before* as its workspace.
    """
    room = most - RESERVE - len(to_json(without_computed(base)))
    old, new = _by_purpose(before.consent_state), _by_purpose(after.consent_state)
    purposes, room, lost_purposes = _choose(old, new, room, _purpose_bytes)
    attributes, room, lost_attributes = _choose(
        before.attributes, after.attributes, room, _attribute_bytes
    )
    seen, room, lost_devices = _choose(
        _by_name(before.devices), _by_name(after.devices), room, _device_bytes
    )
    lost = lost_purposes + lost_attributes + lost_devices
    fitting = replace(
        after,
        attributes=attributes,
        consent_state=_consent(purposes),
        devices=tuple(seen.values()),
    )
    return fitting, lost


def _choose(
    before: Mapping[Key, Entry],
    after: Mapping[Key, Entry],
    room: int,
    size: Callable[[Key, Entry], int],
) -> tuple[dict[Key, Entry], int, int]:
    chosen = {key: entry for key, entry in before.items() if key in after}
    room += sum(size(key, entry) for key, entry in before.items() if key not in after)
    lost = 0
    for key, entry in after.items():
        old = chosen.get(key)
        if old is entry:
            continue
        cost = size(key, entry) - (0 if old is None else size(key, old))
        if cost > max(room, 0):
            lost += 1
            continue
        chosen[key] = entry
        room -= cost
    return chosen, room, lost


def _by_purpose(state: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    return {
        (regulation, purpose): entry
        for regulation, purposes in state.items()
        for purpose, entry in (purposes or {}).items()
    }


def _consent(purposes: Mapping[tuple[str, str], Any]) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for (regulation, purpose), entry in purposes.items():
        state.setdefault(regulation, {})[purpose] = entry
    return state


def _by_name(devices: tuple[Device, ...]) -> dict[tuple[str, str], Device]:
    return {next(iter(device.ids.items()), ("", "")): device for device in devices}


def _purpose_bytes(key: tuple[str, str], entry: Any) -> int:  # noqa: ANN401 - any JSON value
    return consent_bytes(*key, entry)


def _attribute_bytes(name: str, attribute: Attribute) -> int:
    return attribute_bytes(name, attribute)


def _device_bytes(_: tuple[str, str], device: Device) -> int:
    return device_bytes(device)
