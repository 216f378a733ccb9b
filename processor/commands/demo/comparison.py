"""A batch before and after, field by field: what was added, and what was replaced. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

SAME: Final = ""
ADDED: Final = "+"
REPLACED: Final = "~"
GONE: Final = "-"


class Line(Struct, frozen=True):
    """A field of a batch."""

    sign: str
    field: str
    value: str
    """As it came out; of a field that is gone, as it went in."""
    was: str | None = None
    """As it went in, where it was replaced."""


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Line]:
    """Return the fields of both, those that went in first."""
    sent, came = dict(_flat(before)), dict(_flat(after))
    lines = []
    for field in (*sent, *(f for f in came if f not in sent)):
        if field not in came:
            lines.append(Line(GONE, field, sent[field]))
        elif field not in sent:
            lines.append(Line(ADDED, field, came[field]))
        elif sent[field] != came[field]:
            lines.append(Line(REPLACED, field, came[field], sent[field]))
        else:
            lines.append(Line(SAME, field, came[field]))
    return lines


def _flat(batch: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield path and value of each field; events as one, identities by type in either form."""
    for name, value in batch.items():
        if name == "events":
            yield name, ", ".join(str(event.get("event_type")) for event in value)
        elif name == "user_identities" and isinstance(value, list):
            yield from ((f"{name}.{i['identity_type']}", str(i["identity"])) for i in value)
        elif isinstance(value, dict):
            yield from ((f"{name}.{key}", _text(inner)) for key, inner in value.items())
        else:
            yield name, _text(value)


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
