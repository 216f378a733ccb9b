"""Short values, which are everywhere, count where a record names them as identities. Pure.

A name counts in every spelling that records may have, in whatever case and with or without
underscores: ``customer_id``, ``customerId``. An object may also tell the type beside the value.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from processor.identity.model import Identifier
from processor.identity.types import spellings

_TYPE_FIELDS: Final = frozenset({"identitytype", "type"})
_VALUE_FIELDS: Final = frozenset({"identity", "value", "oldvalue", "newvalue", "id"})
_OF_PHONES: Final = {"id": "deviceid", "push_token": "devicetoken", "idfa": "deviceadvertisingid"}
"""Where Segment's calls have the ids of phones: ``device`` and the field in it."""
_SEPARATORS: Final = re.compile(r"[\W_]+")

_decode = msgspec.json.Decoder().decode
Types = frozenset[str]
_NONE: Final[Types] = frozenset()


class Naming:
    """Which types' short values a decoded value has."""

    def __init__(
        self, identifiers: Iterable[Identifier], names: Mapping[str, Iterable[str]]
    ) -> None:
        """Take short *identifiers*; *names* are further names of a type's fields."""
        self._values: dict[str, set[str]] = {}
        for one in identifiers:
            self._values.setdefault(one.identity_type, set()).add(one.value.lower())
        self._types: dict[str, Types] = {}
        for kind in self._values:
            spelled = (*spellings(kind), *names.get(kind, ()))
            phone = _OF_PHONES.get(kind.partition(".")[2])
            for name in (*spelled, *([phone] if phone else ())):
                key = _squeezed(name)
                self._types[key] = self._types.get(key, _NONE) | {kind}

    def types_in(self, value: Any, *, with_numbers: bool) -> Types:  # noqa: ANN401 - as decoded
        """Return the types of the values that *value* names, at any depth."""
        found: set[str] = set()
        if self._values:
            self._walk(value, _NONE, "", found, with_numbers=with_numbers)
        return frozenset(found)

    def types_of(self, text: str) -> Types:
        """Return the types that *text*, a whole key of a record, is a value of."""
        lowered = text.lower()
        return frozenset(kind for kind, values in self._values.items() if lowered in values)

    def _walk(
        self,
        value: Any,  # noqa: ANN401 - as decoded
        named: Types,
        parent: str,
        found: set[str],
        *,
        with_numbers: bool,
    ) -> None:
        if isinstance(value, Mapping):
            for key, inner, types in self._fields(value, named, parent):
                self._walk(inner, types, key, found, with_numbers=with_numbers)
        elif isinstance(value, list | tuple):
            for at, inner in enumerate(value):
                types = self._spelled(value[0]) if at == 1 else _NONE  # as documents have them
                self._walk(inner, named | types, parent, found, with_numbers=with_numbers)
        elif isinstance(value, str) and value[:1] in ("{", "["):  # JSON within JSON
            self._walk(_inner(value), named, parent, found, with_numbers=with_numbers)
        elif named and (isinstance(value, str) or (with_numbers and _is_number(value))):
            text = str(value).lower()
            found.update(kind for kind in named if text in self._values[kind])

    def _fields(
        self, value: Mapping[Any, Any], named: Types, parent: str
    ) -> Iterable[tuple[str, Any, Types]]:
        """Yield each field's name, its value, and the types that it is named as."""
        fields = [(str(name), inner) for name, inner in value.items()]
        keys = [_squeezed(name) for name, _ in fields]
        beside: Types = _NONE
        for key, (_, inner) in zip(keys, fields, strict=True):
            if key in _TYPE_FIELDS:
                beside |= self._spelled(inner)
        for key, (name, inner) in zip(keys, fields, strict=True):
            types = self._types.get(key, _NONE) | self._types.get(parent + key, _NONE)
            if "." in name:  # a column: user_identities.customer_id
                types |= self._types.get(_squeezed(name.rpartition(".")[2]), _NONE)
            if key in _VALUE_FIELDS:
                types |= beside | named
            yield key, inner, types

    def _spelled(self, name: Any) -> Types:  # noqa: ANN401 - as decoded
        return self._types.get(_squeezed(name), _NONE) if isinstance(name, str) else _NONE


def _squeezed(name: str) -> str:
    return _SEPARATORS.sub("", name).lower()


def _is_number(value: Any) -> bool:  # noqa: ANN401 - as decoded
    return isinstance(value, int | float) and not isinstance(value, bool)


def _inner(text: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return _decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
