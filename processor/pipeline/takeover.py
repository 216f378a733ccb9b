"""Whether a partition may start here: what the index holds of it, against its committed offset.

Rows are claimed, then compared. Where the two contradict each other, an operator has to choose a
way out (docs/architecture.md, "The loss detector" and "Starting points are explicit").
"""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from processor.identity.model import Space
from processor.index.errors import LostWrites, NoStart, lost_space
from processor.index.port import Index, RowClaim, RowState
from processor.index.shape import shape, unfinished
from processor.pipeline.witness import Offset
from processor.records import RowKey
from processor.rules import SpaceRules

RESTORE = "Run `idstream restore` to rebuild the index from the profiles topic"
ACCEPT = "`idstream run --accept-offsets` to go on from the committed offsets as they are"


class Start(Struct, frozen=True):
    """A row that may go on: as it was claimed, and from where."""

    state: RowState
    position: int
    seq: int
    """The space's seq after the claim."""


class Takeover(Struct, frozen=True):
    """Claims rows for one process; *accept_offsets* is the operator's option."""

    index: Index
    owner: str
    accept_offsets: bool

    def starts(
        self, rules: SpaceRules, own: Sequence[Offset], lent: Sequence[Offset]
    ) -> Iterator[Start]:
        """Claim the rows of *own* in one space, and yield each when it was found safe.

        *lent* are offsets of others, for their witnesses. Raises LostWrites where the index is
        behind one, NoStart where there is no safe place to start from.
        """
        seen = _most_seen(rules.space, (*own, *lent))
        anew = {offset.row for offset in own if self.accept_offsets and not offset.is_ours}
        claims = [RowClaim(o.row, o.topic_id, seen, anew=o.row in anew) for o in own]
        claimed = self.index.claim(
            rules.space, self.owner, rules.fingerprint, claims, shape(rules.policy)
        )
        _check_shape(rules, claimed.shape)
        states = {state.row: state for state in claimed.rows}
        for offset in own:
            state = states[offset.row]
            is_forgotten = offset.row in anew and state.cursor is None  # an earlier claim did it
            if not is_forgotten:
                _check_witness(rules.space, state, offset)
            if not self.accept_offsets:
                _check_offset(rules.space, state, offset)
            if offset.row in anew:
                state = replace(state, cursor=None, mark=None)
            _check_config(rules, state, offset.position)
            yield Start(state, offset.position, claimed.seq)


class Held(Struct, frozen=True):
    """What the index holds of a space, read without a claim."""

    seq: int
    shape: str
    """'' where the space has none yet."""
    rows: Mapping[RowKey, RowState]


def objections(
    rules: SpaceRules, held: Held, offsets: Sequence[Offset]
) -> Iterator[LostWrites | NoStart]:
    """Yield what would keep a start in one space from going on from *offsets*; nothing is claimed.

    One for the space, or one a partition.
    """
    if held.seq < _most_seen(rules.space, offsets):
        yield lost_space(rules.space)
        return
    try:
        if held.shape:
            _check_shape(rules, held.shape)
    except NoStart as refusal:
        yield refusal
        return
    for offset in offsets:
        state = held.rows[offset.row]
        try:
            _check_witness(rules.space, state, offset)
            _check_offset(rules.space, state, offset)
            _check_config(rules, state, offset.position)
        except (LostWrites, NoStart) as refusal:
            yield refusal


def _most_seen(space: Space, offsets: Sequence[Offset]) -> int:
    """Return the highest seq of *space* that any of *offsets* bears witness to."""
    found = [offset.witnesses.get(space.name) for offset in offsets if offset.witnesses]
    return max((witness.seq for witness in found if witness), default=0)


def _check_shape(rules: SpaceRules, held: str) -> None:
    """Refuse index entries that were derived by other settings than these."""
    wanted = shape(rules.policy)
    if (way_out := unfinished(rules.space, held)) is not None:
        raise NoStart(way_out)
    if held != wanted:
        message = (
            f"the index of space {rules.space.name} was built under other identity settings"
            f" ({held}) than these ({wanted}). Stop every process of this group and run"
            " `idstream restore --reindex`, or change the settings back"
        )
        raise NoStart(message)


def _check_witness(space: Space, state: RowState, offset: Offset) -> None:
    """Notice an index that is behind what it had acknowledged before the offset was committed."""
    witness = (offset.witnesses or {}).get(space.name)
    if witness is not None and (state.cursor or 0) < (witness.cursor or 0):
        message = f"the index has lost acknowledged writes: {_name(space, offset)} is behind."
        raise LostWrites(f"{message} {RESTORE}")


def _check_offset(space: Space, state: RowState, offset: Offset) -> None:
    """Refuse an offset that is not there though the row has moved, or that somebody else wrote."""
    name = _name(space, offset)
    if offset.committed is None and state.cursor is not None:
        message = (
            f"the index knows records of {name}, but the group has no offset there."
            " Both ways out begin at the earliest record that is left, and process all again"
        )
        raise NoStart(f"{message}. {RESTORE}, or {ACCEPT}")
    if offset.committed is not None and offset.witnesses is None:
        message = f"the committed offset of {name} was not written by idstream."
        raise NoStart(f"{message} {RESTORE}, or {ACCEPT}")


def _check_config(rules: SpaceRules, state: RowState, position: int) -> None:
    """Refuse to replay decisions that were taken under other identity settings."""
    is_behind = state.cursor is not None and state.cursor > position
    if is_behind and state.config and state.config != rules.fingerprint:
        message = (
            f"the identity settings of scope {rules.space.scope} changed"
            " while records were under way."
            " Start once with the settings as they were, stop, then change them;"
            " or run `idstream restore --accept-loss` to have what is under way decided anew"
        )
        raise NoStart(message)


def _name(space: Space, offset: Offset) -> str:
    return f"{offset.row.topic}/{offset.row.partition} in space {space.name}"
