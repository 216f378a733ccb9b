"""From a consumed record to its kind, which takes it in. Pure.

Nothing here raises on bad input: a record that cannot be processed is a dead letter, an identity
request that breaks a rule is answered with its error.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from processor.codecs.avro.reading import CONTENT_TYPE as AVRO_TYPE
from processor.codecs.avro.reading import UNKNOWN_ID, names_schema
from processor.codecs.formats import Codecs
from processor.computed.definition import Definitions
from processor.identity.model import Space
from processor.pipeline.batches import Batches
from processor.pipeline.journal import Entry
from processor.pipeline.memory import NO_MEMORY, Memory
from processor.pipeline.publish import Cause, audience_outputs, change_events, dead_letter
from processor.pipeline.requests import Requests
from processor.pipeline.subjects import SubjectRequests, receipt_output
from processor.pipeline.work import Kind, Settled, Taken, Work
from processor.privacy.receipt import request_id_of
from processor.records import DeadLetter, Record
from processor.rules import Format, InputRules, Limits, Role, Rules

Factory = Callable[[Limits, Codecs, bytes, Memory, Mapping[str, Definitions]], Kind]
KINDS: Final[Mapping[Role, Factory]] = {
    "batches": Batches,
    "requests": Requests,
    "privacy": SubjectRequests,
}
"""The kinds of records, by the role of the topic that they come from."""

JSON_TYPES: Final = frozenset({"application/json", "text/json"})


class Intake:
    """Takes records in under one set of rules; *key* keys the MPIDs (empty: guessable)."""

    def __init__(
        self,
        rules: Rules,
        key: bytes = b"",
        codecs: Codecs | None = None,
        memory: Memory = NO_MEMORY,
        definitions: Mapping[str, Definitions] = MappingProxyType({}),
    ) -> None:
        self._rules = rules
        self._kinds = {
            role: kind(rules.limits, codecs or Codecs(), key, memory, definitions)
            for role, kind in KINDS.items()
        }
        self._plain = {
            topic: (self._kinds[role], named, self._usual_format(named, topic))
            for topic, role in rules.roles.items()
            if (named := self._named("default", topic)) is not None
        }
        """What a record without headers is, by its topic."""

    def take(self, record: Record) -> Taken:
        """Decode *record* and say what it asks of the index.

        Raises RegistryUnavailable where its schema has to be asked for, and cannot be.
        """
        plain = None if record.headers else self._plain.get(record.topic)
        if plain is not None:
            kind, rules, form = plain
            return kind.take(record, rules, form)
        found = self._input_of(record)
        if isinstance(found, DeadLetter):
            return dead_letter(record, found)
        rules, form = found
        return self._kinds[self._rules.roles[record.topic]].take(record, rules, form)

    def unread(self, record: Record, letter: DeadLetter, entry: Entry, space: Space) -> Settled:
        """Set *record* aside undecoded.

        *entry* is what was decided of it in *space* before it was found to end processes: the index
        holds its effects, so its changes are published.
        """
        settled, found = dead_letter(record, letter), self._input_of(record)
        if not isinstance(found, DeadLetter):
            workspace, place = found[0].workspace.name, (*record.row, record.offset)
            cause = Cause(workspace, space.environment, record.timestamp_ms, place)
            settled.changes = change_events(entry.changes, record, space, cause)
            settled.audience_changes = audience_outputs(entry, record, space, None)
            settled.receipts = [
                receipt_output(one, request_id_of(one), record) for one in entry.receipts
            ]
        return settled

    def unknown(self, work: Work) -> Settled | None:
        """Return the dead letter that *work* was while its schema id was unknown.

        None if it names no schema.
        """
        if not names_schema(work.record.value or b""):
            return None
        return dead_letter(work.record, DeadLetter("schema_not_found", UNKNOWN_ID))

    def rules_of(self, record: Record) -> InputRules | None:
        """Return the input that *record* names; None where its topic has no such input."""
        name = "default"
        for header, value in record.headers:
            if header == "input":
                name = value.decode("utf-8", "replace")
        return self._named(name, record.topic)

    def _named(self, name: str, topic: str) -> InputRules | None:
        rules, role = self._rules.inputs.get(name), self._rules.roles.get(topic)
        if rules is None or role == "clock" or not rules.may_come_by(topic, role):
            return None
        return rules

    def _input_of(self, record: Record) -> tuple[InputRules, Format] | DeadLetter:
        name, content_type = "default", None
        for header, value in record.headers:
            if header == "input":
                name = value.decode("utf-8", "replace")
            elif header == "content-type":
                content_type = value
        rules = self._named(name, record.topic)
        if rules is None:
            return DeadLetter("unknown_input", "header input names no input of this topic")
        usual = self._usual_format(rules, record.topic)
        if content_type is None:
            return rules, usual
        form = _format(content_type)
        if form == "json" and usual == "segment":  # a shape of JSON, not an encoding of its own
            form = usual
        if form is None:
            return DeadLetter(
                "unsupported_content_type",
                f"header content-type: only application/json and {AVRO_TYPE} are read",
            )
        return rules, form

    def _usual_format(self, rules: InputRules, topic: str) -> Format:
        """Return what values are without a content type: an input speaks for its batches only."""
        if rules.format is not None and self._rules.roles[topic] == "batches":
            return rules.format
        return self._rules.formats.get(topic, "json")


def _format(content_type: bytes) -> Format | None:
    """Return the format that a content type names, None if it is not read."""
    if content_type == b"application/json":
        return "json"
    kind = content_type.decode("utf-8", "replace").partition(";")[0].strip().lower()
    if kind == AVRO_TYPE:
        return "avro"
    return "json" if kind in JSON_TYPES else None
