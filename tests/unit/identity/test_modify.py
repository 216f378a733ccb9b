"""Changing the identities of one profile (docs/strategies.md, "Modify")."""

import pytest

from processor.identity.decision import ChangeResult, Created, Refused
from tests.unit.identity.world import World, policy

LINK = policy("profile_link", immutable_ids=frozenset({"customerid"}))
CONVERSION = policy("profile_conversion")


def test_a_unique_value_moves_and_both_profiles_are_named():
    world = World(CONVERSION)
    world.given(1, customerid="A", email="ed", ios_idfv="D")
    world.given(2, email="hj", roku_aid="R")
    answer = world.modify(1, ("email", "ed", "hj"))
    assert answer.change_results == (ChangeResult("email", 1), ChangeResult("email", 2))
    assert world.values(1) == {"customerid": "A", "email": "hj", "ios_idfv": "D"}
    assert world.values(2) == {"roku_aid": "R"}


def test_a_shared_value_stays_with_the_others():
    world = World(policy("default"))
    world.given(1, customerid="A", email="ed")
    world.given(2, email="hj")
    assert world.modify(1, ("email", "ed", "hj")).change_results == (ChangeResult("email", 1),)
    assert world.values(1) == {"customerid": "A", "email": "hj"}
    assert world.values(2) == {"email": "hj"}


@pytest.mark.parametrize("old", ["stale", None, "new"])
def test_a_unique_type_ends_with_the_new_value_whatever_the_old_one_was_said_to_be(old):
    world = World(CONVERSION)
    world.given(1, customerid="A", email="current")
    world.modify(1, ("email", old, "new"))
    assert world.values(1) == {"customerid": "A", "email": "new"}


def test_a_stale_removal_of_a_unique_type_removes_what_there_is():
    world = World(CONVERSION)
    world.given(1, customerid="A", email="current")
    world.modify(1, ("email", "stale", None))
    assert world.values(1) == {"customerid": "A"}


def test_a_shared_type_ignores_an_unknown_old_value():
    world = World(policy("default"))
    world.given(1, customerid="A", email="one")
    assert world.modify(1, ("email", "stale", None)).change_results == ()
    world.modify(1, ("email", "stale", "two"), ("email", "two", "two"))
    assert world.values(1) == {"customerid": "A", "email": ["one", "two"]}
    world.modify(1, ("email", "two", "one"))
    assert world.values(1) == {"customerid": "A", "email": "one"}


def test_an_immutable_value_is_set_once():
    world = World(LINK)
    world.given(1, customerid="A", email="a")
    world.given(2, email="b")
    before = dict(world.profiles)
    for mpid, change in ((1, ("A", "B")), (1, ("A", None)), (1, (None, "B")), (2, (None, "A"))):
        answer = world.modify(mpid, ("customerid", *change))
        assert (answer.status, answer.code) == (400, "LOOKUP_ERROR")
        assert "immutable" in answer.message
    assert world.profiles == before
    assert world.modify(1, ("customerid", "A", "A")).change_results == ()
    assert world.modify(2, ("customerid", "x", None)).change_results == ()
    world.modify(2, ("customerid", None, "C"))
    assert world.values(2) == {"customerid": "C", "email": "b"}
    answer = world.modify(2, ("email", "b", "c"), ("customerid", "C", "D"))
    assert isinstance(answer, Refused)
    assert world.values(2) == {"customerid": "C", "email": "b"}


def test_all_changes_or_none():
    world = World(LINK)
    world.given(1, email="a")
    assert isinstance(
        world.modify(1, ("customerid", None, "C"), ("customerid", None, "D")), Refused
    )
    assert world.values(1) == {"email": "a"}


@pytest.mark.parametrize("mpid", [999, None])
def test_an_unknown_profile_cannot_be_changed(mpid):
    world = World(CONVERSION)
    answer = world.modify(mpid, ("email", None, "a"))
    assert (answer.status, answer.code) == (400, "BAD_REQUEST")
    assert world.profiles == {}


def test_a_change_from_nothing_to_nothing_is_malformed():
    world = World(CONVERSION)
    world.given(1, customerid="A")
    assert world.modify(1, ("email", None, None)).code == "BAD_REQUEST"


def test_no_changes_change_nothing():
    world = World(CONVERSION)
    world.given(1, customerid="A")
    assert world.modify(1).change_results == ()


@pytest.mark.parametrize("strategy", ["profile_conversion", "profile_link", "profile_isolation"])
def test_a_modify_may_make_a_profile_known_and_anonymous_again(strategy):
    world = World(policy(strategy))
    world.given(1, ios_idfv="D")
    answer = world.modify(1, ("email", None, "e"))
    assert answer.is_known
    assert answer.is_logged_in
    assert isinstance(world.identify(ios_idfv="D"), Created)
    world.modify(1, ("email", "e", None), ("ios_idfv", "D", None), ("roku_aid", None, "R"))
    assert world.identify(roku_aid="R").mpid == 1


def test_data_can_be_changed_too_and_is_named_as_no_lookup():
    world = World(CONVERSION)
    world.given(1, customerid="A", twitter="t")
    answer = world.modify(1, ("twitter", "t", "u"))
    assert [(s.identity_type, s.reason) for s in answer.skipped] == [("twitter", "not_in_priority")]
    assert world.values(1) == {"customerid": "A", "twitter": "u"}


def test_bounds_hold_and_a_change_that_passes_one_is_left_out_whole():
    world = World(policy("default", max_identities=2, max_holders=1))
    world.given(1, customerid="A", email="one")
    answer = world.modify(1, ("ios_idfv", None, "D"))
    assert [(s.identity_type, s.reason) for s in answer.skipped] == [("ios_idfv", "bound")]
    for mpid in range(2, 12):
        world.given(mpid, customerid=str(mpid), email="shared")
    answer = world.modify(1, ("email", "one", "shared"))
    assert answer.change_results == ()
    assert world.values(1) == {"customerid": "A", "email": "one"}
    full = World(policy("profile_conversion", max_identities=1))
    full.given(1, customerid="A")
    full.given(2, email="e")
    assert full.modify(1, ("email", None, "e")).change_results == ()
    assert full.values(2) == {"email": "e"}


def test_a_dry_run_changes_nothing():
    world = World(CONVERSION)
    world.given(1, customerid="A", email="a")
    answer = world.modify(1, ("email", "a", "b"), read_only=True)
    assert answer.change_results == (ChangeResult("email", 1),)
    assert world.values(1) == {"customerid": "A", "email": "a"}


def test_a_full_profile_may_still_replace_a_shared_value():
    world = World(policy("default", max_identities=2))
    world.given(1, customerid="A", email="one")
    world.modify(1, ("email", "one", "two"))
    assert world.values(1) == {"customerid": "A", "email": "two"}


def test_a_unique_type_with_several_values_from_elsewhere_ends_with_one():
    world = World(CONVERSION)
    world.given(1, customerid="A", email=["one", "two", "three"])
    world.modify(1, ("email", None, "two"))
    assert world.values(1) == {"customerid": "A", "email": "two"}
