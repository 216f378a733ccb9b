"""What a start would say of the index and of the group's offsets, without starting anything."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from processor.commands.agreement import Agreement, Kafka, agreements
from processor.commands.check.definitions import changed
from processor.commands.check.findings import Finding, Verdict
from processor.computed.definition import Listed
from processor.identity.model import Space
from processor.index.errors import IndexRefused, IndexUnavailable
from processor.kafka.asking import NoTopic, Unreachable, asking
from processor.kafka.clock import Clock
from processor.kafka.group import Group, Unsettled
from processor.kafka.survey import logs, members, topic_id
from processor.redis.generations import Generations, definitions_in, open_generations
from processor.redis.shelves import open_shelves
from processor.settings import Settings

MOST_NAMED: Final = 20
"""Profiles that a line names."""
LONG_IDS: Final = (
    "keeps used request ids in the long form, as a release of before began it; once every process"
    ' runs this one, redis.request_ids = "short" has them take half the memory'
)


class _Found(NamedTuple):
    """What there is to be said of the spaces."""

    agreements: list[Agreement]
    aside: Mapping[Space, Sequence[int]]
    """Whom no sweep comes to."""
    known: Mapping[Space, Mapping[str, Listed]]
    """Which meanings definitions had when processors started."""


def index(settings: Settings) -> Iterator[Finding]:
    """Say of every space whether index, offsets and the topic ``profiles`` agree."""
    try:
        found, aside, known = look(settings)
    except NoTopic:
        return  # told with the topics; nothing was consumed or published yet
    except Unreachable as error:
        # A user that only makes topics need not see the group.
        verdict: Verdict = "wrong" if error.is_transient else "warning"
        yield Finding("index", verdict, f"cannot be compared: {error}", "index.compared")
        return
    except (IndexRefused, IndexUnavailable, Unsettled) as error:
        yield Finding("index", "wrong", f"cannot be compared: {error}")
        return
    for one in found:
        what = f"index {one.space.name}"
        yield from (Finding(what, "wrong", text) for text in one.problems)
        if not one.problems:
            says = "new" if one.is_new else "agrees with the group's offsets and profiles"
            yield Finding(what, "ok", says)
        if not one.problems and not one.is_new:
            scope = settings.computed.get(one.space.scope)
            yield from changed(what, scope, known.get(one.space, {}))
            yield from _kept(what, one, settings)
        if mpids := aside.get(one.space):
            yield Finding(what, "warning", _of_those(mpids), "index.set_aside")


def _kept(what: str, one: Agreement, settings: Settings) -> Iterator[Finding]:
    """Say that a space keeps request ids as a release of before, where no setting is about that."""
    if one.survey.request_ids == "long" and settings.redis.request_ids is None:
        yield Finding(what, "ok", LONG_IDS)


def _of_those(mpids: Sequence[int]) -> str:
    """Return what is to be said of profiles whom no sweep comes to."""
    named = ", ".join(map(str, mpids[:MOST_NAMED])) + (", …" if len(mpids) > MOST_NAMED else "")
    return (
        f"{len(mpids)} profiles are set aside, as they ended processes when time was to change"
        f" them: {named}; tell us, then `idstream recompute` looks at them again"
    )


def look(settings: Settings) -> _Found:
    """Compare the spaces with Kafka; return also who is set aside, and what is defined in each."""
    generations = open_generations(settings)
    try:
        with asking(settings.kafka):
            found = compared(settings, generations)[1]
        known = {
            one.space: definitions_in(generations, one.space, one.survey.owner)
            for one in found
            if one.survey.owner
        }
    finally:
        generations.close()
    return _Found(found, _set_aside(settings), known)


def _set_aside(settings: Settings) -> dict[Space, Sequence[int]]:
    """Return who is set aside in each space; nobody is where nothing can be due."""
    if not settings.kafka.topics.clock:
        return {}
    shelves = open_shelves(settings)
    try:
        return {space: shelves.of(space) for space in settings.spaces()}
    finally:
        shelves.close()


def compared(settings: Settings, generations: Generations) -> tuple[Kafka, list[Agreement]]:
    """Compare the spaces with Kafka; once more where they disagree, as a group may be starting."""
    rules = settings.space_rules()
    kafka = known(settings)
    found = agreements(rules, generations, kafka)
    if any(one.problems for one in found):
        kafka = known(settings)
        found = agreements(rules, generations, kafka)
    return kafka, found


def known(settings: Settings) -> Kafka:
    """Return what Kafka knows of the deployment. Raises Unreachable, NoTopic or Unsettled."""
    changelog = settings.kafka.topics.profiles
    # Who may not see the group is told at once; its offsets would be asked for over a minute.
    members(settings.kafka)
    group = Group(settings.kafka, lambda _told: None, Clock())
    try:
        return Kafka(
            owner=group.owner(),
            standing=group.standing(),
            changelog_id=topic_id(settings.kafka, changelog) or "",
            changelog=tuple(logs(settings.kafka, [changelog]).values()),
        )
    finally:
        group.close()
