"""What is told of a record that passes: what it is, who it names, what was decided. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from processor.commands.tail.joining import Passage
from processor.commands.terminal.masking import MASK
from processor.records import Record

Read = Callable[[str, bytes | None], Any]
"""Returns the JSON of a value of a topic of some role, None where it cannot be read."""

Types = Callable[[str, str], str]
"""Returns the identity type that a name stands for in records of an input, or the name."""

NOTHING: Final = "nothing"
"""The outcome of a record without any output: stored, dropped or a duplicate."""
SIGNS: Final = {"identity_added": "+", "identity_removed": "-", "identity_moved": "~"}
_IDS: Final = ("userId", "anonymousId", "groupId")


class Told(Struct):
    """A record that passed, in words."""

    place: str
    """Its topic, partition and offset."""
    time_ms: int
    input: str
    what: str
    """Its request type, its events, or the kind of call."""
    identities: dict[str, str]
    outcome: str
    reason: str | None = None
    """Why, where it is an error, a dead letter or a drop."""
    decision: str | None = None
    """created, matched by a type, merged ..."""
    mpid: str | None = None
    changes: tuple[str, ...] = ()
    """+type, -type or ~type (came from another profile), and other changes by name."""
    letter: str | None = None
    """Partition and offset of its dead letter."""


def tell(passage: Passage, role: str, read: Read, types: Types, *, clear: bool) -> Told:
    """Return what to tell of *passage*; *role* is that of its topic, values shown if *clear*."""
    source = passage.source
    assert source is not None
    body = read(role, source.value)
    fields = body if isinstance(body, dict) else {}
    name = dict(source.headers).get("input", b"default").decode("utf-8", "replace")
    identities = {types(name, n): str(v) if clear else MASK for n, v in _identities(fields)}
    told = Told(
        place=f"{source.topic}/{source.partition}/{source.offset}",
        time_ms=source.timestamp_ms,
        input=name,
        what=_what(role, fields) if isinstance(body, dict) else "(unreadable)",
        identities=identities,
        outcome=NOTHING,
        changes=tuple(dict.fromkeys(_changes(passage, read))),
    )
    for kind, output in passage.outputs.items():
        _add(told, kind, output, read)
    return told


# ---- what came in -------------------------------------------------------------------------------


def _what(role: str, fields: Mapping[str, Any]) -> str:
    if role == "requests":
        return str(fields.get("request_type", "request"))
    if role == "privacy":
        return str(fields.get("subject_request_type", "request"))
    if "type" in fields and "events" not in fields:
        named = fields.get("event") or fields.get("name") or ""
        return f"{fields['type']} {named}".strip()
    events = fields.get("events")
    kinds = Counter(
        str(one.get("event_type", "?"))
        for one in (events if isinstance(events, list) else ())
        if isinstance(one, dict)
    )
    return ", ".join(k if n == 1 else f"{k} x{n}" for k, n in kinds.items()) or "no events"


def _identities(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for holder in ("known_identities", "user_identities"):
        held = fields.get(holder)
        if isinstance(held, dict):
            yield from held.items()
    device = fields.get("device_info")
    if isinstance(device, dict):
        yield from ((n, v) for n, v in device.items() if _is_device_id(n))
    for name in ("mp_deviceid", "mpid", *_IDS):
        if fields.get(name) is not None:
            yield name, fields[name]


def _is_device_id(name: str) -> bool:
    return name.endswith(("_id", "_idfv", "_uuid", "_aid", "_token", "amp_id"))


# ---- what came out ------------------------------------------------------------------------------


def _add(told: Told, role: str, output: Record, read: Read) -> None:
    headers = {n: v.decode("utf-8", "replace") for n, v in output.headers}
    told.mpid = headers.get("mpid", told.mpid)
    if role == "dead_letters":
        told.outcome, told.reason = "dead_letter", headers.get("reason")
        told.decision = headers.get("detail")
        told.letter = f"{output.partition}/{output.offset}"
    elif role == "enriched":
        told.outcome = "forwarded"
        told.decision = _decided(_resolution(headers.get("resolution")))
    elif role in ("responses", "receipts"):
        told.outcome = "answered"
        _answer(told, read(role, output.value))
    else:
        _outcome(told, read(role, output.value))


def _answer(told: Told, body: Any) -> None:  # noqa: ANN401 - any JSON value
    if not isinstance(body, dict):
        return
    told.decision = _decided(body.get("resolution")) or body.get("state")
    errors = body.get("errors")
    if errors:
        told.reason = errors[0].get("code")
        told.decision = f"{body.get('status')}: {errors[0].get('message')}"


def _outcome(told: Told, body: Any) -> None:  # noqa: ANN401 - any JSON value
    if isinstance(body, dict):
        told.outcome = str(body.get("outcome"))
        told.reason = told.reason or body.get("reason")
        told.mpid = told.mpid or body.get("mpid")


def _resolution(text: str | None) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return None if text is None else msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None


def _decided(resolution: Any) -> str | None:  # noqa: ANN401 - any JSON value
    if not isinstance(resolution, dict):
        return None
    outcome, by = resolution.get("outcome"), resolution.get("matched_on")
    return f"{outcome} by {by}" if by else outcome


def _changes(passage: Passage, read: Read) -> Iterator[str]:
    for record in passage.changes:
        body = read("changes", record.value)
        if not isinstance(body, dict):
            continue
        kind = str(body.get("change"))
        if kind in SIGNS:
            yield f"{SIGNS[kind]}{body.get('identity_type')}"
        elif kind != "profile_created":  # the decision says so
            yield kind.replace("_", " ")
