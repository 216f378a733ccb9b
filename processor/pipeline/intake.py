"""From a consumed record to work for the index, or to an outcome that needs none. Pure.

Nothing here raises on bad input: a record that cannot be processed is a dead letter, an identity
request that breaks a rule is answered with its error.
"""

from msgspec import Struct, field
from msgspec.structs import replace

from processor.codecs.avro.reading import CONTENT_TYPE as AVRO_TYPE
from processor.codecs.avro.reading import UNKNOWN_ID, names_schema
from processor.codecs.batch import changed_attributes, decode_batch
from processor.codecs.formats import Codecs
from processor.codecs.headers import first_place
from processor.codecs.request import decode_request
from processor.codecs.strict.check import strictly
from processor.identity.lookup import reads
from processor.identity.model import IdentityRequest, Seed, Space
from processor.identity.normalize import admit, admit_changes
from processor.index.port import Ask, Claim
from processor.pipeline.journal import Entry
from processor.records import DeadLetter, EventBatch, IdentityCall, Record
from processor.rules import Format, InputRules, Rules

JSON_TYPES = frozenset({"application/json", "text/json"})
NO_ALIASING = frozenset({"profile_isolation", "best_match", "flat_matching"})
"""Strategies under which an alias request is refused (semantics §5)."""


class Work(Struct, gc=False):
    """A decoded record that asks something of the index of one space."""

    record: Record
    rules: InputRules
    space: Space
    request: IdentityRequest | None
    """None for a read_only batch: only its source_request_id is asked about."""
    batch: EventBatch | None
    call: IdentityCall | None
    ask: Ask
    time_ms: int = 0
    form: Format = "json"
    """What the value was read as."""


class Unasked(Struct, gc=False):
    """A record whose outcome is certain without the index."""

    record: Record
    rules: InputRules
    batch: EventBatch | None = None
    call: IdentityCall | None = None
    error: tuple[int, str, str] | None = None
    """For an identity request: (status, code, message)."""
    form: Format = "json"


class Rejected(Struct, gc=False):
    """A record that goes to the dead letters."""

    record: Record
    letter: DeadLetter
    decided: tuple[Work, Entry] | None = None
    """What the index holds of it all the same, where it was decided before it became poison."""


Taken = Work | Unasked | Rejected


class Intake(Struct, frozen=True):
    """Takes records in under one set of rules; *key* keys the MPIDs (empty: guessable)."""

    rules: Rules
    key: bytes = b""
    codecs: Codecs = field(default_factory=Codecs)

    def take(self, record: Record) -> Taken:
        """Decode *record* and say what it asks of the index.

        Raises RegistryUnavailable where its schema has to be asked for, and cannot be.
        """
        found = self._input_of(record)
        if isinstance(found, DeadLetter):
            return Rejected(record, found)
        rules, form = found
        if record.topic in self.rules.batch_topics:
            return self._take_batch(record, rules, form)
        return self._take_request(record, rules, form)

    def unread(self, record: Record, letter: DeadLetter, entry: Entry, space: Space) -> Rejected:
        """Return a record that is set aside unread, with what was decided of it in *space*."""
        found = self._input_of(record)
        if isinstance(found, DeadLetter):
            return Rejected(record, letter)
        work = Work(record, found[0], space, None, None, None, Ask(), record.timestamp_ms)
        return Rejected(record, letter, (work, entry))

    def unknown(self, work: Work) -> Rejected | None:
        """Return *work* as it was before a registry knew its schema; None if it names none."""
        if not names_schema(work.record.value or b""):
            return None
        return Rejected(work.record, DeadLetter("schema_not_found", UNKNOWN_ID))

    def _input_of(self, record: Record) -> tuple[InputRules, Format] | DeadLetter:
        name, content_type = "default", None
        for header, value in record.headers:
            if header == "input":
                name = value.decode("utf-8", "replace")
            elif header == "content-type":
                content_type = value
        rules = self.rules.inputs.get(name)
        if rules is None or (rules.topics and record.topic not in rules.topics):
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
        if rules.format is not None and topic in self.rules.batch_topics:
            return rules.format
        return self.rules.formats.get(topic, "json")

    def _take_batch(self, record: Record, rules: InputRules, form: Format) -> Taken:
        workspace = rules.workspace
        opener = self.codecs.batches[form]
        if workspace.validation == "strict" and form != "segment":
            opener = strictly(opener)
        batch = decode_batch(record.value, workspace.keys, self.rules.limits, opener)
        if isinstance(batch, DeadLetter):
            return Rejected(record, batch)
        if workspace.sdk_requires_change_events and rules.source == "sdk":
            batch = _announced(batch)
        space = Space(workspace.scope, batch.environment)
        claim = _claim(record, rules, batch)
        time_ms = self._time_ms(record, batch.time_ms)
        if rules.protection == "read_only":
            if claim is None:
                return Unasked(record, rules, batch=batch, form=form)
            ask = Ask(claim=claim)
            return Work(record, rules, space, None, batch, None, ask, time_ms, form)
        kept, blocked = admit(batch.identifiers, workspace.blocklist, workspace.normalizers)
        request = IdentityRequest(
            action="batch",
            identifiers=kept,
            refused=(*batch.over_limit, *blocked),
            mpid=batch.mpid,
            time_ms=time_ms,
            input=rules.name,
            seed=self._seed(record, space),
            may_create=rules.protection == "create_and_update",
        )
        identifiers, mpids = reads(request, workspace.policy)
        ask = Ask(identifiers, mpids, claim)
        return Work(record, rules, space, request, batch, None, ask, time_ms)

    def _take_request(self, record: Record, rules: InputRules, form: Format) -> Taken:
        workspace = rules.workspace
        opener = self.codecs.requests[form]
        call = decode_request(record.value, workspace.keys, self.rules.limits, opener)
        if isinstance(call, DeadLetter):
            return Rejected(record, call)
        error = call.error
        if call.request_type == "alias":
            error = _alias_error(workspace.policy.strategy)
        if error is not None or call.environment is None:
            return Unasked(record, rules, call=call, error=error)
        space = Space(workspace.scope, call.environment)
        time_ms = self._time_ms(record, call.time_ms)
        kept, blocked = admit(call.identifiers, workspace.blocklist, workspace.normalizers)
        changes, kept_out = admit_changes(call.changes, workspace.blocklist, workspace.normalizers)
        request = IdentityRequest(
            action=call.request_type,  # type: ignore[arg-type]  # the codec lets known types through only
            identifiers=kept,
            refused=(*call.over_limit, *blocked, *kept_out),
            previous_mpid=call.previous_mpid,
            mpid=call.mpid,
            changes=changes,
            time_ms=time_ms,
            input=rules.name,
            seed=self._seed(record, space),
            may_create=rules.protection == "create_and_update",
            read_only=call.read_only or rules.protection == "read_only",
        )
        identifiers, mpids = reads(request, workspace.policy)
        return Work(record, rules, space, request, None, call, Ask(identifiers, mpids), time_ms)

    def _time_ms(self, record: Record, claimed_ms: int | None) -> int:
        """Return the time of a record (semantics §12.2)."""
        if claimed_ms is None or claimed_ms > record.timestamp_ms + self.rules.limits.max_future_ms:
            return record.timestamp_ms
        return claimed_ms

    def _seed(self, record: Record, space: Space) -> Seed:
        """Return what a new MPID is derived from: the record's place, time and bytes, keyed."""
        topic, partition, offset, time_ms, _, value, _ = record
        return self.key, space.name, topic, partition, offset, time_ms, value or b""


def _format(content_type: bytes) -> Format | None:
    """Return the format that a content type names, None if it is not read."""
    if content_type == b"application/json":
        return "json"
    kind = content_type.decode("utf-8", "replace").partition(";")[0].strip().lower()
    if kind == AVRO_TYPE:
        return "avro"
    return "json" if kind in JSON_TYPES else None


def _announced(batch: EventBatch) -> EventBatch:
    """Return *batch* with only those attributes that an event says have changed."""
    changed = changed_attributes(batch.fields)
    return replace(
        batch,
        user_attributes={n: v for n, v in batch.user_attributes.items() if n in changed},
        deleted_user_attributes=tuple(n for n in batch.deleted_user_attributes if n in changed),
    )


def _claim(record: Record, rules: InputRules, batch: EventBatch) -> Claim | None:
    if batch.source_request_id is None or rules.dedup_window_ms <= 0:
        return None
    token = f"{rules.workspace.name}\x00{rules.name}\x00{batch.source_request_id}"
    return Claim(
        token=token.encode("utf-8", "surrogatepass"),
        time_ms=record.timestamp_ms,
        window_ms=rules.dedup_window_ms,
        coordinates=first_place(record),
    )


def _alias_error(strategy: str) -> tuple[int, str, str]:
    """Refuse an alias request (semantics §5): aliasing is not built yet."""
    if strategy in NO_ALIASING:
        return 403, "FORBIDDEN", f"aliasing does not exist under {strategy}"
    return 501, "NOT_IMPLEMENTED", "alias requests are not processed yet"
