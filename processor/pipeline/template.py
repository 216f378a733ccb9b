"""Templates: batches of a known user as text, with holes for what differs from batch to batch.

A producer writes its fields in one order, and nearly all of them as before. Then a batch need not
be opened: the text between the holes is compared with that of an earlier batch, and only what is in
the holes is decoded, each as one JSON value. If both succeed, the batch is the JSON object of that
earlier one, with other values in the holes. A batch that does not fit is opened like any other.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Raw, Struct

from processor.codecs.batch import Heads, heads_of
from processor.codecs.envelope import Fields, check_text_and_depth
from processor.codecs.fault import Fault
from processor.pipeline.enrichment import lay_over

HOLES: Final = ("events", "source_request_id", "timestamp_unixtime_ms")
"""Fields that differ from batch to batch, and decide nothing but what is read of them each time."""
START_BYTES: Final = 48
"""How many bytes of the text behind the events are searched for, before all of it is compared."""
TEMPLATE_BYTES: Final = 900
"""About how many bytes a template takes beside its texts."""

_STYLES: Final = ((b",", b":"), (b", ", b": "))
"""How producers separate fields, and a name from its value."""
_MARK: Final = Raw(b"\0")
"""Stands for a hole in a text: no JSON has such a byte."""
_SPACE: Final = 0x20


class Filled(Struct, frozen=True, gc=False):
    """A batch that fits a template."""

    heads: Heads
    value: bytes
    """The enriched batch."""
    fields: Mapping[str, Raw | bytes]
    """The fields that differ from batch to batch, others perhaps among them."""


class Template(Struct, frozen=True, gc=False):
    """The text of a known user's batch, and of the enriched batch that is made of it."""

    names: tuple[str, ...]
    """The holes, in their order."""
    start: bytes
    """The text before the first hole."""
    literals: tuple[tuple[str, bytes], ...]
    """Each hole but the last, with the text between it and the next one."""
    end: bytes
    """The text after the last hole."""
    parts: list[bytes]
    """The enriched batch: texts, with a place between them for each hole."""

    @property
    def cost(self) -> int:
        """About how many bytes it takes."""
        texts = (self.start, *(text for _, text in self.literals), self.end, *self.parts)
        return TEMPLATE_BYTES + sum(map(len, texts))

    def fill(self, value: bytes) -> Filled | None:
        """Return the batch that *value* is, of JSON; None where it may be another than it seems."""
        found = self._holes(value)
        if found is None or not _are_bare(found):
            return None
        fields = dict(zip(self.names, found, strict=True))
        heads = heads_of(fields)
        if heads is None:
            return None
        try:
            check_text_and_depth(value)
        except Fault:
            return None
        parts = self.parts.copy()
        parts[1::2] = found
        return Filled(heads, b"".join(parts), fields)

    def _holes(self, value: bytes) -> list[bytes] | None:
        """Return the texts in the holes; None where the text between them differs.

        The end of a hole is guessed by what its value is as a rule. A wrong guess does no harm:
        what is then in the hole is no JSON value.
        """
        if not (value.startswith(self.start) and value.endswith(self.end)):
            return None
        at, found = len(self.start), []
        for name, text in self.literals:
            if name == "events":
                end = value.rfind(text[:START_BYTES])
            elif name == "source_request_id":
                end = value.find(b'"', at + 1) + 1
            else:
                end = value.find(b",", at)
            if not value.startswith(text, end):
                return None
            found.append(value[at:end])
            at = end + len(text)
        found.append(value[at : len(value) - len(self.end)])
        return found


def template_of(value: bytes, fields: Fields, over: Mapping[str, Raw]) -> Template | None:
    """Return the template of a known user's batch, over which *over* is laid.

    None where its text is not written as usual.
    """
    style = next((style for style in _STYLES if _text(fields, style) == value), None)
    names = tuple(name for name, raw in fields.items() if name in HOLES and raw != b"null")
    if style is None or not names:
        return None
    marked: Fields = {**fields, **dict.fromkeys(names, _MARK)}
    start, *between, end = _text(marked, style).split(bytes(_MARK))
    parts = lay_over(marked, over, None).split(bytes(_MARK))
    places = [part for text in parts for part in (text, b"")]
    literals = tuple(zip(names, between, strict=False))
    return Template(names, start, literals, end, places[:-1])


def _are_bare(found: Iterable[bytes]) -> bool:
    """Whether no text has space around it, or is null: a field of that counts as absent."""
    for text in found:
        if not text or text[0] <= _SPACE or text[-1] <= _SPACE or text == b"null":
            return False
    return True


def _text(fields: Fields, style: tuple[bytes, bytes]) -> bytes:
    """Return an object of *fields* as text."""
    comma, colon = style
    written = [b'"%b"%b%b' % (name.encode(), colon, raw) for name, raw in fields.items()]
    return b"{%b}" % comma.join(written)
