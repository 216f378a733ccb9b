"""Definitions in a whole configuration: compiled once per identity scope."""

import pytest

from processor.computed.definition import Listed
from processor.settings import SettingsError, load_text
from processor.settings.computed import meanings, needs_time

PEOPLE = """
strategy = "profile_conversion"
priority = ["customerid", "email"]
login_ids = ["customerid"]
unique_ids = ["customerid"]
"""
ORDERS = """
[workspaces.{0}.events.order]
type = "custom_event"
name = "Order"
inputs = ["{0}"]
[workspaces.{0}.calculated.orders]
type = "count"
event = "order"
[workspaces.{0}.audiences.mailable]
all = [{{ identity = "{1}" }}]
"""


def test_a_configuration_without_definitions_has_none():
    assert load_text(f"[workspaces.shop]{PEOPLE}", {}).computed == {}


def test_workspaces_of_one_scope_are_compiled_together():
    document = ""
    for name in ("app", "shop"):
        document += f'[workspaces.{name}]{PEOPLE}identity_scope = "all"\n'
        document += f'[inputs.{name}]\nworkspace = "{name}"\n' + ORDERS.format(name, "email")
    found = load_text(document, {}).computed
    assert found.keys() == {"all"}
    assert found["all"].workspaces.keys() == {"app", "shop"}
    assert found["all"].max_bytes == 16_384


def test_inputs_that_definitions_name_must_be_of_their_workspace():
    document = f'[workspaces.shop]{PEOPLE}[inputs.app]\nworkspace = "shop"\n'
    with pytest.raises(
        SettingsError, match=r"^workspaces\.shop\.events\.order\.inputs: there is no"
    ):
        load_text(document + ORDERS.format("shop", "email"), {})


def test_under_flat_matching_identity_types_are_the_configured_names():
    document = """
    [workspaces.shop]
    strategy = "flat_matching"
    [workspaces.shop.identifiers]
    loyalty = { limit = 1 }
    [inputs.shop]
    workspace = "shop"
    """
    assert load_text(document + ORDERS.format("shop", "loyalty"), {}).computed.keys() == {"shop"}
    with pytest.raises(SettingsError, match=r"mailable\.all\[0\]\.identity: email is no"):
        load_text(document + ORDERS.format("shop", "email"), {})


def test_a_wrong_value_of_a_definition_is_refused_with_its_whole_path():
    document = (
        f"[workspaces.shop]{PEOPLE}" + '[workspaces.shop.calculated."my x"]\ntype = "median"\n'
    )
    with pytest.raises(
        SettingsError, match=r"^workspaces\.shop\.calculated\.my x\.type: .*use one of"
    ):
        load_text(document + 'event = "x"\n', {})


def test_a_definition_can_be_overridden_from_the_environment():
    document = f'[workspaces.shop]{PEOPLE}[inputs.shop]\nworkspace = "shop"\n'
    document += ORDERS.format("shop", "email")
    variable = "IDSTREAM_WORKSPACES__SHOP__CALCULATED__ORDERS__WITHIN"
    shop = load_text(document, {variable: "7d"}).computed["shop"].workspaces["shop"]
    window = shop.calculated["orders"].window
    assert window is not None
    assert window.length_ms == 7 * 86_400_000


def test_all_mistakes_of_definitions_are_told_at_once_and_none_for_another():
    document = (
        f"[workspaces.shop]{PEOPLE}"
        """
    [workspaces.shop.events.order]
    type = "custom_event"
    [workspaces.shop.calculated.a]
    type = "sum"
    event = "order"
    [workspaces.shop.calculated.b]
    type = "count"
    event = "nothing"
    [workspaces.shop.audiences.c]
    all = [{ event = "order", at_least = 101 }]
    """
    )
    with pytest.raises(SettingsError) as caught:
        load_text(document, {})
    assert [mistake.partition(":")[0] for mistake in caught.value.mistakes] == [
        "workspaces.shop.calculated.a.attribute",
        "workspaces.shop.calculated.b.event",
        "workspaces.shop.audiences.c.all[0].at_least",
    ]
    wrong = document.replace('type = "custom_event"', 'type = "bought"')
    with pytest.raises(SettingsError) as caught:
        load_text(wrong, {})
    assert [mistake.partition(":")[0] for mistake in caught.value.mistakes] == [
        "workspaces.shop.events.order.type"
    ]


def scope_of(definition: str):
    document = f'[workspaces.shop]{PEOPLE}[inputs.shop]\nworkspace = "shop"\n'
    document += '[workspaces.shop.events.order]\ntype = "custom_event"\nname = "Order"\n'
    return load_text(document + definition, {}).computed["shop"]


def test_an_index_remembers_what_versions_mean_and_refuses_another_meaning_of_one():
    old = scope_of('[workspaces.shop.calculated.n]\ntype = "count"\nevent = "order"')
    known = meanings(old, {"other/audiences.x": Listed(1, b"x")})
    assert known.keys() == {"other/audiences.x", "shop/calculated.n"}
    edited = '[workspaces.shop.calculated.n]\ntype = "count"\nevent = "order"\nwithin = "2d"'
    with pytest.raises(SettingsError) as error:
        meanings(scope_of(edited), known)
    assert str(error.value) == (
        "workspaces.shop.calculated.n: its meaning changed; raise its version to 2"
    )
    newer = meanings(scope_of(edited + "\nversion = 2"), known)
    assert newer["shop/calculated.n"].version == 2
    assert meanings(old, newer) == newer


@pytest.mark.parametrize(
    ("definition", "path"),
    [
        ('calculated.n]\ntype = "count"\nevent = "order"\nwithin = "2d"', None),
        (
            'calculated.n]\ntype = "count"\nevent = "order"\nwithin = "2d"\nexpire = "promptly"',
            "workspaces.shop.calculated.n",
        ),
        ('audiences.a]\nall = [{ identity = "email" }]', None),
        ('audiences.a]\nall = [{ event = "order" }]', None),
        (
            'audiences.a]\nall = [{ event = "order", within = "1d" }]',
            "workspaces.shop.audiences.a",
        ),
    ],
)
def test_what_time_alone_can_change_is_named(definition, path):
    assert needs_time(scope_of(f"[workspaces.shop.{definition}")) == path


def test_only_what_time_can_change_has_a_topic_of_the_clock_and_no_input_may_be_bound_to_it():
    base = f'[workspaces.shop]{PEOPLE}[workspaces.shop.events.order]\ntype = "custom_event"\n'
    timed = (
        base + '[workspaces.shop.audiences.fresh]\nall = [{ event = "order", within = "30m" }]\n'
    )
    named = '[kafka.topics]\nclock = "mine"\n'
    assert load_text(base, {}).kafka.topics.clock == ""
    assert load_text(named + base, {}).kafka.topics.clock == ""
    topics = load_text(timed, {}).kafka.topics
    assert (topics.clock, topics.roles[topics.clock]) == ("idstream-clock", "clock")
    assert topics.fed == tuple(name for name in topics.inputs if name != topics.clock)
    assert topics.produced == {**topics.outputs, "clock": "idstream-clock"}
    assert load_text(named + timed, {}).kafka.topics.clock == "mine"
    bound = '[inputs.own]\nworkspace = "shop"\ntopics = "idstream-clock"\n'
    with pytest.raises(SettingsError, match="idstream-clock is not consumed"):
        load_text(timed + bound, {})
