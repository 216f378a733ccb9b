"""Searching: whether bytes of any store or topic hold a value of a person, or a token of one. Pure.

A value counts where it stands as whole words: ``ada`` is not in ``adam``. Letters count alike in
both cases, since records hold values as they were sent and profiles in their normal form. A short
value is everywhere; it counts where it stands as an identity of its type (``naming``).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec
from msgspec import Struct

from processor.identity.model import Identifier
from processor.privacy.naming import Naming
from processor.privacy.numbering import Numbering

SHORT: Final = 4
"""Values of fewer characters count as identities only."""
_CERTAIN: Final = 6
"""A value of so many characters counts in bytes of no known form, whatever its neighbours are."""
_HEX: Final = re.compile(rb"[0-9a-f]{32,}")
_DIGITS: Final = 32
"""Hex digits of a token."""
_ESCAPED: Final = b"\\u00"
"""How JSON may write any letter of ASCII."""

_json = msgspec.json.Encoder().encode
_msgpack = msgspec.msgpack.Encoder().encode
_decode_json = msgspec.json.Decoder().decode
_decode_msgpack = msgspec.msgpack.Decoder().decode

Decode = Callable[[bytes], Any]
Whats = frozenset[str]
"""What was found, such as types of identities; never a value."""
NOTHING: Final[Whats] = frozenset()
MPID: Final[Whats] = frozenset({"mpid"})


class Person(Struct, frozen=True):
    """Who is searched for."""

    identifiers: tuple[Identifier, ...] = ()
    """In their normal form, and as they were written where that is another."""
    texts: tuple[str, ...] = ()
    """Other values, such as a name."""
    tokens: Mapping[bytes, str] = {}
    """What the identifier behind a token is."""
    mpids: frozenset[int] = frozenset()
    names: Mapping[str, tuple[str, ...]] = {}
    """Further names of fields that hold a type, as the workspace reads them."""


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
        short = [one for one in person.identifiers if len(one.value) < SHORT]
        self._pairs = tuple((one.identity_type, form) for one in short for form in _pair(one))
        self._naming = Naming(short, person.names)
        self._numbering = Numbering(person.mpids)
        self._short = tuple(
            form for one in short for form in _value(one.identity_type, one.value).forms
        )
        self._quoted = tuple(form for one in short for form in _quoted(one.value.lower()))
        self._is_numeral = any(one.value.isdecimal() for one in short)
        self._hexes = {token.hex().encode(): what for token, what in person.tokens.items()}

    def suspects(self, data: bytes) -> bool:
        """Whether *data* may hold a value or a token in hex: for many texts joined to one."""
        lowered = data.lower()
        return (
            any(form in lowered for value in self._values for form in value.forms)
            or any(form in lowered for form in self._quoted)
            or _ESCAPED in lowered
            or bool(self.tokens_in(lowered))
        )

    @property
    def is_exacting(self) -> bool:
        """Whether records must be looked at one by one: for short values, and for MPIDs."""
        return bool(self._short or self.person.mpids)

    def may_hold(self, data: bytes) -> bool:
        """Whether *data*, one record's, may hold a value, short ones too; it may be Avro."""
        lowered = data.lower()
        return self._may(lowered) or (self._is_numeral and data[:1] not in (b"", b"{", b"["))

    def may_hide(self, data: bytes) -> bool:
        """Whether *data* may hold a short value, and is in no form that it would be found in."""
        if not self._short or not data:
            return False
        try:
            _decode_json(data)
        except (msgspec.DecodeError, ValueError, RecursionError):
            lowered = data.lower()
            return self._is_numeral or any(form in lowered for form in (*self._short, _ESCAPED))
        return False

    def in_wrapping(self, key: bytes | None, headers: Iterable[tuple[str, bytes]]) -> Whats:
        """Return which values and MPIDs are in the key and the headers of a record."""
        found: set[str] = set()
        parts = [(name, value or b"") for name, value in headers]
        may_hold = self._may(joined((key or b"", *(part for _, part in parts))).lower())
        for name, part in (("", key or b""), *parts):
            found |= self.in_json(part, with_numbers=True) if may_hold else NOTHING
            is_mpid = self._numbering.is_key if name in ("", "mpid") else self._numbering.is_in
            found |= MPID if is_mpid(part) else NOTHING
            if self._short and may_hold:
                text = part.decode(errors="replace")
                found |= self._naming.types_in({name: text}, with_numbers=True)
                found |= NOTHING if name else self._naming.types_of(text.strip('"'))
        return frozenset(found)

    def mpids_in(self, data: bytes) -> Whats:
        """Return whether the value of a record has an MPID."""
        return MPID if self._numbering.is_in(data) else NOTHING

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
        return self._naming.types_in(value, with_numbers=with_numbers) | found

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
        if not self._may(lowered):
            return pairs
        try:
            value = decode(data)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return pairs | self.in_bytes(data)
        return pairs | self.in_value(value, with_numbers=with_numbers)

    def _may(self, lowered: bytes) -> bool:
        return (
            any(form in lowered for value in self._values for form in value.forms)
            or any(form in lowered for form in self._short)
            or _ESCAPED in lowered
        )


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
        lowered.replace("/", "\\/").encode(),
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


def _quoted(text: str) -> tuple[bytes, ...]:
    """Return a short value as a whole text: in JSON, within JSON's texts, MessagePack and Avro."""
    data = text.encode()
    return (
        _json(text).lower(),
        b'"%b"' % _ascii(text),
        b'\\"%b\\"' % data,
        _msgpack(text).lower(),
        b"%c%b" % (2 * len(data), data),
    )


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
