"""The formats of the topics: what opens an input's value, what writes an output's."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from msgspec import Struct, field

from processor.codecs.avro.reading import CONTENT_TYPE, AvroReader, AvroWriter, Writers
from processor.codecs.avro.schemas import MESSAGES
from processor.codecs.envelope import Opener, open_object
from processor.codecs.segment import open_segment
from processor.records import Output
from processor.rules import Format

CONTENT_TYPES: Final[Mapping[str, bytes]] = {
    "json": b"application/json",
    "avro": CONTENT_TYPE.encode(),
    "segment": b"application/json",
}


def _openers(role: str, writers: Writers | None = None) -> dict[Format, Opener]:
    return {
        "json": open_object,
        "avro": AvroReader(MESSAGES[role], writers).open_object,
        "segment": open_segment,
    }


class Codecs(Struct, frozen=True):
    """What the pipeline reads and writes with; by default all formats in, JSON out."""

    batches: Mapping[Format, Opener] = field(default_factory=lambda: _openers("batches"))
    requests: Mapping[Format, Opener] = field(default_factory=lambda: _openers("requests"))
    writers: Mapping[str, AvroWriter] = {}
    """Of the roles whose topics are Avro."""

    @classmethod
    def build(
        cls,
        roles: Iterable[str],
        known: Writers | None = None,
        register: Callable[[str], int | None] = lambda _role: None,
    ) -> "Codecs":
        """Return codecs that write *roles* in Avro and read schemas *known* by id.

        *register* returns the id that a role's schema has in the registry.
        """
        return cls(
            batches=_openers("batches", known),
            requests=_openers("requests", known),
            writers={role: AvroWriter(MESSAGES[role], register(role)) for role in roles},
        )

    def written(self, outputs: list[Output]) -> list[Output]:
        """Return *outputs*, which are JSON, in the formats of their topics.

        A batch that goes out as received keeps its own; where readers of the topic expect another,
        a content type tells them.
        """
        if not self.writers and not any(output.as_received == "avro" for output in outputs):
            return outputs
        return [self._written(output) for output in outputs]

    def _written(self, output: Output) -> Output:
        writer = self.writers.get(output.role)
        if output.as_received:
            return _told(output, "json" if writer is None else "avro")
        if writer is None or output.value is None:
            return output
        headers = (*output.headers, ("content-type", CONTENT_TYPES["avro"]))
        return Output(output.role, output.key, writer.write(output.value), headers)


def _told(output: Output, expected: Format) -> Output:
    has_one = any(name == "content-type" for name, _ in output.headers)
    if has_one or output.as_received is None or output.as_received == expected:
        return output
    told = ("content-type", CONTENT_TYPES[output.as_received])
    return output._replace(headers=(*output.headers, told))
