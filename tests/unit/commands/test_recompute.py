"""Whom a recompute names, how fast, and where another run goes on."""

import pytest

from processor.codecs.sweep import MOST_NAMED
from processor.commands.recompute.pace import NamingPace
from processor.commands.recompute.recompute import RecomputeOptions, recompute
from processor.commands.recompute.roster import Roster, places_as_text, places_in
from processor.commands.terminal.failure import Failure
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.index.derivation import Tombstone
from processor.records import Record
from processor.settings import load

SHOP, TEST, OTHER = (
    Space("shop", "production"),
    Space("shop", "development"),
    Space("other", "production"),
)
CONFIG = """
[workspaces.plain]
preset = "default"
[workspaces.timeless]
preset = "default"
[inputs.one]
workspace = "plain"
[inputs.other]
workspace = "timeless"
[workspaces.mortal]
preset = "default"
[workspaces.mortal.retention]
anonymous_days = 30
[inputs.mortal]
workspace = "mortal"
[workspaces.timeless.audiences]
french = { all = [{ attribute = "country", op = "equals", value = "FR" }] }
"""


def profile(mpid: int, space: Space = SHOP, **more) -> Profile:
    return Profile(
        scope=space.scope,
        environment=space.environment,
        mpid=mpid,
        version=1,
        created_ms=1,
        last_seen_ms=1,
        **more,
    )


def read(partition: int, *offsets: int) -> list[Record]:
    return [Record("profiles", partition, offset, 0, b"", b"") for offset in offsets]


def roster(**found: list) -> Roster:
    held = Roster("shop", {})
    held.add(read(0, 0), {Space(name, "production"): ones for name, ones in found.items()})
    return held


def test_both_environments_of_the_scope_are_named_and_no_other_scope():
    held = Roster("shop", {})
    held.add([], {SHOP: [profile(1)], TEST: [profile(1, TEST)], OTHER: [profile(9, OTHER)]})
    assert held.take(10) == [(SHOP, [1]), (TEST, [1])]


def test_whoever_was_merged_or_erased_is_not_named():
    gone = [profile(1, merged_into=2), Tombstone("shop", "production", 3, 1)]
    assert roster(shop=[*gone, profile(2)]).take(10) == [(SHOP, [2])]


def test_whoever_stands_in_the_topic_twice_is_named_once_while_held():
    assert roster(shop=[profile(1), profile(2), profile(1)]).take(10) == [(SHOP, [1, 2])]


def test_a_sweep_names_two_hundred_at_most_and_processors_take_as_many():
    lots = roster(shop=[profile(n) for n in range(450)]).take(1000)
    assert [len(mpids) for _, mpids in lots] == [200, 200, 50]
    assert MOST_NAMED >= 200


def test_no_more_are_taken_than_may_be_named_and_they_stay_until_they_are():
    held = roster(shop=[profile(n) for n in range(5)])
    assert held.take(2) == held.take(2) == [(SHOP, [0, 1])]
    held.strike(held.take(2))
    assert held.take(10) == [(SHOP, [2, 3, 4])]


def test_another_run_begins_behind_those_only_who_are_named():
    held = Roster("shop", {1: 40})
    held.add(read(0, 7, 8), {SHOP: [profile(1)]})
    assert held.places == {1: 40}
    held.strike(held.take(10))
    assert held.places == {0: 9, 1: 40}


def test_records_that_name_nobody_are_left_behind_too():
    held = Roster("shop", {})
    held.add(read(3, 7), {OTHER: [profile(1, OTHER)]})
    assert held.places == {3: 8}


@pytest.mark.parametrize("places", [{}, {0: 12}, {11: 9, 2: 0}])
def test_places_are_read_as_they_are_written(places):
    assert places_in(places_as_text(places)) == places


@pytest.mark.parametrize("text", ["0", "0/", "0/1,", "0/1;1/2", "-1/2", "a/b", "0/1, 1/2"])
def test_what_names_no_places_is_no_list_of_them(text):
    assert places_in(text) is None


def test_so_many_a_second_are_named_and_a_wait_is_not_made_up_for():
    now = [100.0]
    pace = NamingPace(50, lambda: now[0])
    assert pace.owed(100) == 2
    now[0] += 2
    assert pace.owed(25) == 0.5
    now[0] += 60
    assert pace.owed(25) == 0.5
    assert pace.owed(25) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (RecomputeOptions("nowhere"), "no workspace nowhere; the configuration has plain, timel"),
        (RecomputeOptions("plain"), "workspaces.plain: neither it nor another of its scope defi"),
        (RecomputeOptions("timeless"), "no definition of the configuration can change by time"),
    ],
)
def test_what_cannot_be_recomputed_is_told_before_anything_is_done(tmp_path, options, says):
    path = tmp_path / "idstream.toml"
    path.write_text(CONFIG.replace("anonymous_days = 30", "anonymous_days = 0"))
    with pytest.raises(Failure, match=says):
        recompute(path, {}, options)


def test_places_that_are_none_are_told_before_anything_is_done(tmp_path):
    path = tmp_path / "idstream.toml"
    path.write_text(
        CONFIG.replace(
            'value = "FR" }',
            'value = "FR" }, { profile = "first_seen", op = "within", value = "1d" }',
        )
    )
    with pytest.raises(Failure, match="--from: 0/x names no places; write PARTITION/OFFSET"):
        recompute(path, {}, RecomputeOptions("timeless", start="0/x"))


def test_shorter_lifetimes_are_recomputed_without_any_definition(tmp_path):
    path = tmp_path / "idstream.toml"
    path.write_text(CONFIG)
    with pytest.raises(Failure, match="--from: x names no places"):
        recompute(path, {}, RecomputeOptions("mortal", start="x"))


def test_timeless_definitions_are_recomputed_where_a_topic_of_the_clock_is_named(tmp_path):
    path = tmp_path / "idstream.toml"
    timeless = CONFIG.replace("anonymous_days = 30", "anonymous_days = 0")
    path.write_text(timeless + '[kafka.topics]\nclock = "sweeps"\n')
    assert load(path, {}).kafka.topics.clock == "sweeps"
    with pytest.raises(Failure, match="--from: x names no places"):
        recompute(path, {}, RecomputeOptions("timeless", start="x"))
