"""People who age under fire: nobody is lost who lives, nobody is back who is gone.

A storm whose people come and go, some just before they are forgotten, some just after, is checked
as every storm is. Then ``profiles`` is compacted until no tombstone is left, Redis emptied and
restored: byte for byte what was there. Then all that was sent is read once more from the beginning,
with deaths, beside people of whom records still come: whoever comes of old records ages out again.
That too is held against the reference, which begins with what was restored.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from confluent_kafka import Producer
from msgspec import Struct

from processor.identity.profile import Profile
from processor.index.tokens import tokens
from processor.pipeline.computing import definitions_of
from processor.settings import Settings
from processor.settings import load as load_settings
from tests.faults import lifetimes, oracle
from tests.faults.oracle import Ended, Published, Resolved, Seen
from tests.faults.processors import identifiers_by_token, live_holders, live_profiles, stored
from tests.faults.stage import DRIFT, RARE, Servers, Stage, beside
from tests.faults.storm import Report, Weather, owes_nothing, storm
from tests.faults.swept import RetoldIndex, swept
from tests.faults.verdict import Left, of_space, resolver, verdict_on_decisions
from tests.servers.offsets import to_the_beginning
from tests.servers.waiting import eventually

Tell = Callable[[str], object]
NAMES = ("anna", "bert", "cleo")
REPLAY_S = 300.0
COMPACTED_S = 120.0
DEATHS = ("after_index_commit", "after_sweep_commit", "before_kafka_commit")
"""Where processors die in the replay, one each."""


class Plan(Struct, frozen=True):
    """How large a run is, and what it meets."""

    seed: int
    batches: int
    requests: int
    rate: float
    strikes: Sequence[str]
    bad: float = 0.05
    back_s: float = 60.0
    processors: int = len(NAMES)


class Aged(Struct):
    """What a run was, and what is wrong with it."""

    report: Report
    lines: list[str]
    wrong: dict[str, list[str]]


class Before(Struct, frozen=True):
    """What was there before all inputs were read once more."""

    profiles: Mapping[str, Profile]
    seen: Mapping[str, int]
    """Records that the reader had seen, by role."""


def age_under_fire(
    servers: Servers, folder: Path, plan: Plan, tell: Tell = lambda _line: None
) -> Aged:
    """Play *plan*; return what came of it."""
    stage = Stage(servers, folder, NAMES[: plan.processors], is_ageing=True)
    try:
        weather = Weather(
            plan.seed,
            plan.batches,
            plan.requests,
            plan.rate,
            plan.bad,
            plan.strikes,
            plan.back_s,
            drift=DRIFT,
        )
        report = storm(stage, weather, tell)
        settings = load_settings(stage.config, {})
        published = stage.published()
        done = Aged(report, [], dict(report.wrong))
        done.lines += [
            f"{'aged out or emptied':<44}{lifetimes.ends(published):>8}",
            f"{'profiles that live in the end':<44}{len(_live(stage, settings)):>8}",
        ]
        tell(f"the storm is over; broken: {_broken(done) or 'nothing'}")
        _restored(stage, settings, done)
        tell(f"compacted and restored; broken: {_broken(done) or 'nothing'}")
        _once_more(stage, settings, plan.seed, done)
    finally:
        stage.close()
    return done


def _broken(done: Aged) -> list[str]:
    return [name for name, wrong in done.wrong.items() if wrong]


# ---- compaction, and a restore into an empty Redis --------------------------------------------


def _restored(stage: Stage, settings: Settings, done: Aged) -> None:
    before = _documents(stage, settings)
    records = compact(stage)
    stage.servers.redis.client.flushall()
    topics = [stage.topics[role] for role in ("batches", "requests")]
    to_the_beginning(stage.servers.kafka, stage.group, topics)
    command = stage.command("restore", "--wait")
    after = _documents(stage, settings)
    wrong = [] if command.returncode == 0 else [f"restore: {command.stderr}"]
    wrong += [f"is not there: {key}" for key in sorted(before.keys() - after.keys())]
    wrong += [f"is back: {key}" for key in sorted(after.keys() - before.keys())]
    differing = [key for key in before.keys() & after.keys() if before[key] != after[key]]
    wrong += [f"not byte for byte: {key}" for key in sorted(differing)]
    done.wrong["restored, byte for byte"] = oracle.few(wrong)
    done.lines.append(f"{'records of profiles, compacted':<44}{records:>8}")
    done.lines.append(f"{'documents and entries restored':<44}{len(after):>8}")


def _documents(stage: Stage, settings: Settings) -> dict[str, bytes]:
    """Return every document that is no grave, and every index entry, as Redis has them."""
    client = stage.servers.redis.client
    return {
        f"{space.name} {kind}:{name.hex()}": value
        for space in settings.spaces()
        for kind in "pi"
        for name, value in stored(client, stage.group, space, kind)
    }


def compact(stage: Stage) -> int:
    """Let the broker compact ``profiles`` until no tombstone is left; return how many records are.

    What is appended last is never compacted: so a document is appended again, as a debt is.
    """
    kafka, topic = stage.servers.kafka, stage.topics["profiles"]
    kafka.alter_topic(
        topic,
        cleanup_policy="compact",
        segment_ms="100",
        min_cleanable_dirty_ratio="0.001",
        delete_retention_ms="0",
        max_compaction_lag_ms="100",
    )
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    appended = 0

    def is_compact() -> bool:
        nonlocal appended
        records = kafka.read(topic)
        last = {one.key(): one for one in records}
        if all(one.value() is not None for one in records) and len(records) <= 2 * len(last):
            return True
        again = {one.partition(): one for one in last.values() if one.value() is not None}
        for partition, one in again.items():
            producer.produce(
                topic, one.value(), one.key(), partition=partition, headers=one.headers()
            )
        assert producer.flush(60) == 0
        appended += len(again)
        return False

    before = len(stage.reader.seen["profiles"])
    eventually(is_compact, COMPACTED_S, every=1.0)
    eventually(lambda: len(stage.reader.seen["profiles"]) >= before + appended, 60)
    return len(kafka.read(topic))


# ---- all inputs once more ---------------------------------------------------------------------


def _once_more(stage: Stage, settings: Settings, seed: int, done: Aged) -> None:
    before = Before(
        _live(stage, settings), {role: len(seen) for role, seen in stage.reader.seen.items()}
    )
    with beside(*_evergreen(stage)):
        deaths = _replayed(stage, before, random.Random(seed))
    left = []
    for holds, why in (
        (lambda: _done(stage, before) >= stage.sent, "records without a second outcome"),
        (stage.clock_is_up, "the clock does not go on: people are due still"),
        (lambda: owes_nothing(stage), "journals are left, or debts to the changelog"),
    ):
        try:
            eventually(holds, REPLAY_S, every=1.0)
        except AssertionError:
            left.append(why)
    for one in stage.processors:  # a signal would end one that only just starts
        eventually(lambda p=one: p.has_started or not p.is_running, 60)
        if not one.terminate() or one.wait() != 0:
            left.append(f"{one.name} did not leave in peace: {one.last_line[:300]}")
    seen = stage.reader.seen
    by_role = {role: its[before.seen.get(role, 0) :] for role, its in seen.items()}
    published = _published(stage, by_role)
    live = _live(stage, settings)
    found = second_verdict(settings, published, before.profiles, _left(stage, settings, live))
    done.wrong |= {f"once more: {name}": wrong for name, wrong in found.items()}
    done.wrong["once more: all is processed, nothing is owed"] = left
    done.lines += [
        f"{'records read once more':<44}{len(published.inputs):>8}",
        f"{'deaths meanwhile':<44}{deaths:>8}",
        f"{'aged out or emptied once more':<44}{lifetimes.ends(published):>8}",
        f"{'profiles that live in the end':<44}{len(live):>8}",
    ]


def _published(stage: Stage, by_role: Mapping[str, Sequence[Seen]]) -> Published:
    """Return what was published anew: for all records, and for the sweeps since."""
    clock = stage.topics["clock"]
    since = {one.source for one in by_role.get("outcomes", ()) if one.source[0] == clock}
    inputs = {s: r for s, r in stage.inputs().items() if s[0] != clock or s in since}
    return Published(inputs, by_role)


def _evergreen(stage: Stage) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return what lets records of some people come, more often than they are forgotten; its end."""
    over = threading.Event()

    def produce() -> None:
        while not over.wait(2):
            stage.produce_known_users(20, since=RARE)

    return produce, over.set


def _replayed(stage: Stage, before: Before, chance: random.Random) -> int:
    """Let processors read everything, and each of them die once; return how many did."""
    points = list(DEATHS)
    chance.shuffle(points)
    for one, point in zip(stage.processors, points, strict=False):
        one.start(IDSTREAM_CRASH_AT=f"{point}:{chance.randrange(1, 4)}")
    deaths = 0
    sent, deadline = stage.sent, time.monotonic() + REPLAY_S
    while time.monotonic() < deadline and _done(stage, before) < sent:
        for one in stage.processors:
            if not one.is_running:
                deaths += 1
                one.start()
        time.sleep(0.2)
    for one in stage.processors:  # whoever has not come past its point need not any more
        if one.lives and not one.is_running:
            deaths += 1
            one.start()
    return deaths


def _done(stage: Stage, before: Before) -> int:
    """Return how many records have an outcome anew."""
    outcomes = stage.reader.seen["outcomes"][before.seen["outcomes"] :]
    clock = stage.topics["clock"].encode()
    return sum(one.headers["source-topic"] != clock for one in outcomes)


def second_verdict(
    settings: Settings, published: Published, began: Mapping[str, Profile], left: Left
) -> dict[str, list[str]]:
    """Return what each check says of *published*, where *began* was there at first."""
    resolved = resolved_from(settings, published, began)
    lives = lifetimes.lives(settings, published, resolved)
    survivors = {key: one for key, one in began.items() if one.merged_into is None}
    for_ever = [key for key, one in survivors.items() if not lives.life_ms(one)]
    return {
        **verdict_on_decisions(settings, published, left, resolved),
        "nobody is lost": oracle.few([f"lost: {key}" for key in for_ever if key not in left.live]),
    }


def resolved_from(
    settings: Settings, published: Published, began: Mapping[str, Profile]
) -> Resolved:
    """Return what the reference makes of the input of *published*, beginning with *began*."""
    index = RetoldIndex(settings.key(), swept(published), {})
    pipeline = resolver(settings, index, published)
    lookups = {
        space.scope: frozenset(settings.policy(space.scope).priority).__contains__
        for space in settings.spaces()
    }
    index.begin_with(began.values(), lookups)
    found = oracle.resolve_again(
        published, pipeline, definitions_of(settings.computed), index.begin
    )
    first: dict[str, list[tuple[int, Profile | Ended]]] = {k: [(-1, p)] for k, p in began.items()}
    versions = {key: [*first.get(key, ()), *its] for key, its in found.versions.items()}
    return found._replace(versions={**first, **versions})


def _live(stage: Stage, settings: Settings) -> dict[str, Profile]:
    client = stage.servers.redis.client
    live: dict[str, Profile] = {}
    for space in settings.spaces():
        live |= live_profiles(client, stage.group, space)
    return live


def _left(stage: Stage, settings: Settings, live: Mapping[str, Profile]) -> Left:
    client, holders = stage.servers.redis.client, {}
    for space in settings.spaces():
        mine = of_space(live, space)
        by_token = identifiers_by_token(mine, tokens(settings.key()))
        entries = live_holders(client, stage.group, space).items()
        holders[space] = {by_token.get(t, t.hex()): mpids for t, mpids in entries}
    return Left(live, holders)
