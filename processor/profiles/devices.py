"""The devices of a profile in one workspace."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from processor.identity.model import Identifier
from processor.identity.profile import Device
from processor.identity.types import DEVICE_INFO_KEYS

Devices = tuple[Device, ...]

_STRENGTH: Final = (
    "device_application_stamp",
    "ios_idfv",
    "android_uuid",
    "roku_publisher_id",
    "microsoft_publisher_id",
    "amp_id",
    "ios_idfa",
    "android_aaid",
    "fire_aid",
    "roku_aid",
    "microsoft_advertising_id",
    "push_token",
)
"""Kinds of device ids, the steadiest first: by the first that both have, a device is recognised."""

_ID_KEYS: Final = frozenset(DEVICE_INFO_KEYS)
_FACTS: Final = frozenset({str, int, float, bool})
"""Types of values that a device keeps; lists and objects stay in the batch alone."""

_RANK: Final = {identity_type: rank for rank, identity_type in enumerate(_STRENGTH)}


def note_device(
    stored: Devices,
    ids: Sequence[Identifier],
    info: Mapping[str, Any] | None,
    time_ms: int,
    resolution_ms: int,
) -> Devices:
    """Return *stored* with the device of a batch seen at *time_ms*, the new or changed one last.

    A device that is as it was is only marked as seen when *resolution_ms* have passed since, like
    any activity: so known users write nothing. Without an id there is no device to speak of.
    """
    if not ids:
        return stored
    place = _find(stored, ids) if stored else None
    if place is None:
        return (*stored, Device(_ordered(dict(ids)), time_ms, time_ms, _facts(info)))
    device = stored[place]
    is_fresh = time_ms - device.last_seen_ms <= resolution_ms
    if is_fresh and _has(device, ids) and _knows(device.info, info):
        return stored
    seen = Device(
        _ordered({**device.ids, **dict(ids)}),
        min(device.first_seen_ms, time_ms),
        max(device.last_seen_ms, time_ms),
        {**device.info, **_facts(info)},
    )
    return (*stored[:place], *stored[place + 1 :], seen)


def is_known(
    stored: Devices, ids: Sequence[Identifier], info: Mapping[str, Any] | None, since_ms: int
) -> bool:
    """Whether a device with all *ids* and *info* was seen since *since_ms*: nothing to note."""
    seen_ms = last_known(stored, ids, info)
    return seen_ms is not None and seen_ms >= since_ms


def last_known(
    stored: Devices, ids: Sequence[Identifier], info: Mapping[str, Any] | None
) -> int | None:
    """Return when the device with all *ids* and *info* was seen last, None where there is none."""
    for device in stored:
        if _has(device, ids):
            return device.last_seen_ms if _knows(device.info, info) else None
    return None


def keep_recent(devices: Devices, most: int) -> Devices:
    """Return the *most* recently seen devices; of several seen at one time the last ones stay."""
    excess = len(devices) - most
    if excess <= 0:
        return devices
    places = sorted(range(len(devices)), key=lambda place: devices[place].last_seen_ms)
    gone = set(places[:excess])
    return tuple(device for place, device in enumerate(devices) if place not in gone)


def join_devices(devices: Devices, others: Devices) -> Devices:
    """Return the devices of two profiles: those that share an id are one, last seen last."""
    joined = devices
    for other in others:
        place = _find(joined, [Identifier(*known) for known in other.ids.items()])
        if place is None:
            joined = (*joined, other)
            continue
        device = joined[place]
        older, newer = sorted((device, other), key=lambda one: one.last_seen_ms)
        both = Device(
            _ordered({**older.ids, **newer.ids}),
            min(device.first_seen_ms, other.first_seen_ms),
            newer.last_seen_ms,
            {**older.info, **newer.info},
        )
        joined = (*joined[:place], *joined[place + 1 :], both)
    return tuple(sorted(joined, key=lambda one: one.last_seen_ms))


def _has(device: Device, ids: Sequence[Identifier]) -> bool:
    known = device.ids
    for identity_type, value in ids:  # noqa: SIM110 - a generator costs twice as much here
        if known.get(identity_type) != value:
            return False
    return True


def _knows(known: Mapping[str, Any], info: Mapping[str, Any] | None) -> bool:
    if info:
        for name, fact in info.items():
            if known.get(name) != fact and type(fact) in _FACTS and name not in _ID_KEYS:
                return False
    return True


def _find(stored: Devices, ids: Sequence[Identifier]) -> int | None:
    for identity_type, value in sorted(ids, key=_rank):
        for place, device in enumerate(stored):
            if device.ids.get(identity_type) == value:
                return place
    return None


def _rank(identifier: tuple[str, str]) -> int:
    return _RANK.get(identifier[0], len(_RANK))


def _ordered(ids: dict[str, str]) -> dict[str, str]:
    return ids if len(ids) == 1 else dict(sorted(ids.items(), key=_rank))


def _facts(info: Mapping[str, Any] | None) -> dict[str, Any]:
    if not info:
        return {}
    return {n: fact for n, fact in info.items() if type(fact) in _FACTS and n not in _ID_KEYS}
