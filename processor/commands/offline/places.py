"""Where a record was searched for identifiers, and what of it was left out, in words."""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from msgspec import Raw

from processor.pipeline.batches import Batch
from processor.pipeline.work import Work
from processor.records import Ignored

_BATCH: Final = ("user_identities", "device_info", "mp_deviceid", "mpid")
_NULL: Final = Raw(b"null")
_OF_PHONES: Final = "context.device"
_OF_ALIASES: Final = "no field, as calls of the type alias have no identifiers"

IGNORED: Final = {
    "type": "is of another type than it should be",
    "time": "is a time that cannot be read",
    "far_past": "is too long before the record's own time, which is taken in its place",
    "far_future": "is too far after the record's own time, which is taken in its place",
    "value": "is none of the values that are known",
    "missing": "says nothing: what it must have is missing",
}
"""What is odd about a value, by the reason of ``idstream_ignored_fields_total``."""


def places(work: Work) -> tuple[str, ...]:
    """Return the fields that were searched for identifiers; those that are missing say so."""
    content, request = work.content, work.request
    keys = work.rules.workspace.keys
    if isinstance(content, Batch) and content.form == "segment":
        if _is_alias(content.batch.fields):
            return (_OF_ALIASES,)
        return (*_in_calls(keys.places), "context.externalIds by their type")
    if isinstance(content, Batch):
        fields = content.batch.fields
        found = [n if fields.get(n, _NULL) != _NULL else f"{n} (missing)" for n in _BATCH]
        if keys.is_literal:
            found[0] = f"{found[0]}: of its names {', '.join(keys.batch)}"
        return tuple(found)
    modifies = request is not None and request.action == "modify"
    return ("mpid", "identity_changes") if modifies else ("known_identities",)


def _is_alias(fields: Mapping[str, Raw]) -> bool:
    call = msgspec.json.decode(fields.get("segment", b"{}"), type=dict[str, Raw])
    return call.get("type") == Raw(b'"alias"')


def _in_calls(places: Mapping[str, tuple[tuple[str, ...], ...]]) -> Iterator[str]:
    for name, its in places.items():
        where = ", ".join(".".join(place) for place in its) or _OF_PHONES
        yield f"{name} in {where}"


def odd(ignored: Ignored) -> str:
    """Return what was left out, with the record's own name for it."""
    where = ignored.field
    if ignored.name:
        where = f"{where.removesuffix('[...]').removesuffix('.')}.{ignored.name}"
    return f"{where} {IGNORED[ignored.reason]}"
