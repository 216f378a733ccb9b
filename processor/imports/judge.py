"""What a processor would refuse of a batch, asked before it is sent; and the key of its record."""

from collections.abc import Sequence

from processor.codecs.batch import read_batch
from processor.codecs.fault import Fault
from processor.codecs.formats import Codecs
from processor.codecs.partners import FIELD, read_partner_identities
from processor.identity.model import Identifier
from processor.identity.normalize import admit
from processor.imports.verdict import Unfit
from processor.records import EventBatch
from processor.rules import InputRules, Limits

WHOLE_ROW = "row"
"""The field of a rejected row where no one field is to blame."""


class Judge:
    """Judges batches as the processor will, by the rules of the input that they go to."""

    def __init__(self, rules: InputRules, limits: Limits, codecs: Codecs | None = None) -> None:
        workspace = rules.workspace
        self._rules = rules
        self._limits = limits
        self._open = (codecs or Codecs()).batch_opener("json", workspace.validation)
        self._is_plain = not workspace.normalizers.steps
        self.is_strict = workspace.validation == "strict"

    def check(self, value: bytes) -> EventBatch:
        """Return the batch in *value*; Unfit where it would be a dead letter, or lose a part."""
        rules = self._rules
        registered = rules.workspace.partner_identities
        try:
            fields = self._open(value, self._limits.max_record_bytes)
            batch = read_batch(fields, rules.workspace.keys)
            if registered and FIELD in fields:
                is_feed = rules.source == "partner_feed"
                read_partner_identities(fields, registered, rules.partner, is_feed=is_feed)
        except Fault as fault:
            raise _unfit(fault) from None
        if batch.over_limit:
            raise Unfit("user_identities", "holds more or longer identities than are taken")
        if batch.bounded_attributes:
            raise Unfit("user_attributes", "holds an attribute that is over a limit")
        return batch

    def check_size(self, value: bytes) -> None:
        """Raise Unfit where a record would be too large."""
        if len(value) > self._limits.max_record_bytes:
            raise Unfit(WHOLE_ROW, "is larger than limits.max_record_bytes")

    def usable(self, identifiers: Sequence[Identifier], mpid: int | None) -> tuple[Identifier, ...]:
        """Return the identifiers that count, in normal form; Unfit where nobody is named."""
        workspace = self._rules.workspace
        blocks = workspace.blocklist.blocks
        if identifiers and self._is_plain and not any(map(blocks, identifiers)):  # most rows
            return tuple(identifiers)
        kept, _ = admit(tuple(identifiers), workspace.blocklist, workspace.normalizers)
        if kept or mpid is not None:
            return kept
        if identifiers:
            raise Unfit("user_identities", "no identity is usable: all are blocked or placeholders")
        raise Unfit("user_identities", "no identity")

    def key(self, identifiers: Sequence[Identifier], mpid: int | None) -> bytes:
        """Return the strongest identity as the key: so the rows of a person keep their order."""
        for identity_type in self._rules.workspace.policy.priority:
            for one in identifiers:
                if one.identity_type == identity_type:
                    return one.value.encode()
        if mpid is not None:
            return b"%d" % mpid
        return identifiers[0].value.encode()


def _unfit(fault: Fault) -> Unfit:
    """Return the field and the rule that a fault tells in one line."""
    field, colon, rule = fault.detail.partition(": ")
    if not colon or " " in field:
        return Unfit(WHOLE_ROW, fault.detail)
    return Unfit(field, rule)
