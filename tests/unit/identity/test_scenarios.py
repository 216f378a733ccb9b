"""The published tables of the strategies, row by row (docs/strategies.md, "Side by side")."""

import pytest

from processor.identity.decision import ChangeResult, Created, Matched, Refused
from tests.unit.identity.world import World, policy

ED, HJ = "ed.hyde@example.com", "h.jekyll.md@example.com"


def journey(strategy):
    """Play the eight rows that conversion, link and isolation share; return world and decisions."""
    world = World(policy(strategy))
    rows = [world.identify(ios_idfv="9876")]
    rows.append(world.login(rows[0].mpid, customerid="ABC123", email=ED, ios_idfv="9876"))
    rows.append(world.logout(rows[1].mpid, ios_idfv="9876"))
    rows.append(world.batch(email=HJ))
    rows.append(world.login(rows[2].mpid, customerid="ABC123", email=ED, ios_idfv="9876"))
    rows.append(world.modify(rows[4].mpid, ("email", ED, HJ)))
    rows.append(world.identify(roku_aid="8765"))
    rows.append(world.login(rows[6].mpid, customerid="ABC123", email=HJ, roku_aid="8765"))
    return world, rows


USER = {"customerid": "ABC123", "email": HJ, "ios_idfv": "9876", "roku_aid": "8765"}


def test_profile_conversion_as_published():
    world, rows = journey("profile_conversion")
    assert [type(r) for r in rows] == [
        Created,
        Matched,
        Created,
        Created,
        *[Matched] * 2,
        Created,
        Matched,
    ]
    p1, p2, p3, p4 = (rows[n].mpid for n in (0, 2, 3, 6))
    assert [rows[n].mpid for n in (1, 4, 5, 7)] == [p1] * 4
    assert [r.is_logged_in for r in rows] == [False, True, False, True, True, True, False, True]
    assert rows[5].change_results == (ChangeResult("email", p1), ChangeResult("email", p3))
    assert {m: world.values(m) for m in world.profiles} == {
        p1: USER,
        p2: {"ios_idfv": "9876"},
        p3: {},
        p4: {"roku_aid": "8765"},
    }


def test_profile_link_as_published():
    world, rows = journey("profile_link")
    p1, p2, p3, p4, p5 = (rows[n].mpid for n in (0, 1, 2, 3, 6))
    assert all(isinstance(rows[n], Created) for n in (0, 1, 2, 3, 6))
    assert [rows[n].mpid for n in (4, 5, 7)] == [p2] * 3
    assert rows[1].source_mpid == p1
    assert {m: world.values(m) for m in world.profiles} == {
        p1: {"ios_idfv": "9876"},
        p2: USER,
        p3: {"ios_idfv": "9876"},
        p4: {},
        p5: {"roku_aid": "8765"},
    }
    assert {m: p.source_mpid for m, p in world.profiles.items()} == {
        p1: None,
        p2: p1,
        p3: None,
        p4: None,
        p5: None,
    }


def test_profile_isolation_as_published():
    world, rows = journey("profile_isolation")
    p1, p2, p3, p4 = (rows[n].mpid for n in (0, 1, 3, 6))
    assert all(isinstance(rows[n], Created) for n in (0, 1, 3, 6))
    assert [rows[n].mpid for n in (2, 4, 5, 7)] == [p1, p2, p2, p2]
    assert rows[1].source_mpid is None
    assert {m: world.values(m) for m in world.profiles} == {
        p1: {"ios_idfv": "9876"},
        p2: USER,
        p3: {},
        p4: {"roku_aid": "8765"},
    }


def test_best_match_as_published():
    world = World(policy("best_match"))
    p1 = world.identify(ios_idfv="9876").mpid
    assert world.identify(email=ED, ios_idfv="9876").mpid == p1
    assert world.modify(p1, ("email", ED, HJ)).change_results == (ChangeResult("email", p1),)
    assert world.identify(email="poole@example.com", ios_idfv="9876").mpid == p1
    p2 = world.identify(android_uuid="8765").mpid
    last = world.identify(android_uuid="8765", email="poole@example.com")
    assert (last.mpid, last.matched_on, last.is_logged_in) == (p1, "email", False)
    assert world.values(p1) == {
        "ios_idfv": "9876",
        "android_uuid": "8765",
        "email": [HJ, "poole@example.com"],
    }
    assert world.values(p2) == {"android_uuid": "8765"}


def test_default_configuration_as_published():
    world = World(policy("default"))
    p1 = world.identify(device_application_stamp="das").mpid
    assert world.identify(p1, device_application_stamp="das").mpid == p1
    assert world.login(p1, customerid="C", device_application_stamp="das").mpid == p1
    p2 = world.logout(p1, device_application_stamp="das").mpid
    assert p2 != p1
    assert world.identify(p2, device_application_stamp="das").mpid == p2
    assert world.login(p2, customerid="C", device_application_stamp="das").mpid == p1


@pytest.mark.parametrize("strategy", ["profile_link", "profile_isolation"])
def test_a_login_without_login_id_is_refused_with_rule_and_public_name(strategy):
    world = World(policy(strategy))
    answer = world.login(ios_idfv="D")
    assert answer == Refused(
        400,
        "LOOKUP_ERROR",
        f"a login request under {strategy} needs at least one login ID (customerid, email)",
    )
    assert world.profiles == {}


@pytest.mark.parametrize("strategy", ["default", "profile_conversion"])
def test_a_login_without_login_id_is_an_identify_under_conversion(strategy):
    world = World(policy(strategy))
    assert isinstance(world.login(ios_idfv="D"), Created)


def test_best_match_refuses_login_and_logout_unless_told_to_take_them_as_identify():
    world = World(policy("best_match"))
    for action in (world.login, world.logout):
        assert action(email="a").code == "LOOKUP_ERROR"
    lenient = World(policy("best_match", best_match_login="as_identify"))
    first = lenient.login(email="a", ios_idfv="D")
    assert lenient.logout(ios_idfv="D").mpid == first.mpid


def test_every_logout_makes_a_new_profile_under_conversion_and_link_but_not_isolation():
    for strategy, makes in (
        ("profile_conversion", True),
        ("profile_link", True),
        ("profile_isolation", False),
    ):
        world = World(policy(strategy))
        world.given(1, ios_idfv="D")
        world.given(2, customerid="A", ios_idfv="D")
        answer = world.logout(2, ios_idfv="D")
        assert isinstance(answer, Created) == makes, strategy
        assert not answer.is_known


@pytest.mark.parametrize(
    "strategy", ["default", "profile_conversion", "profile_link", "profile_isolation"]
)
def test_a_logout_that_names_a_known_user_goes_to_that_user(strategy):
    world = World(policy(strategy))
    world.given(1, customerid="A", ios_idfv="D")
    world.given(2, customerid="B")
    answer = world.logout(1, customerid="B", ios_idfv="D")
    assert (answer.mpid, answer.is_logged_in) == (2, True)


def test_isolation_makes_an_anonymous_profile_where_the_device_has_none():
    world = World(policy("profile_isolation"))
    world.given(1, customerid="A", ios_idfv="D")
    answer = world.logout(1, ios_idfv="D")
    assert isinstance(answer, Created)
    assert world.values(answer.mpid) == {"ios_idfv": "D"}


def test_isolation_lets_all_known_users_of_a_device_share_its_anonymous_profile():
    world = World(policy("profile_isolation"))
    anonymous = world.identify(ios_idfv="D").mpid
    for user in "ABC":
        known = world.login(anonymous, customerid=user, ios_idfv="D").mpid
        assert world.logout(known, ios_idfv="D").mpid == anonymous
    assert len(world.profiles) == 4


@pytest.mark.parametrize("strategy", ["profile_link", "profile_isolation"])
def test_a_batch_cannot_make_an_anonymous_profile_known_where_the_two_are_kept_apart(strategy):
    world = World(policy(strategy))
    world.given(1, ios_idfv="D")
    answer = world.batch(1, customerid="NEW", roku_aid="R")
    assert [(s.identity_type, s.reason) for s in answer.skipped] == [
        ("customerid", "login_on_anonymous")
    ]
    assert world.values(1) == {"ios_idfv": "D", "roku_aid": "R"}
    assert not answer.is_logged_in


@pytest.mark.parametrize(("previous", "expected"), [(1, 1), (None, 2), (3, 2), (99, 2)])
def test_the_source_is_the_anonymous_current_user_else_the_devices_else_nobody(previous, expected):
    world = World(policy("profile_link"))
    world.given(1, roku_aid="R")
    world.given(2, ios_idfv="D")
    world.given(3, customerid="OTHER")
    answer = world.login(previous, customerid="NEW", ios_idfv="D")
    assert answer.source_mpid == world.profiles[answer.mpid].source_mpid == expected


def test_a_feed_or_a_logout_sets_no_source():
    world = World(policy("profile_link"))
    world.given(1, ios_idfv="D")
    assert world.batch(email="feed@example.com").source_mpid is None
    assert world.logout(1, customerid="NEW", ios_idfv="D").source_mpid is None


def test_a_batch_or_an_identify_that_makes_a_known_profile_sets_the_source():
    world = World(policy("profile_link"))
    world.given(1, ios_idfv="D")
    assert world.batch(email="a", ios_idfv="D").source_mpid == 1
    assert world.batch(4242, email="b", ios_idfv="D").source_mpid == 1
    assert world.identify(1, email="c").source_mpid == 1


@pytest.mark.parametrize("strategy", ["default", "profile_conversion"])
def test_conversion_falls_back_on_the_current_user_only_if_it_is_anonymous(strategy):
    world = World(policy(strategy))
    world.given(1, ios_idfv="D1")
    answer = world.login(1, customerid="NEW")
    assert (answer.mpid, answer.matched, answer.matched_on) == (1, (), None)
    assert isinstance(world.identify(1, ios_idfv="D2"), Created)  # 1 is known now
    assert isinstance(world.identify(999, ios_idfv="D3"), Created)
    split = World(policy("profile_isolation"))
    split.given(1, ios_idfv="D1")
    assert isinstance(split.identify(1, ios_idfv="D2"), Created)
