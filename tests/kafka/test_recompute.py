"""``idstream recompute`` on real servers: changed definitions reach those who send nothing."""

import json
import re
import signal
import time
from collections import Counter
from contextlib import closing

import pytest

from processor.identity.model import Space
from processor.redis.generations import definitions_in, open_generations
from processor.settings import load
from tests.kafka.shopping import flips, open_shop, order, running, started
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(240)]

PEOPLE = 300
OLD = """
[workspaces.shop.calculated.orders]
type = "count"
event = "order"
"""
NEW = """
[workspaces.shop.audiences.french]
all = [{ attribute = "country", op = "equals", value = "FR" }]
"""


@pytest.fixture
def shop(kafka, redis_url, redis_prefix, tmp_path):
    """Give a configuration with an audience that people who are known do not know yet.

    And without an attribute that was calculated for them.
    """
    path = tmp_path / "idstream.toml"
    topics = open_shop(kafka, (redis_url, redis_prefix), path)
    plain, now_ms = path.read_text(), round(time.time() * 1000)
    path.write_text(plain + OLD)
    for start, country in enumerate(("FR", "DE")):
        people = range(start, PEOPLE, 2)
        attributes = {"country": country}
        order(kafka, topics["batches"], people, now_ms, user_attributes=attributes)
    with running(path):
        eventually(lambda: len(flips(kafka, topics["audience_changes"])) == PEOPLE, 80, every=0.5)
    path.write_text(plain + NEW)
    return path, topics


def ended(path, *options: str, **environ: str) -> tuple[int, str, str]:
    process = started(path, "recompute", "shop", *options, **environ)
    out, err = process.communicate(timeout=90)
    return process.returncode, out, err


def named(kafka, topics) -> list[str]:
    sweeps = [json.loads(m.value()) for m in kafka.read(topics["clock"])]
    return [mpid for sweep in sweeps for mpid in sweep.get("mpids", ())]


def calculated(kafka, topics) -> Counter[tuple[str, ...]]:
    """Return how many people have which calculated attributes, by what they were last."""
    newest: dict[bytes, dict] = {}
    for message in kafka.read(topics["profiles"]):
        value, before = json.loads(message.value()), newest.get(message.key())
        if before is None or before["version"] < value["version"]:
            newest[message.key()] = value
    computed = [one["workspaces"]["shop"]["computed"] for one in newest.values()]
    return Counter(tuple(one.get("calculated", ())) for one in computed)


def listed(path) -> set[str]:
    """Return the names of definitions that the index lists."""
    settings = load(path, {})
    space = Space("shop", "production")
    with closing(open_generations(settings)) as generations:
        return {*definitions_in(generations, space, generations.survey(space, ()).owner)}


def changes(kafka, topics) -> Counter[tuple[str, ...]]:
    """Return how often each change was told, at whichever instant."""
    return Counter(key[:4] for key in flips(kafka, topics["audience_changes"]).elements())


def test_whoever_sends_nothing_enters_a_new_audience_once_whatever_becomes_of_the_run(kafka, shop):
    path, topics = shop
    with running(path):
        killed = ended(path, "--rate", "60", IDSTREAM_CRASH_AT="in_recompute:2")
        assert killed[0] == -signal.SIGKILL, killed
        assert "shop/calculated.orders" in listed(path)
        assert len(named(kafka, topics)) == 120
        status, out, err = ended(path, "--rate", "100000")
        assert (status, err) == (0, ""), out
        assert out.splitlines()[-2:] == [
            "300 profiles named in 2 sweeps; processors do the rest",
            "not defined any more, and struck off them: workspaces.shop.calculated.orders",
        ]
        entered = PEOPLE // 2
        eventually(lambda: len(changes(kafka, topics)) == PEOPLE + entered, 80, every=0.5)
    told = changes(kafka, topics)
    assert set(told.values()) == {1}
    assert Counter(key[1:] for key in told) == {
        ("fresh", "entered", "record"): PEOPLE,
        ("french", "entered", "definition"): entered,
    }
    assert kafka.read(topics["dead_letters"]) == []
    assert calculated(kafka, topics) == {(): PEOPLE}
    assert listed(path) == {"shop/audiences.fresh", "shop/audiences.french"}


def test_a_run_that_is_stopped_tells_where_another_one_goes_on(kafka, shop):
    path, topics = shop
    with running(path):
        process = started(path, "recompute", "shop", "--rate", "1")
        eventually(lambda: named(kafka, topics), 60, every=0.3)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 1
        way_on, last = err.splitlines()
        assert re.fullmatch(
            r"[1-9][0-9]* profiles named so far; go on with: idstream recompute shop.*", way_on
        )
        assert last == "idstream: stopped before the end of the topic profiles"
        before = len(named(kafka, topics))
        left = {m.key() for m in kafka.read(topics["profiles"]) if m.partition() == 1}
        # A place beyond the end is the end.
        status, out, _ = ended(path, "--rate", "100000", "--from", "0/1000000")
        assert status == 0, out
        assert len(named(kafka, topics)) - before == len(left) < PEOPLE


def test_while_nobody_reads_the_inputs_it_waits_and_says_why(kafka, shop):
    path, topics = shop
    order(kafka, topics["batches"], [1], round(time.time() * 1000))
    process = started(path, "recompute", "shop")
    try:
        assert "records wait in an input topic" in process.stderr.readline()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 1
    assert named(kafka, topics) == []
