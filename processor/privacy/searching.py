"""Searching: whether bytes of any store or topic hold a value of a person, or a token of one. Pure.

A value counts where it stands as whole words: ``ada`` is not in ``adam``. Letters count alike in
both cases, since records hold values as they were sent and profiles in their normal form. A short
value is everywhere; it counts where it stands as an identity of its type.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec
from msgspec import Struct

from processor.identity.model import Identifier

SHORT: Final = 4
"""Values of fewer characters count as identities only."""
_CERTAIN: Final = 6
"""A value of so many characters counts in bytes of no known form, whatever its neighbours are."""
_HEX: Final = re.compile(rb"[0-9a-f]{32,}")
_DIGITS: Final = 32
"""Hex digits of a token."""

_json = msgspec.json.Encoder().encode
_msgpack = msgspec.msgpack.Encoder().encode
_decode_json = msgspec.json.Decoder().decode
_decode_msgpack = msgspec.msgpack.Decoder().decode

Decode = Callable[[bytes], Any]
Whats = frozenset[str]
"""What was found, such as types of identities; never a value."""
NOTHING: Final[Whats] = frozenset()


class Person(Struct, frozen=True):
    """Who is searched for."""

    identifiers: tuple[Identifier, ...] = ()
    """In their normal form, and as they were written where that is another."""
    texts: tuple[str, ...] = ()
    """Other values, such as a name."""
    tokens: Mapping[bytes, str] = {}
    """What the identifier behind a token is."""
    mpids: frozenset[int] = frozenset()


class _Value(Struct, frozen=True):
    what: str
    text: str
    in_address: str
    """As it stands in an address."""
    forms: tuple[bytes, ...]
    """How it may be written in bytes."""


class Searcher:
    """Searches for one person."""

    def __init__(self, person: Person) -> None:
        self.person = person
        texts = [("text", text) for text in person.texts]
        named = [(one.identity_type, one.value) for one in person.identifiers]
        self._values = tuple(
            _value(what, text) for what, text in dict.fromkeys(named + texts) if len(text) >= SHORT
        )
        self._whole = {value.text: value.what for value in self._values}
        self._pairs = tuple(
            (one.identity_type, form)
            for one in person.identifiers
            if len(one.value) < SHORT
            for form in _pair(one)
        )
        self._hexes = {token.hex().encode(): what for token, what in person.tokens.items()}

    def suspects(self, data: bytes) -> bool:
        """Whether *data* may hold a value or a token in hex: for many texts joined to one."""
        lowered = data.lower()
        return (
            any(form in lowered for value in self._values for form in value.forms)
            or any(form in lowered for _, form in self._pairs)
            or bool(self.tokens_in(lowered))
        )

    def tokens_in(self, data: bytes) -> Whats:
        """Return which tokens *data* has, written in hex."""
        found = set()
        for run in _HEX.findall(data) if self._hexes else ():
            for at in range(len(run) - _DIGITS + 1):
                what = self._hexes.get(run[at : at + _DIGITS])
                if what is not None:
                    found.add(what)
        return frozenset(found)

    def in_json(self, data: bytes, *, with_numbers: bool = False) -> Whats:
        """Return which values are in the value of a record: JSON, or whatever it is.

        A number counts in records as they were sent, where it may be an id.
        """
        return self._found(data, _decode_json, with_numbers=with_numbers)

    def in_msgpack(self, data: bytes) -> Whats:
        """Return which values are in MessagePack, also in what of it is bytes."""
        return self._found(data, _decode_msgpack, with_numbers=False)

    def in_bytes(self, data: bytes) -> Whats:
        """Return which values are in *data* whose form is not known."""
        lowered = data.lower()
        found = {what for what, form in self._pairs if form in lowered}
        for value in self._values:
            for form in value.forms:
                if form in lowered and (len(form) >= _CERTAIN or _is_word(lowered, form)):
                    found.add(value.what)
        return frozenset(found)

    def in_value(self, value: Any, *, with_numbers: bool = False) -> Whats:  # noqa: ANN401 - as decoded
        """Return which values are among the texts of *value*, at any depth."""
        found: set[str] = set()
        for leaf in _leaves(value):
            if isinstance(leaf, bytes):
                found |= self.in_json(leaf)
            elif isinstance(leaf, str) or with_numbers:
                self._add(str(leaf).lower(), found)
        return frozenset(found)

    def _add(self, text: str, found: set[str]) -> None:
        """Add what is in *text* to what was *found*."""
        whole = self._whole.get(text)
        if whole is not None:
            found.add(whole)
            return
        for one in self._values:
            if one.what not in found and _has(text, one):
                found.add(one.what)

    def _found(self, data: bytes, decode: Decode, *, with_numbers: bool) -> Whats:
        lowered = data.lower()
        pairs = frozenset(what for what, form in self._pairs if form in lowered)
        if not any(form in lowered for value in self._values for form in value.forms):
            return pairs
        try:
            value = decode(data)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return pairs | self.in_bytes(data)
        return pairs | self.in_value(value, with_numbers=with_numbers)


def joined(parts: Iterable[bytes]) -> bytes:
    """Return *parts* as one text to look through at once; none runs over into the next."""
    return b"\0".join(parts)


def _value(what: str, text: str) -> _Value:
    lowered = text.lower()
    in_address = quote(lowered, safe="").lower()
    forms = [
        lowered.encode(),
        _json(lowered)[1:-1],
        _ascii(lowered),
        in_address.encode(),
    ]
    return _Value(what, lowered, in_address, tuple(dict.fromkeys(forms)))


def _ascii(text: str) -> bytes:
    """Return *text* as a program writes it into JSON that keeps to ASCII."""
    units = text.encode("utf-16-be")
    codes = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    last = 0x7F
    return b"".join(b"%c" % code if code <= last else b"\\u%04x" % code for code in codes)


def _pair(one: Identifier) -> tuple[bytes, bytes]:
    """Return an identity as it stands in a document, with its type: in the index, on the topic."""
    stored = _msgpack(one.identity_type) + _msgpack(one.value)
    published = b'"identity_type":%b,"value":%b' % (_json(one.identity_type), _json(one.value))
    return stored.lower(), published.lower()


def _has(text: str, value: _Value) -> bool:
    return (value.text in text and _is_word(text, value.text)) or (
        value.in_address in text and _is_word(text, value.in_address)
    )


def _is_word(text: Any, word: Any) -> bool:  # noqa: ANN401 - both text, or both bytes
    """Whether *word* stands anywhere in *text* between other letters and digits than its own."""
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        before, after = text[at - 1 : at] if at else text[:0], text[end : end + 1]
        if not before.isalnum() and not after.isalnum():
            return True
        at = text.find(word, at + 1)
    return False


def _leaves(value: Any) -> Iterator[Any]:  # noqa: ANN401 - as decoded
    """Yield texts, bytes and numbers, names of fields too."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _leaves(name)
            yield from _leaves(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _leaves(one)
    elif value is not None and not isinstance(value, bool):
        yield value
