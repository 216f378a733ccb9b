"""What is told of audiences, and what the messages carry."""

import pytest

from processor.computed.announcement import farewell
from processor.computed.evaluate import evaluate
from processor.computed.message import MOST_BYTES, AudienceChange, Carried, bounded
from processor.computed.occasion import FactsChange, Leaver, Occasion
from processor.computed.situation import Facts
from processor.computed.state import Standing
from tests.unit.computed.world import DAY, HOUR, START, Person, compiled, event, flips

ORDERS = '[events.order]\ntype = "custom_event"\nname = "Order"\n'
GOLD = (
    ORDERS
    + '[calculated.n]\ntype = "count"\nevent = "order"\nwithin = "1d"\n'
    + "[audiences.gold]\n"
    + 'all = [{ attribute = "tier", op = "equals", value = "gold" }]\n'
    + 'identities = ["email", "customer_id"]\nattributes = ["city", "n"]\n'
)


def known(email: str) -> dict[str, object]:
    return {"identities": (("email", email),), "current": {"email": email}}


def test_who_enters_is_told_with_what_the_audience_names_and_nothing_else():
    person = Person(compiled(GOLD))
    (told,) = person.record(
        HOUR, event(), attributes={"tier": "gold", "city": "Rome", "age": 7}, **known("a@x.org")
    )
    assert told.change == "entered"
    assert told.carried == Carried((("email", "a@x.org"),), {"city": "Rome", "n": 1})
    assert (told.reason, told.definition_version, told.expires_ms) == ("record", 1, None)


def test_an_audience_that_names_nothing_tells_nothing_but_the_mpid():
    person = Person(compiled('[audiences.a]\nall = [{ identity = "email" }]\n'))
    (told,) = person.record(HOUR, attributes={"city": "Rome"}, **known("a@x.org"))
    assert told.carried == Carried()


def test_who_leaves_is_told_with_what_was_true_before():
    person = Person(compiled(GOLD))
    person.record(HOUR, event(), attributes={"tier": "gold", "city": "Rome"}, **known("a@x.org"))
    (told,) = person.record(
        2 * HOUR, event(), attributes={"tier": "none", "city": "Oslo"}, **known("b@x.org")
    )
    assert told.change == "left"
    assert told.carried == Carried((("email", "a@x.org"),), {"city": "Rome", "n": 1})
    assert told.expires_ms is None


def test_a_member_whose_included_data_changes_is_told_as_updated():
    person = Person(compiled(GOLD))
    person.record(HOUR, attributes={"tier": "gold"}, **known("a@x.org"))
    (told,) = person.record(2 * HOUR, **known("b@x.org"))
    assert told.change == "updated"
    assert told.carried == Carried((("email", "b@x.org"),))
    assert told.previous_identities == (("email", "a@x.org"),)
    (told,) = person.record(3 * HOUR, event())
    assert (told.change, told.carried.attributes) == ("updated", {"n": 1})


def test_data_that_the_audience_does_not_name_updates_nobody():
    person = Person(compiled(GOLD))
    person.record(HOUR, attributes={"tier": "gold"})
    assert person.record(2 * HOUR, attributes={"tier": "Gold", "age": 7}) == []


def test_true_and_one_are_different_values_of_what_is_carried():
    person = Person(compiled(GOLD))
    person.record(HOUR, attributes={"tier": "gold", "city": 1})
    (told,) = person.record(2 * HOUR, attributes={"tier": "gold", "city": True})
    assert told.change == "updated"


def test_time_alone_updates_nobody():
    person = Person(compiled(GOLD.replace('within = "1d"', 'within = "1d"\nexpire = "promptly"')))
    person.record(HOUR, event(), attributes={"tier": "gold"})
    assert person.sweep(5 * DAY) == []
    assert person.values(5 * DAY) == {"n": 0}
    assert person.record(6 * DAY, attributes={"tier": "gold", "age": 7}) == []


def test_a_value_that_time_took_before_a_record_came_is_no_update_by_it():
    person = Person(compiled(GOLD))
    person.record(HOUR, event(), attributes={"tier": "gold"})
    assert person.record(6 * DAY, attributes={"tier": "gold", "age": 7}) == []


def test_a_calculated_attribute_hides_a_user_attribute_in_messages_even_without_a_value():
    person = Person(compiled(GOLD))
    (told,) = person.record(HOUR, attributes={"tier": "gold", "n": 99})
    assert told.carried.attributes == {}


def test_who_leaves_and_comes_back_within_one_record_is_not_told():
    person = Person(
        compiled(ORDERS + '[audiences.a]\nall = [{ event = "order", within = "1d" }]\n')
    )
    person.record(HOUR, event())
    assert person.record(3 * DAY, event()) == []


def test_messages_of_one_record_go_by_the_name_of_the_audience():
    names = ["delta", "alpha", "charlie", "bravo"]
    document = "".join(f'[audiences.{name}]\nall = [{{ identity = "email" }}]\n' for name in names)
    person = Person(compiled(document))
    told = person.record(HOUR, **known("a@x.org"))
    assert [m.audience for m in told] == sorted(names)


def test_messages_of_one_sweep_go_by_their_instants():
    person = Person(
        compiled(
            ORDERS
            + '[audiences.a]\nall = [{ event = "order", within = "2d" }]\n'
            + '[audiences.b]\nall = [{ event = "order", within = "1d" }]\n'
        )
    )
    person.record(HOUR, event())
    assert flips(person.sweep(9 * DAY)) == [
        ("left", "b", DAY + HOUR),
        ("left", "a", 2 * DAY + HOUR),
    ]


def test_an_unpublished_audience_is_told_of_to_nobody():
    person = Person(compiled('[audiences.a]\nall = [{ identity = "email" }]\npublish = false\n'))
    assert person.record(HOUR, **known("a@x.org")) == []
    assert person.audiences() == []
    assert person.standing.workspaces["shop"].audiences.keys() == {"a"}


@pytest.mark.parametrize("reason", ["aged_out", "deleted", "erased"])
def test_at_its_end_a_profile_leaves_every_published_audience_with_what_it_carried(reason):
    scope = compiled(
        GOLD
        + '[audiences.hidden]\nall = [{ identity = "email" }]\npublish = false\n'
        + '[audiences.mailable]\nall = [{ identity = "email" }]\n'
    )
    person = Person(scope)
    person.record(HOUR, attributes={"tier": "gold"}, **known("a@x.org"))
    leaver = Leaver(person.mpid, person.standing, person.facts)
    told = farewell(scope, leaver, START + DAY, reason)
    assert [(m.change, m.audience, m.reason) for m in told] == [
        ("left", "gold", reason),
        ("left", "mailable", reason),
    ]
    assert told[0].carried.identities == (("email", "a@x.org"),)
    assert told[0].timestamp_ms == START + DAY


def message(size: int) -> AudienceChange:
    return AudienceChange(
        "entered", "a", 1, "shop", 0, "record", 1, None, Carried((("email", "x" * size),))
    )


def test_a_message_carries_four_kilobytes_and_goes_without_beyond():
    small, large = message(4000), message(4097)
    (kept, stripped), without = bounded([small, large])
    assert kept is small
    assert (stripped.carried, stripped.is_bounded) == (Carried(), True)
    assert without == 1


def test_the_messages_of_a_record_carry_a_megabyte_together():
    kept, without = bounded([message(4000)] * 300)
    carried = [one for one in kept if not one.is_bounded]
    assert 4000 * len(carried) < MOST_BYTES < 4100 * (len(carried) + 1)
    assert without == 300 - len(carried)


def test_workspaces_of_one_scope_are_evaluated_together_where_the_person_was_seen():
    table = "".join(f'[audiences.{n}]\nall = [{{ identity = "email" }}]\n' for n in "ab")
    scope = compiled(table, table, table, names=("shop", "app", "web"))
    facts = Facts(identities=(("email", "a@x.org"),))
    changes = {name: FactsChange(Facts(), facts) for name in ("shop", "web")}
    found = evaluate(scope, Standing(), Occasion(1, START, "record", "shop"), changes)
    assert [(m.audience, m.workspace) for m in found.messages] == [
        ("a", "shop"),
        ("a", "web"),
        ("b", "shop"),
        ("b", "web"),
    ]
    assert found.standing.workspaces.keys() == {"shop", "web"}
