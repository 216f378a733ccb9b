"""The codecs: what opens the values of inputs, and writes those of outputs, in each format."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from processor.codecs.avro.reading import CONTENT_TYPE, AvroReader, AvroWriter, Writers
from processor.codecs.avro.repeats import Repeats
from processor.codecs.avro.schemas import MESSAGES
from processor.codecs.envelope import Opener, open_object
from processor.codecs.segment import Places, open_segment
from processor.codecs.strict.check import strictly
from processor.records import Output
from processor.rules import Format, Validation

CONTENT_TYPES: Final[Mapping[str, bytes]] = {
    "json": b"application/json",
    "avro": CONTENT_TYPE.encode(),
    "segment": b"application/json",
}

_NONE: Final[Places] = MappingProxyType({})
_REPEATING: Final = "enriched"
"""The role whose messages of one user repeat whole fields."""

Openers = Mapping[Format, Opener]


def _request_openers(writers: Writers | None = None) -> Openers:
    return {
        "json": open_object,
        "avro": AvroReader(MESSAGES["requests"], writers).open_object,
    }


def _subject_openers(writers: Writers | None = None) -> Openers:
    return {
        "json": open_object,
        "avro": AvroReader(MESSAGES["privacy"], writers).open_object,
    }


def _batch_openers(
    writers: Writers | None = None, repeats: Repeats | None = None
) -> Mapping[Validation, Openers]:
    lenient: Openers = {
        "json": open_object,
        "avro": AvroReader(MESSAGES["batches"], writers, repeats).open_object,
        "segment": open_segment,
    }
    strict: dict[Format, Opener] = {form: strictly(opener) for form, opener in lenient.items()}
    strict["segment"] = open_segment  # batches made of calls have a field that the schema lacks
    return {"lenient": lenient, "strict": strict}


class Codecs(Struct, frozen=True):
    """The codecs of a pipeline. By default it reads every format and writes JSON."""

    batches: Mapping[Validation, Openers] = field(default_factory=_batch_openers)
    requests: Openers = field(default_factory=_request_openers)
    subjects: Openers = field(default_factory=_subject_openers)
    """Of requests under privacy law."""
    writers: Mapping[str, AvroWriter] = {}
    """By role of a topic, where the topic is Avro."""
    repeats: Repeats | None = None
    """What is remembered of batches in Avro."""

    @classmethod
    def build(
        cls,
        roles: Iterable[str],
        known: Writers | None = None,
        register: Callable[[str], int | None] = lambda _role: None,
        memory_bytes: int = 0,
    ) -> "Codecs":
        """Return codecs that write *roles* in Avro and read schemas *known* by id.

        *register* returns the id that a role's schema has in the registry. What users' batches
        repeat is remembered in so many bytes.
        """
        repeats = Repeats(memory_bytes) if memory_bytes else None
        return cls(
            batches=_batch_openers(known, repeats),
            requests=_request_openers(known),
            subjects=_subject_openers(known),
            writers={
                role: AvroWriter(
                    MESSAGES[role], register(role), repeats if role == _REPEATING else None
                )
                for role in roles
            },
            repeats=repeats,
        )

    def batch_opener(self, form: Format, validation: Validation, places: Places = _NONE) -> Opener:
        """Return what opens the values of batches in format *form*.

        *places* are those of a workspace's identifiers in calls of Segment's.
        """
        if form == "segment" and places:
            return partial(open_segment, places=places)
        return self.batches[validation][form]

    def written(self, outputs: list[Output]) -> list[Output]:
        """Return *outputs*, which are JSON, in the formats of their topics.

        A batch that goes out as received stays as it is; if the topic is of another format, the
        header ``content-type`` names the batch's.
        """
        if not self.writers and not any(output.as_received == "avro" for output in outputs):
            return outputs
        return [self._written(output) for output in outputs]

    def _written(self, output: Output) -> Output:
        writer = self.writers.get(output.role)
        if output.as_received:
            return _with_content_type(output, "json" if writer is None else "avro")
        if writer is None or output.value is None:
            return output
        headers = (*output.headers, ("content-type", CONTENT_TYPES["avro"]))
        return Output(output.role, output.key, writer.write(output.value), headers)


def _with_content_type(output: Output, expected: Format) -> Output:
    """Return an output as received; where its format is not *expected*, with its content type."""
    has_one = any(name == "content-type" for name, _ in output.headers)
    if has_one or output.as_received is None or output.as_received == expected:
        return output
    content_type = ("content-type", CONTENT_TYPES[output.as_received])
    return replace(output, headers=(*output.headers, content_type))
