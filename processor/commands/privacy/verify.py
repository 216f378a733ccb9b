"""``idstream privacy verify``: whether anything is left of a person, and where."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from processor.commands.options import option_of
from processor.commands.privacy.finding import case_of
from processor.commands.privacy.ledger import WHY, Ledger, Row
from processor.commands.privacy.logs import LogSearch, Source
from processor.commands.privacy.person import Known, known_in, read_person
from processor.commands.privacy.stores import StoreSearch
from processor.commands.terminal.console import note, say, visible
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.moments import moment
from processor.commands.terminal.progress import progress
from processor.commands.terminal.tables import Give, print_table
from processor.identity.model import Environment, Space
from processor.identity.screening import marking_types
from processor.index.tokens import tokens
from processor.kafka.asking import NoTopic, Unreachable, reaching
from processor.kafka.clock import Clock
from processor.kafka.keeping import keepings
from processor.privacy.case import Case
from processor.privacy.searching import SHORT, Person, Searcher
from processor.redis.contents import open_contents
from processor.redis.generations import open_generations
from processor.rules import WorkspaceRules
from processor.settings import Settings, load

_HEAD: Final = ("where", "searched", "found", "what", "verdict", "gone by")
_GIVE: Final = Give(("searched",), "what")
_ERASED: Final = "erased identity"
_DEVICE: Final = "erased device"
_NOTHING: Final = "Nothing is left of this person that should not be."
_UNREAD: Final = "Nothing wrong was found, but some records could not be read: it is not proved."
_ROLES: Final = ("profiles", "cases", "changes", "dead_letters")


class VerifyOptions(Struct, frozen=True):
    """The options of the command line."""

    person: Path | None = None
    """A file of the person's values."""
    request_id: str | None = None
    """The request that has erased the person."""
    workspace: str | None = None
    environment: Environment = "production"
    topics: Sequence[str] = ()
    """Further topics to look through."""
    as_json: bool = False


class Quest(Struct, frozen=True):
    """Who is searched for, and where."""

    person: Person
    workspace: WorkspaceRules
    space: Space
    case: Case | None


def verify(config: Path, environ: Mapping[str, str], options: VerifyOptions) -> None:
    """Search for a person; Failure where something is left that should not be."""
    settings = load(config, environ)
    quest = quest_of(settings, options)
    strong = marking_types(quest.workspace.policy) | {_ERASED, "mpid"}
    ledger = Ledger(quest.person, strong, quest.case)
    began = Clock().now()
    if not options.as_json:
        note(f"Searching for {_named(quest.person)}, by value and by token.")
    search(settings, quest, ledger, options.topics)
    rows = ledger.rows()
    left = [row for row in rows if row.verdict == "left"]
    if options.as_json:
        say(msgspec.json.encode(_as_json(ledger, rows)).decode())
    else:
        _print(ledger, rows)
        note(f"{_searched(ledger)} in {Clock().now() - began:.1f} s.")
    if left:
        raise Failure(_complaint(left, quest, option_of(config)))
    if not options.as_json:
        say(_UNREAD if any(row.verdict == "unread" for row in rows) else _NOTHING)


def quest_of(settings: Settings, options: VerifyOptions) -> Quest:
    """Return who is searched for; Failure where nobody is named, or the request is unknown."""
    case = None if options.request_id is None else _case(settings, options.request_id)
    workspace = _workspace(settings, options.workspace if case is None else case.workspace)
    environment = options.environment if case is None else case.environment
    known = Known()
    if options.person is not None:
        known = known_in(workspace, read_person(options.person), options.person)
    token = tokens(settings.key())
    found = {token(one): one.identity_type for one in known.identifiers}
    if case is not None and case.marked is not None:
        found = {**dict.fromkeys(case.marked.devices, _DEVICE), **found}
        found = {**dict.fromkeys(case.marked.strong, _ERASED), **found}
    # Those too whom another request has erased: this one keeps them away as well.
    of_case = () if case is None else (*case.found.mpids, *case.roots)
    person = Person(
        tuple(dict.fromkeys((*known.identifiers, *known.written))),
        known.texts,
        found,
        frozenset((*known.mpids, *of_case)),
        _names(workspace),
    )
    is_production = environment != "development"
    space = Space(workspace.scope, "production" if is_production else "development")
    short = sum(len(text) < SHORT for text in known.texts)
    if short:
        raise Failure(f"a text of fewer than {SHORT} characters is everywhere: leave it out")
    return Quest(person, workspace, space, case)


def search(settings: Settings, quest: Quest, ledger: Ledger, more: Sequence[str] = ()) -> None:
    """Look through the index, and the topics that should have nobody, for whom *quest* is about."""
    searcher = Searcher(quest.person)
    _search_index(settings, quest, searcher, ledger)
    try:
        with reaching(settings.kafka):
            run = LogSearch(settings, searcher, ledger, quest.space)
            for source in _sources(settings, more):
                with progress(f"offsets of {source.topic}", sys.stderr) as shown:
                    run.run(source, shown.at)
    except (NoTopic, Unreachable) as error:
        raise Failure(str(error)) from None


def _search_index(settings: Settings, quest: Quest, searcher: Searcher, ledger: Ledger) -> None:
    generations = open_generations(settings)
    try:
        if generations.survey(quest.space, ()).is_of_other_key:
            raise Failure(
                f"the index of {quest.space.name} was made with another redis.key_file: nobody"
                " would be found by a token, and nothing proved"
            )
    finally:
        generations.close()
    contents = open_contents(settings)
    try:
        with progress("keys of Redis", sys.stderr) as shown:
            StoreSearch(searcher, ledger).run(contents, quest.space, lambda done: shown.at(done, 0))
    finally:
        contents.close()


def _sources(settings: Settings, more: Sequence[str]) -> Iterator[Source]:
    names = {role: settings.kafka.topics.outputs.get(role, "") for role in _ROLES}
    names = {role: topic for role, topic in names.items() if topic}
    topics = [*names.values(), *more]
    found = keepings(settings.kafka, topics)
    for role, topic in [*names.items(), *(("", topic) for topic in more)]:
        if topic not in found:
            raise NoTopic(f"topic {visible(topic)} is not there, or may not be seen")
        yield Source(role, topic, found[topic])


def _case(settings: Settings, request_id: str) -> Case:
    case = case_of(settings, request_id)
    if case is None:
        raise Failure(
            f"the index has no request {visible(request_id)}; name the person's values instead:"
            " --person FILE"
        )
    if case.request_type != "erasure":
        raise Failure(f"the request {visible(request_id)} is no erasure, it is {case.request_type}")
    if case.state == "pending":
        raise Failure(f"the request {visible(request_id)} {waits(case, Clock().wall() * 1000)}")
    if case.state == "cancelled":
        raise Failure(f"the request {visible(request_id)} was cancelled: nothing was erased")
    return case


def waits(case: Case, now_ms: float) -> str:
    """Return how long a pending *case* waits, or that it is over and a sweep is awaited."""
    until = moment(case.expected_ms)
    if case.expected_ms > now_ms:
        return f"waits until {until}: nothing is erased yet"
    return f"is due since {until}: nothing is erased yet, the next sweep carries it out"


def _workspace(settings: Settings, name: str | None) -> WorkspaceRules:
    known = ", ".join(settings.workspaces)
    if name is None:
        if len(settings.workspaces) != 1:
            raise Failure(f"name the workspace, --workspace: {known}")
        (name,) = settings.workspaces
    if name not in settings.workspaces:
        raise Failure(f"there is no workspace {visible(name)}; the configuration has {known}")
    return settings.workspaces[name]


def _names(workspace: WorkspaceRules) -> dict[str, tuple[str, ...]]:
    """Return the fields of calls that hold each type: by their name, and with that above it."""
    return {
        kind: tuple(
            name
            for place in places
            for name in (*([] if place[-1] == "id" else [place[-1]]), "".join(place[-2:]))
        )
        for kind, places in workspace.keys.places.items()
    }


def _named(person: Person) -> str:
    kinds = Counter(person.tokens.values())
    parts = [f"{count:,} {kind}" for kind, count in kinds.items()]
    parts += [f"{len(person.texts):,} text"] if person.texts else []
    parts += [f"{len(person.mpids):,} MPID"] if person.mpids else []
    return ", ".join(parts)


def _print(ledger: Ledger, rows: Sequence[Row]) -> None:
    found = {row.where for row in rows}
    table = [_row(ledger, row) for row in rows]
    table += [
        (where, f"{count:,}", "0", "", "ok", "")
        for where, count in ledger.searched.items()
        if where not in found
    ]
    print_table("What was found", _HEAD, table, give=_GIVE)
    for verdict in dict.fromkeys(row.verdict for row in rows):
        note(f"{_verdict(verdict)}: {WHY[verdict]}")
    if any(row.is_endless for row in rows):
        note("Where no end is told, the topic has no retention.ms or max.compaction.lag.ms.")


def _row(ledger: Ledger, row: Row) -> tuple[str, ...]:
    gone = "" if row.gone_by_ms is None else moment(row.gone_by_ms)
    searched = ledger.searched.get(row.where)
    return (
        row.where,
        "" if searched is None else f"{searched:,}",
        f"{row.count:,}",
        ", ".join(sorted(row.whats)),
        _verdict(row.verdict),
        "no end is told" if row.is_endless else gone,
    )


def _verdict(verdict: str) -> str:
    return "wrong" if verdict == "left" else verdict


def _searched(ledger: Ledger) -> str:
    redis = sum(count for where, count in ledger.searched.items() if where.startswith("Redis"))
    records = sum(ledger.searched.values()) - redis
    return f"{redis:,} keys of Redis and {records:,} records of topics were looked through"


def _complaint(left: Sequence[Row], quest: Quest, option: str) -> str:
    places = ", ".join(dict.fromkeys(f"{row.where} ({row.count:,})" for row in left))
    text = f"something is left of this person: {places}"
    if quest.case is not None and quest.case.state == "in_progress":
        return f"{text}; the request is in progress: what is under way goes with the next records"
    mpids = list(dict.fromkeys(mpid for row in left for mpid in row.mpids))
    if mpids:
        text += f"; see idstream profile{option} {quest.workspace.name} {mpids[0]}"
    return f"{text}; was the person erased, and is `idstream run` running?"


def _as_json(ledger: Ledger, rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "is_clean": all(row.verdict != "left" for row in rows),
        "is_complete": all(row.verdict != "unread" for row in rows),
        "searched": ledger.searched,
        "found": [
            {
                "where": row.where,
                "verdict": row.verdict,
                "what": sorted(row.whats),
                "count": row.count,
                "mpids": [str(mpid) for mpid in row.mpids],
                "gone_by_ms": row.gone_by_ms,
                "is_endless": row.is_endless,
            }
            for row in rows
        ],
    }
