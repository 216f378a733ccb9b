"""Definitions that change: versions, marks, what older and newer processors leave alone; bounds."""

import msgspec
import pytest
from msgspec.structs import replace

from processor.computed.definition import (
    Listed,
    Scope,
    conflicts,
    listing,
    remembered,
    scope_of,
)
from processor.computed.evaluate import evaluate
from processor.computed.occasion import FactsChange, Occasion
from processor.computed.reading import Source, matches
from processor.computed.situation import Facts
from processor.computed.state import Memory, pack_memory, packed_bytes, unpack_memory
from tests.unit.computed.world import DAY, HOUR, START, Person, compiled, event, flips

EVENTS = """
[events.order]
type = "custom_event"
name = "Order"
[events.login]
type = "custom_event"
name = "Login"
"""


def count(rest: str = "", name: str = "n") -> str:
    return f'[calculated.{name}]\ntype = "count"\nevent = "order"\n{rest}\n'


def gold(points: int, rest: str = "") -> str:
    criterion = f'{{ attribute = "points", op = "at_least", value = {points} }}'
    return f"[audiences.gold]\nall = [{criterion}]\n{rest}\n"


def scope(*tables: str) -> Scope:
    return compiled(EVENTS + "".join(tables))


def marks(*tables: str) -> dict[str, Listed]:
    return listing(scope(*tables).workspaces["shop"])


def test_who_no_longer_fits_a_new_version_leaves_with_the_next_record_or_by_recompute():
    people = [Person(scope(gold(10)), mpid) for mpid in (1, 2, 3)]
    for one, points in zip(people, (15, 25, 15), strict=True):
        one.record(HOUR, attributes={"points": points})
        one.scope = scope(gold(20, "version = 2"))
    assert flips(people[0].record(5 * HOUR)) == [("left", "gold", 5 * HOUR)]
    assert people[1].record(5 * HOUR) == []
    assert people[1].standing.workspaces["shop"].audiences["gold"].version == 2
    (told,) = people[2].recompute(6 * HOUR)
    assert (told.change, told.reason) == ("left", "definition")


def test_who_stays_under_a_new_version_keeps_the_time_of_entry():
    one = Person(scope(gold(10)))
    one.record(HOUR, attributes={"points": 25})
    one.scope = scope(gold(20, "version = 2"))
    one.record(5 * HOUR)
    assert one.standing.workspaces["shop"].audiences["gold"].entered_ms == START + HOUR


def test_a_new_version_of_a_calculated_attribute_starts_anew_and_others_keep_their_state():
    one = Person(scope(count(), count(name="m")))
    one.record(HOUR, event(), event())
    one.scope = scope(count('since = "2026-01-01"\nversion = 2'), count(name="m"))
    one.record(2 * HOUR, event())
    assert one.values(2 * HOUR) == {"n": 1, "m": 3}


def test_state_of_another_meaning_counts_as_none():
    one = Person(scope(count()))
    one.record(HOUR, event(), event())
    one.scope = scope(count('since = "2026-01-01"'))
    one.record(2 * HOUR, event())
    assert one.values(2 * HOUR) == {"n": 1}


def test_a_retired_audience_lets_its_members_go():
    one = Person(scope(gold(10)))
    one.record(HOUR, attributes={"points": 15})
    one.scope = scope(gold(10, 'status = "retired"'))
    assert flips(one.recompute(3 * HOUR)) == [("left", "gold", 3 * HOUR)]


def test_a_draft_is_not_run_and_owns_no_name():
    one = Person(scope(gold(10, 'status = "draft"'), count('status = "draft"'), count(name="m")))
    one.record(HOUR, event(), attributes={"points": 15})
    assert one.audiences() == []
    assert one.values(HOUR) == {"m": 1}


def test_recompute_does_first_what_is_due_at_its_instant_and_then_judges_anew():
    recent = '[audiences.recent]\nall = [{ event = "order", within = "10d" }]\n'
    one = Person(scope(recent))
    one.record(DAY, event(), attributes={"points": 25})
    one.scope = scope(recent, gold(10))
    assert flips(one.recompute(20 * DAY)) == [
        ("entered", "gold", 11 * DAY),
        ("left", "recent", 11 * DAY),
    ]


def test_an_older_processor_leaves_state_and_membership_of_a_higher_version_alone():
    old, new = (
        scope(count(f"version = {version}"), count(name="m"), gold(points, f"version = {version}"))
        for version, points in ((1, 10), (2, 20))
    )
    one = Person(new)
    one.record(HOUR, event(), attributes={"points": 25})
    before = one.standing.workspaces["shop"]
    one.scope = old
    assert one.record(2 * HOUR, event(), attributes={"points": 0}) == []
    assert one.values(2 * HOUR) == {"m": 2}
    assert one.audiences() == []
    after = one.standing.workspaces["shop"]
    assert after.audiences == before.audiences
    assert after.calculated["n"] == before.calculated["n"]
    one.scope = new
    one.record(3 * HOUR, event())
    assert one.values(3 * HOUR) == {"n": 2, "m": 3}


def test_an_older_processor_is_due_for_nothing_of_a_higher_version():
    def recent(rest: str) -> str:
        return f'[audiences.recent]\nall = [{{ event = "order", within = "10d" }}]\n{rest}\n'

    one = Person(scope(recent("version = 2")))
    one.record(DAY, event())
    assert one.due == 11 * DAY
    one.scope = scope(recent("version = 1"))
    one.record(2 * DAY)
    assert one.due is None
    assert one.standing.workspaces["shop"].audiences["recent"].version == 2


def test_another_set_of_definitions_is_noted_once_even_if_it_changes_nothing_of_a_person():
    one = Person(scope(gold(10)))
    one.record(HOUR)
    one.scope = scope(gold(10), count())
    one.record(2 * HOUR)
    assert one.wrote
    one.record(3 * HOUR)
    assert not one.wrote


def test_what_a_configuration_does_not_have_is_kept_and_not_shown():
    one = Person(scope(count(), count(name="m"), gold(10)))
    one.record(HOUR, event(), attributes={"points": 25})
    one.scope = scope(count(name="m"))
    one.record(2 * HOUR, event())
    assert (one.values(2 * HOUR), one.audiences()) == ({"m": 2}, [])
    one.scope = scope(count(), count(name="m"), gold(10))
    assert one.record(3 * HOUR, event()) == []
    assert (one.values(3 * HOUR), one.audiences()) == ({"n": 2, "m": 3}, ["gold"])


RECENT = '[audiences.recent]\nall = [{ event = "order", within = "10d" }]\n'


def test_recompute_strikes_off_what_no_definition_is_about_and_leaves_the_rest():
    one = Person(scope(count(), count(name="m"), gold(10), RECENT))
    one.record(HOUR, event(), attributes={"points": 25})
    one.scope = scope(count(name="m"), gold(10))
    one.record(2 * HOUR, event())
    before = one.standing.workspaces["shop"]
    assert before.calculated.keys() == {"n", "m"}
    assert before.audiences.keys() == {"gold", "recent"}
    assert one.recompute(3 * HOUR) == []
    assert one.wrote
    shop = one.standing.workspaces["shop"]
    memory = unpack_memory(shop.state)
    assert (memory.states.keys(), memory.cores) == ({"m"}, {})
    assert (shop.calculated, shop.audiences) == ({"m": 2}, {"gold": before.audiences["gold"]})
    one.recompute(4 * HOUR)
    assert not one.wrote


def test_recompute_strikes_off_event_times_that_no_criterion_looks_at_any_more():
    one = Person(scope(RECENT))
    one.record(HOUR, event())
    one.scope = scope(RECENT.replace("event =", 'resolution = "1h", event =') + "version = 2\n")
    one.record(2 * HOUR, event())
    assert len(unpack_memory(one.standing.workspaces["shop"].state).cores) == 2
    one.recompute(3 * HOUR)
    memory = unpack_memory(one.standing.workspaces["shop"].state)
    assert memory.cores.keys() == one.scope.workspaces["shop"].cores.keys()


def test_recompute_strikes_off_the_state_of_an_older_meaning():
    one = Person(scope(count()))
    one.record(HOUR, event())
    one.scope = scope(count('since = "2026-01-01"\nversion = 2'))
    one.recompute(2 * HOUR)
    assert one.standing.workspaces["shop"].state == b""


def test_what_belongs_to_a_higher_version_is_not_struck_off_nor_are_event_times_then():
    one = Person(scope(count("version = 2"), gold(10, "version = 2"), RECENT))
    one.record(HOUR, event(), attributes={"points": 25})
    before = one.standing.workspaces["shop"]
    one.scope = scope(count(), gold(10))
    one.recompute(2 * HOUR)
    shop = one.standing.workspaces["shop"]
    assert (shop.calculated, shop.audiences.keys()) == (before.calculated, {"gold"})
    assert unpack_memory(shop.state).cores == unpack_memory(before.state).cores


@pytest.mark.parametrize(
    "changed",
    [
        count('within = "1d"'),
        count('since = "2026-01-01"'),
        count().replace('event = "order"', 'event = "login"'),
        count().replace("count", "last_timestamp"),
    ],
)
def test_a_mark_changes_with_the_meaning(changed):
    assert marks(changed)["calculated.n"].mark != marks(count())["calculated.n"].mark


@pytest.mark.parametrize(
    "same",
    [
        count('description = "how often"'),
        count('status = "active"'),
        count("version = 7"),
        count('expire = "promptly"'),
    ],
)
def test_a_mark_does_not_change_with_what_is_no_meaning(same):
    assert marks(same)["calculated.n"].mark == marks(count())["calculated.n"].mark


def test_the_mark_of_an_audience_is_its_rule_and_not_what_it_carries():
    known = marks(gold(10))["audiences.gold"].mark
    assert marks(gold(11))["audiences.gold"].mark != known
    for same in ('identities = ["email"]', "publish = false", 'attributes = ["x"]', "version = 2"):
        assert marks(gold(10, same))["audiences.gold"].mark == known


def test_a_changed_selector_touches_every_definition_that_uses_it():
    recent = '[audiences.recent]\nall = [{ event = "order", within = "10d" }]\n'
    own = listing(compiled(EVENTS + count() + recent).workspaces["shop"])
    changed = EVENTS.replace('"Order"', '"Bought"')
    other = listing(compiled(changed + count() + recent).workspaces["shop"])
    assert {name for name in own if own[name].mark != other[name].mark} == own.keys()


def test_a_selector_of_another_name_that_selects_the_same_is_the_same():
    again = EVENTS + count().replace('event = "order"', 'event = "bought"')
    again += '[events.bought]\ntype = ["custom_event"]\nname = ["Order"]\n'
    assert listing(compiled(again).workspaces["shop"]) == marks(count())


def test_a_start_with_another_meaning_under_the_same_version_is_refused_in_a_line_each():
    known = marks(count("version = 2"), gold(10))
    assert conflicts("shop", known, marks(count("version = 2"), gold(10))) == []
    assert conflicts("shop", known, marks(count('version = 2\nwithin = "1d"'), gold(11))) == [
        "workspaces.shop.calculated.n: its meaning changed; raise its version to 3",
        "workspaces.shop.audiences.gold: its meaning changed; raise its version to 2",
    ]
    assert conflicts("shop", known, marks(count('version = 3\nwithin = "1d"'))) == []


def test_the_index_remembers_the_highest_version_of_each_name():
    old, new = marks(count(), gold(10)), marks(count('version = 2\nwithin = "1d"'))
    assert remembered(old, new) == {**old, **new}
    assert remembered(remembered(old, new), old) == {**old, **new}


def test_the_stamp_changes_with_every_change_that_people_must_be_judged_by():
    stamps = {
        scope(count(), gold(10)).stamp,
        scope(count(), gold(10, "version = 2")).stamp,
        scope(count(), gold(11)).stamp,
        scope(count('expire = "promptly"'), gold(10)).stamp,
        scope(count(), gold(10, 'status = "retired"')).stamp,
        scope(count()).stamp,
    }
    assert len(stamps) == 6
    assert scope(count('description = "x"'), gold(10, 'status = "active"')).stamp in stamps


def test_a_scope_that_defines_nothing_is_none():
    assert scope_of([replace(scope(count()).workspaces["shop"], calculated={})], 10) is None


def test_a_fold_that_finds_no_room_is_not_stored_and_the_rest_goes_on():
    texts = '[calculated.t]\ntype = "unique_list"\nevent = "order"\nattribute = "v"\n'
    one = Person(compiled(EVENTS + count() + texts + count(name="z"), max_bytes=1000))
    one.record(HOUR, event(v="a" * 300))
    assert one.bounded == 0
    one.record(2 * HOUR, event(v="b" * 300))
    assert one.bounded == 1
    values = one.values(2 * HOUR)
    assert (values["n"], len(values["t"]), values["z"]) == (2, 1, 2)
    assert packed_bytes(one.standing.workspaces["shop"]) <= 1000


def test_a_fold_whose_memberships_find_no_room_is_not_stored():
    names = [letter * 100 for letter in "abcdefgh"]
    audiences = [
        f'[audiences.{n}]\nall = [{{ event = "order", at_least = {k} }}]\n'
        for k, n in enumerate(names, 1)
    ]
    one = Person(compiled(EVENTS + count() + "".join(audiences), max_bytes=700))
    for at in range(10):
        one.record(HOUR + at, event())
        assert packed_bytes(one.standing.workspaces["shop"]) <= 700
    assert one.audiences() == names[:5]
    assert one.values(2 * HOUR) == {"n": 10}, "other definitions go on"
    assert one.bounded == 5


def test_a_fold_yields_to_the_room_that_the_profile_has_left():
    texts = '[calculated.t]\ntype = "unique_list"\nevent = "order"\nattribute = "v"\n'
    one = Person(compiled(EVENTS + texts))
    body = msgspec.json.encode([event(v="a" * 300)])
    found = matches(one.scope.workspaces["shop"], body, Source("default", START))
    changes = {"shop": FactsChange(Facts(), Facts())}
    kept = {}
    for room in (None, 1000, 300):
        occasion = Occasion(1, START, "record", "shop", found, room=room)
        outcome = evaluate(one.scope, one.standing, occasion, changes)
        kept[room] = (outcome.bounded, outcome.standing.workspaces["shop"].calculated.keys())
    assert kept == {None: (0, {"t"}), 1000: (0, {"t"}), 300: (1, set())}


def test_state_of_another_format_is_refused():
    assert unpack_memory(pack_memory(Memory())) == Memory()
    with pytest.raises(ValueError, match="format"):
        unpack_memory(b"\x02\x92\x80\x80")
    with pytest.raises(ValueError, match="damaged"):
        unpack_memory(b"\x01\x92\x80")
