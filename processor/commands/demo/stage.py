"""The stage of a demo: sends records to the input topics, and keeps what the outputs answer."""

from time import monotonic
from typing import Any, Final

import msgspec

from processor.commands.demo.background import ProcessorThread
from processor.kafka.conversation import Conversation, NoAnswer, Place
from processor.records import Record
from processor.settings import Settings

ANSWER_SECONDS: Final = 30.0


class Stage:
    """Asks one question after the other, and collects profiles on the way."""

    def __init__(
        self, client: Conversation, processor: ProcessorThread, settings: Settings
    ) -> None:
        self._client = client
        self._processor = processor
        self.topics = settings.kafka.topics
        self.scope_of = {n: i.workspace.scope for n, i in settings.inputs.items()}
        self.profiles: dict[tuple[str, str], dict[str, Any]] = {}
        self._answers: dict[Place, Record] = {}

    def ask(self, topic: str, name: str, body: dict[str, Any]) -> Record:
        """Send *body* through input *name*; return the record that answers it."""
        value = msgspec.json.encode(body)
        place = self._client.send(topic, b"demo", value, [("input", name.encode())])
        deadline = monotonic() + ANSWER_SECONDS
        while place not in self._answers:
            if self._processor.error is not None:
                raise self._processor.error
            if monotonic() > deadline:
                raise NoAnswer("the processor did not answer a step in time")
            self._collect(self._client.read(within=0.5))
        return self._answers[place]

    def read_on(self) -> None:
        """Read on until nothing more comes: profiles follow the answers they belong to."""
        while records := self._client.read(within=0.5):
            self._collect(records)

    def _collect(self, records: list[Record]) -> None:
        answers = {self.topics.responses, self.topics.enriched, self.topics.dead_letters}
        for record in records:
            if record.topic in answers:
                self._answers[_source(record)] = record
            if record.topic == self.topics.profiles:
                self._note(value_of(record))

    def _note(self, profile: dict[str, Any]) -> None:
        key = profile["scope"], profile["mpid"]
        before = self.profiles.get(key)
        if before is None or before["version"] < profile["version"]:
            self.profiles[key] = profile


def _source(record: Record) -> Place:
    headers = dict(record.headers)
    topic, partition, offset = (
        headers[f"source-{part}"].decode() for part in ("topic", "partition", "offset")
    )
    return Place(topic, int(partition), int(offset))


def value_of(record: Record) -> dict[str, Any]:
    """Return the JSON object that a record holds; an empty one for a tombstone."""
    found: dict[str, Any] = msgspec.json.decode(record.value or b"{}")
    return found
