"""A tree in words, and why a person fits it or not."""

import msgspec
import pytest

from processor.computed.judgement import judgement
from processor.computed.reading import Look, Source, looks
from processor.computed.situation import Facts, Situation
from processor.computed.state import unpack_memory
from processor.computed.wording import criterion_in_words
from tests.unit.computed.world import DAY, START, WORKSPACE, Person, compiled, event

EVENTS = """
[events.order]
type = "custom_event"
name = "Order"
[calculated.orders]
type = "count"
event = "order"
[audiences.wanted]
all = [%s]
"""

WORDS = [
    ("{ event = 'order' }", "event order at_least 1"),
    ("{ event = 'order', exactly = 0, within = '90m' }", "event order exactly 0 within 90m"),
    (
        "{ event = 'order', within = '1d', older = '2h', at_most = 3 }",
        "event order at_most 3 within 1d older 2h",
    ),
    (
        "{ event = 'order', since = 2026-01-01, until = 2026-01-02T03:00:00Z }",
        "event order at_least 1 since 2026-01-01 until 2026-01-02T03:00:00.000Z",
    ),
    ("{ attribute = 'orders', op = 'less', value = 2.5 }", "attribute orders less 2.5"),
    ("{ attribute = 'city', op = 'not_equals', value = 'Ulm' }", 'attribute city not_equals "ulm"'),
    ("{ attribute = 'city', op = 'in', value = ['a', 7] }", 'attribute city in ["a",7]'),
    (
        "{ attribute = 'born', op = 'before', value = 2000-01-01 }",
        "attribute born before 2000-01-01",
    ),
    ("{ identity = 'email' }", "identity email exists"),
    ("{ device = 'model', op = 'contains', value = 'x' }", 'device model contains "x"'),
    ("{ profile = 'first_seen', op = 'within', value = '7d' }", "first seen within 7d"),
    ("{ consent = 'gdpr.ads', value = false }", "consent gdpr.ads is false"),
    ("{ any = [{ event = 'order' }] }", "any of"),
    ("{ not = { event = 'order' } }", "not"),
]


@pytest.mark.parametrize(("written", "words"), WORDS, ids=[words for _, words in WORDS])
def test_each_criterion_has_its_words(written, words):
    audience = compiled(EVENTS % written).workspaces[WORKSPACE].audiences["wanted"]
    (only,) = judged(Person(compiled(EVENTS % written)), audience, START).criteria
    assert only.asks == words
    assert criterion_in_words(audience.criterion) == "all of"


def judged(person, audience, now_ms):
    computed = person.standing.workspaces.get(WORKSPACE)
    memory = unpack_memory(b"" if computed is None else computed.state)
    definitions = person.scope.workspaces[WORKSPACE]
    situation = Situation(person.facts[WORKSPACE], definitions.calculated, memory, now_ms)
    return judgement(audience.criterion, situation)


def test_each_leaf_says_what_the_person_has_and_when_its_own_answer_changes():
    scope = compiled(
        EVENTS
        % "{ event = 'order', within = '7d' }, { attribute = 'orders', op = 'less', value = 5 }"
    )
    person, audience = Person(scope), scope.workspaces[WORKSPACE].audiences["wanted"]
    person.record(0, event())
    person.record(DAY, event())
    found = judged(person, audience, START + 2 * DAY)
    assert (found.holds, found.next_ms) == (True, START + 8 * DAY)
    ring, count = found.criteria
    assert (ring.has, ring.is_at_least, ring.next_ms) == (1, True, START + 8 * DAY)
    assert (count.has, count.holds, count.next_ms) == (2, True, None)
    assert judged(person, audience, START + 8 * DAY).holds is False


def test_a_leaf_may_change_where_the_whole_does_not():
    scope = compiled(EVENTS % "{ event = 'order', within = '7d' }, { identity = 'email' }")
    person, audience = Person(scope), scope.workspaces[WORKSPACE].audiences["wanted"]
    person.record(0, event())
    found = judged(person, audience, START)
    assert (found.holds, found.next_ms) == (False, None)
    assert found.criteria[0].next_ms == START + 7 * DAY
    person.facts[WORKSPACE] = Facts(identities=[("email", "a"), ("email", "b")])
    assert judged(person, audience, START).criteria[1].has == ["a", "b"]


def test_another_audience_is_judged_too():
    scope = compiled(
        EVENTS % "{ audience = 'inner' }" + "[audiences.inner]\nall = [{ event = 'order' }]\n"
    )
    person, audience = Person(scope), scope.workspaces[WORKSPACE].audiences["wanted"]
    (other,) = judged(person, audience, START).criteria
    assert other.asks == "audience inner"
    assert [one.asks for one in other.criteria[0].criteria] == ["event order at_least 1"]


def test_every_selector_says_of_every_event_whether_it_wants_it_and_why_not():
    scope = compiled(EVENTS % "{ event = 'order' }")
    events = msgspec.json.encode([event("Order"), event("View")])
    found = looks(scope.workspaces[WORKSPACE], events, Source("default", START))
    assert list(found) == [
        Look(1, "custom_event", "order", is_match=True),
        Look(2, "custom_event", "order", is_match=False, why_not="name"),
    ]
