"""Whether the index, the group's offsets and the topic ``profiles`` agree; nothing is written.

The comparisons are those of a start (``pipeline.takeover``), which claims what it compares. Offsets
are read first: of a running group the index is then ahead of them, never behind.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from processor.identity.model import Space
from processor.index.errors import LostWrites, NoStart, other_changelog, other_group, other_key
from processor.index.port import Assignment, RowState
from processor.kafka.survey import LogEnds
from processor.pipeline.takeover import Held, objections
from processor.pipeline.witness import Offset
from processor.records import RowKey
from processor.redis.generations import Generations, Survey
from processor.rules import SpaceRules

EMPTY_CHANGELOG = (
    "the topic profiles is empty and the index of space {} is not: nothing could be rebuilt from it"
)


class Kafka(Struct, frozen=True):
    """What Kafka knows of a deployment, at one time."""

    owner: str
    """What spaces are bound to: the group and its cluster."""
    standing: tuple[Assignment, ...]
    """Where the group stands in every input partition."""
    changelog_id: str
    """The id of the topic ``profiles``."""
    changelog: tuple[LogEnds, ...]
    """Its partitions."""


class Agreement(Struct, frozen=True):
    """One space of the index, and what contradicts it."""

    space: Space
    survey: Survey
    problems: tuple[str, ...]
    """What a start would refuse, or what could not be rebuilt; one line each."""

    @property
    def is_new(self) -> bool:
        """Whether no process has begun in this space yet."""
        return not self.survey.owner


def agreements(
    spaces: Sequence[SpaceRules], generations: Generations, kafka: Kafka
) -> list[Agreement]:
    """Compare every space with what Kafka knows. May raise what an index raises."""
    rows = [one.row for one in kafka.standing]
    found = []
    for rules in spaces:
        survey = generations.survey(rules.space, rows)
        problems = problems_of(rules, survey, kafka)
        # Compaction leaves the newest records: a log without any never had one, or lost all.
        is_empty = all(log.end == log.begin for log in kafka.changelog)
        if not problems and is_empty and generations.holds_profiles(rules.space, survey.number):
            problems = (EMPTY_CHANGELOG.format(rules.space.name),)
        found.append(Agreement(rules.space, survey, problems))
    return found


def problems_of(rules: SpaceRules, survey: Survey, kafka: Kafka) -> tuple[str, ...]:
    """Return what contradicts *survey* (pure); partitions with the same fault share a line."""
    if survey.owner and survey.owner != kafka.owner:
        return (str(other_group(rules.space)),)
    if survey.is_of_other_key:
        return (str(other_key(rules.space)),)
    if survey.changelog and survey.changelog != kafka.changelog_id:
        return (str(other_changelog(rules.space)),)
    offsets = [Offset.of(one) for one in kafka.standing]
    held = Held(survey.seq, survey.shape, _rows(survey, offsets))
    return tuple(_told(list(objections(rules, held, offsets))))


def _rows(survey: Survey, offsets: Sequence[Offset]) -> Mapping[RowKey, RowState]:
    """Return the rows as a claim would find them: a topic made anew begins anew."""
    found = {}
    for offset in offsets:
        live = survey.rows[offset.row]
        is_same = live.topic_id == offset.topic_id
        found[offset.row] = RowState(
            row=offset.row,
            epoch=0,
            cursor=live.cursor if is_same else None,
            config=live.config if is_same else "",
            chunks=live.chunks if is_same else (),
        )
    return found


def _told(found: Sequence[LostWrites | NoStart]) -> list[str]:
    """Return a line for each kind of fault: that of its first partition, and how many more."""
    kinds: dict[str, list[str]] = {}
    for one in found:
        kinds.setdefault(type(one).__name__, []).append(str(one))
    return [
        lines[0] + (f" (and {len(lines) - 1} more partitions)" if len(lines) > 1 else "")
        for lines in kinds.values()
    ]
