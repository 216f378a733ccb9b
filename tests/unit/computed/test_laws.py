"""Laws: whatever happens in whatever order, people are where their whole history puts them."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.computed import reference
from tests.unit.computed.world import MINUTE, START, Person, compiled, flips

STEP = 5 * MINUTE
"""Everything happens at multiples of it, and windows begin and end there."""
STEPS = 12 * 4
EVENTS = {"order": "Order", "login": "Login"}
NUMBERS = st.sampled_from([0.1, 0.2, "7", 3, 10, -4, 2.5])
VALUES = st.sampled_from([3, 3.0, "3", "a", "b", "c", "", None, True, 2.5])
TYPES = [
    "count",
    "sum",
    "minimum",
    "maximum",
    "average",
    "most_frequent",
    "unique_list",
    "unique_count",
    "first_value",
    "last_value",
    "first_timestamp",
    "last_timestamp",
]
WINDOWS = [
    {},
    {"within": "2h"},
    {"within": "20m", "resolution": "5m"},
    {"within": "1h", "resolution": "10m"},
]


def moment(steps: int) -> int:
    return START + steps * STEP


def date_time(steps: int) -> str:
    return datetime.fromtimestamp(moment(steps) / 1000, UTC).isoformat()


@st.composite
def calculated(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(TYPES))
    table: dict[str, Any] = {"type": kind, "event": draw(st.sampled_from([*EVENTS]))}
    if kind not in ("count", "first_timestamp", "last_timestamp"):
        table["attribute"] = "v"
    if kind in ("unique_list", "unique_count", "most_frequent"):
        table["max_values"] = draw(st.integers(1, 3))
    window = draw(st.sampled_from(WINDOWS))
    table |= window
    if not window and draw(st.booleans()):
        table["since"] = date_time(draw(st.integers(0, 30)))
    if draw(st.booleans()):
        table["expire"] = "promptly"
    return table


@st.composite
def leaf(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["event", "event", "aged", "dated", "attribute", "date", "stamp"]))
    event = {"event": draw(st.sampled_from([*EVENTS]))}
    compare = draw(st.sampled_from(["at_least", "at_most", "exactly"]))
    event[compare] = draw(st.integers(0, 3))
    if kind == "event":
        within = draw(st.sampled_from([{}, {"within": "1h"}, {"within": "2h"}]))
        if within and draw(st.booleans()):
            within = {**within, "resolution": "15m"}
        return {**event, **within}
    if kind == "aged":
        return {**event, "within": "2h", "older": draw(st.sampled_from(["10m", "30m", "1h"]))}
    if kind == "dated":
        start = draw(st.integers(0, 30))
        return {
            **event,
            "since": date_time(start),
            "until": date_time(start + 1 + draw(st.integers(0, 30))),
        }
    if kind == "attribute":
        op = draw(st.sampled_from(["exists", "not_exists", "at_least", "less"]))
        node = {"attribute": draw(st.sampled_from(["c0", "c1", "c2", "u"])), "op": op}
        return node if op.endswith("exists") else {**node, "value": draw(st.integers(0, 4))}
    op = draw(st.sampled_from(["within", "older", "ahead"]))
    name = "d" if kind == "date" else "seen"
    return {"attribute": name, "op": op, "value": draw(st.sampled_from(["10m", "1h", "3h"]))}


def node() -> st.SearchStrategy[dict[str, Any]]:
    return st.recursive(
        leaf(),
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda nodes: {"all": nodes}),
            st.lists(inner, min_size=1, max_size=3).map(lambda nodes: {"any": nodes}),
            inner.map(lambda one: {"not": one}),
        ),
        max_leaves=4,
    )


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    audiences = {f"a{n}": {"all": [draw(node())]} for n in range(3)}
    audiences["b"] = {"any": [{"audience": "a0"}, {"not": {"audience": "a1"}}]}
    seen = {
        "type": "last_timestamp",
        "event": "order",
        **draw(st.sampled_from([{}, {"within": "2h"}])),
    }
    if draw(st.booleans()):
        seen = {"type": "first_timestamp", "event": "order", "within": "2h"}
    return {
        "events": {name: {"type": "custom_event", "name": said} for name, said in EVENTS.items()},
        "calculated": {"seen": seen, **{f"c{n}": draw(calculated()) for n in range(3)}},
        "audiences": audiences,
    }


@st.composite
def happening(draw: st.DrawFn, most_late: int = 30) -> tuple[str, Any, int]:
    late = draw(st.one_of(st.just(0), st.integers(0, most_late)))
    return draw(st.sampled_from([*EVENTS])), draw(VALUES | NUMBERS), late


@st.composite
def records(draw: st.DrawFn) -> list[tuple[int, list[tuple[str, Any, int]], dict[str, Any]]]:
    times = sorted(draw(st.lists(st.integers(1, STEPS), min_size=1, max_size=6)))
    facts = st.fixed_dictionaries(
        {}, optional={"u": st.integers(0, 4), "d": st.integers(0, STEPS).map(date_time)}
    )
    return [(at, draw(st.lists(happening(), max_size=3)), draw(facts)) for at in times]


def naive(document: dict[str, Any]) -> dict[str, Any]:
    """Return the tables with their dates as instants, as the reference reads them."""

    def dated(table: Any) -> Any:
        if isinstance(table, list):
            return [dated(one) for one in table]
        if not isinstance(table, dict):
            return table
        found = {key: dated(one) for key, one in table.items()}
        for key in ("since", "until"):
            if key in table:
                found[f"{key}_at"] = int(datetime.fromisoformat(table[key]).timestamp() * 1000)
        return found

    found = dated(document)
    return {"calculated": found["calculated"], "audiences": found["audiences"]}


class Play:
    """One history, played by the processor and told by the reference."""

    def __init__(self, document: dict[str, Any]):
        self.tables = naive(document)
        self.person = Person(compiled(document))
        self.history = reference.History()
        self.members: set[str] = set()
        self.told: list[tuple[str, str, int]] = []
        self.at = 0

    def take(self, at: int, events: list[tuple[str, Any, int]], attributes: dict[str, Any]) -> None:
        """Take a record: the history first, then the processor."""
        self.history.attributes |= attributes
        sent = []
        for name, value, late in events:
            time = max(moment(at - late), 0)
            self.history.happenings.append(reference.Happening(name, time, moment(at), value))
            sent.append(as_event(name, value, at - late))
        self.judge(at)
        self.person.record(at * STEP, *sent, attributes=dict(self.history.attributes))

    def judge(self, at: int) -> None:
        """Note who flips at an instant by the whole history."""
        now = self.fits(at)
        changed = [(n, "entered" if n in now else "left") for n in now ^ self.members]
        self.told += [(change, name, at * STEP) for name, change in sorted(changed)]
        self.members = now

    def fits(self, at: int) -> set[str]:
        return {
            name
            for name, tree in self.tables["audiences"].items()
            if reference.fits(tree, self.tables, self.history, moment(at))
        }

    def values(self, at: int) -> dict[str, Any]:
        found = {
            name: reference.value(table, self.history, moment(at))
            for name, table in self.tables["calculated"].items()
        }
        return {name: value for name, value in found.items() if value is not None}


def as_event(name: str, value: Any, at: int) -> dict[str, Any]:
    data = {"event_name": EVENTS[name], "custom_attributes": {"v": value}}
    data["timestamp_unixtime_ms"] = moment(at)
    return {"event_type": "custom_event", "data": data}


@given(tables(), records())
def test_with_a_clock_everybody_flips_at_the_very_instant_that_the_whole_history_says(
    document, played
):
    play, upto = Play(document), 0
    for at, events, attributes in [*played, (STEPS + 40, [], {})]:
        for step in range(upto + 1, at):
            if upto:
                play.judge(step)
        if upto:
            play.person.sweep(at * STEP - 1)
        play.take(at, events, attributes)
        upto = at
        assert play.person.audiences() == sorted(play.members)
    assert flips(play.person.told) == play.told


@given(tables(), records(), st.integers(0, 60))
def test_without_a_clock_values_and_members_are_what_the_history_says_at_each_record(
    document, played, later
):
    play = Play(document)
    for at, events, attributes in played:
        play.take(at, events, attributes)
        assert play.person.audiences() == sorted(play.fits(at))
        assert play.person.values(at * STEP) == play.values(at)
    at = played[-1][0] + later
    assert play.person.values(at * STEP) == play.values(at)


@given(tables(), records(), st.lists(st.integers(0, STEPS * 2), max_size=6))
def test_sweeps_may_come_at_any_time_and_as_often_as_they_like(document, played, sweeps):
    one, many = Play(document), Play(document)
    for at, events, attributes in played:
        one.take(at, events, attributes)
        many.take(at, events, attributes)
    last = played[-1][0]
    for at in sorted(sweeps):
        many.person.sweep((last + at) * STEP + 1)
    end = (last + STEPS * 2 + 1) * STEP
    one.person.sweep(end)
    many.person.sweep(end)
    assert flips(many.person.told) == flips(one.person.told)
    assert many.person.standing == one.person.standing


@given(tables(), records())
def test_what_is_due_is_due_at_the_instant_of_the_next_flip_and_nothing_is_due_but_changes(
    document, played
):
    play = Play(document)
    for at, events, attributes in played:
        play.take(at, events, attributes)
    person = play.person
    for _ in range(100):
        if person.due is None:
            break
        due, before = person.due, person.standing
        person.sweep(due - 1)
        assert person.standing is before
        told = person.sweep(due)
        prompt = {n for n, t in document["calculated"].items() if t.get("expire") == "promptly"}
        old, new = before.workspaces["shop"].calculated, person.values(due)
        assert told or any(old.get(name) != new.get(name) for name in prompt)
    assert person.due is None
    play.judge(played[-1][0] + 10_000)
    assert person.audiences() == sorted(play.members)


@given(tables(), records())
def test_playing_a_record_at_an_earlier_time_lets_nobody_in_who_left(document, played):
    play = Play(document)
    for at, events, attributes in played:
        play.take(at, events, attributes)
    person = play.person
    person.sweep(played[-1][0] * STEP + STEPS * STEP)
    clock, members = person.standing.clock_ms, person.audiences()
    assert person.record(0) == []
    assert person.audiences() == members
    assert person.standing.clock_ms == clock
