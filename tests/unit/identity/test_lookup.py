"""Who is found: priority, narrowing, protection, ties (docs/strategies.md, "Lookup")."""

import pytest

from processor.identity.decision import Created, Refused
from tests.unit.identity.world import World, policy

BEST = policy("best_match", priority=("customerid", "email", "other", "ios_idfv", "android_aaid"))
IMMUTABLE = policy("profile_link", immutable_ids=frozenset({"customerid"}))


def test_the_strongest_type_of_the_request_decides_and_the_next_narrows():
    world = World(BEST)
    world.given(1, email="e", ios_idfv="1", other="A")
    world.given(2, email="e", android_aaid="2", other="B")
    answer = world.identify(email="e", other="A", ios_idfv="2")
    assert (answer.mpid, answer.matched_on, answer.candidates) == (1, "email", 2)
    assert [i.identity_type for i in answer.matched] == ["email", "other"]
    assert world.identify(email="e", android_aaid="2").mpid == 2


def test_a_type_that_would_exclude_all_candidates_is_ignored():
    world = World(BEST)
    world.given(1, email="e", ios_idfv="A")
    world.given(2, email="e", android_aaid="G")
    world.given(3, other="Z")
    assert world.identify(email="e", other="Z", android_aaid="G").mpid == 2


def test_the_walk_stops_at_the_first_single_profile():
    world = World(BEST)
    world.given(1, email="e")
    world.given(2, ios_idfv="D")
    answer = world.identify(ios_idfv="D", email="e")
    assert (answer.mpid, answer.candidates) == (1, 1)
    assert world.values(1) == {"email": "e", "ios_idfv": "D"}


@pytest.mark.parametrize(
    ("tie_break", "expected"), [("last_activity", 2), ("newest", 3), ("oldest", 1)]
)
def test_a_tie_goes_to_the_current_user_and_else_by_the_switch(tie_break, expected):
    world = World(policy("best_match", tie_break=tie_break))
    for mpid in (1, 2, 3):
        world.given(mpid, contested=True, email="e", ios_idfv=f"D{mpid}")
    assert world.identify(ios_idfv="D2").mpid == 2
    assert world.search(email="e").mpid == expected
    for mpid in (1, 2, 3):
        assert world.call("search", mpid, email="e").mpid == mpid


def test_among_equals_the_lowest_mpid_wins():
    for tie_break in ("last_activity", "newest", "oldest"):
        world = World(policy("best_match", tie_break=tie_break))
        for mpid in (8, 5, 7):
            world.time_ms = 0
            world.given(mpid, email="e")
        assert world.identify(email="e").mpid == 5


def test_the_most_recently_active_profile_is_known_although_activity_is_written_seldom():
    world = World(policy("best_match"))
    first = world.identify(ios_idfv="A").mpid
    second = world.identify(android_uuid="G").mpid
    world.modify(first, ("email", None, "e"))
    world.modify(second, ("email", None, "e"))  # from here on the two can tie
    assert world.identify(email="e").mpid == second
    assert world.identify(ios_idfv="A").mpid == first
    assert world.identify(email="e").mpid == first


def test_a_device_alone_never_returns_a_known_profile():
    world = World(policy("profile_conversion"))
    world.given(1, email="a", ios_idfv="D")
    answer = world.identify(ios_idfv="D")
    assert isinstance(answer, Created)
    assert answer.candidates == 0
    assert world.identify(ios_idfv="D").mpid == answer.mpid


def test_one_matching_login_id_of_two_is_enough():
    world = World(policy("profile_conversion"))
    world.given(1, customerid="C", email="a")
    answer = world.identify(email="a", ios_idfv="D")
    assert (answer.mpid, answer.is_logged_in) == (1, True)


def test_protection_is_applied_before_anybody_is_counted():
    world = World(policy("profile_conversion", priority=("ios_idfv", "customerid", "email")))
    world.given(1, customerid="C", ios_idfv="D")
    world.given(2, ios_idfv="D")
    assert world.identify(ios_idfv="D").candidates == 1


def test_an_immutable_id_must_match_even_if_another_login_id_does():
    world = World(IMMUTABLE)
    world.given(1, customerid="A", email="e", ios_idfv="D")
    answer = world.login(1, customerid="B", email="e", ios_idfv="D")
    assert isinstance(answer, Created)
    assert [(s.identity_type, s.reason) for s in answer.skipped] == [("email", "unique_elsewhere")]
    assert world.values(answer.mpid) == {"customerid": "B", "ios_idfv": "D"}


def test_immutable_protection_can_be_left_to_search():
    world = World(
        policy("profile_link", immutable_ids=frozenset({"customerid"}), immutable_protects="search")
    )
    world.given(1, customerid="A", email="e")
    assert world.identify(email="e").mpid == 1
    assert world.search(email="e").reason == "unknown_user"


def test_a_profile_that_nobody_could_find_is_not_made():
    world = World(IMMUTABLE)
    world.given(1, customerid="A", email="e")
    refused = world.identify(email="e")
    assert isinstance(refused, Refused)
    assert (refused.status, refused.code) == (400, "LOOKUP_ERROR")
    assert "profile_link" in refused.message
    assert "e" not in refused.message.split()
    assert isinstance(world.identify(facebook="f"), Refused)
    assert isinstance(world.identify(email="e", ios_idfv="D"), Created)


def test_a_request_without_identities_is_refused():
    world = World(policy("profile_conversion"))
    for action in ("identify", "login", "logout", "search"):
        assert world.call(action).code == "LOOKUP_ERROR"


def test_too_many_known_holders_do_not_hide_the_anonymous_one():
    world = World(policy("profile_isolation", max_holders=2))
    world.given(1, ios_idfv="D")
    for mpid in range(2, 7):
        world.given(mpid, customerid=str(mpid), ios_idfv="D")
    assert world.logout(6, ios_idfv="D").mpid == 1


def test_of_too_many_candidates_the_recently_active_ones_count():
    world = World(policy("best_match", max_holders=2))
    for mpid in (1, 2, 3):
        world.given(mpid, contested=True, ios_idfv="D", android_uuid=f"G{mpid}")
    assert world.search(ios_idfv="D", android_uuid="G1").mpid == 3
    assert world.search(ios_idfv="D", android_uuid="G2").mpid == 2


def test_a_supplied_or_previous_mpid_leads_to_the_survivor_of_a_merge():
    from msgspec.structs import replace

    world = World(policy("profile_conversion"))
    world.given(1, ios_idfv="D")
    world.given(2)
    world.profiles[2] = replace(world.profiles[2], merged_into=1)
    assert world.batch(2, roku_aid="R").mpid == 1
    assert world.login(2, customerid="NEW").mpid == 1
    assert world.modify(2, ("email", None, "e")).mpid == 1
