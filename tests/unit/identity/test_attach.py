"""What a match or a new profile gains (docs/strategies.md, "What a profile learns")."""

import pytest

from processor.identity.decision import Created, Matched, NotFound
from processor.identity.model import Identifier
from processor.identity.question import DocumentRules
from processor.identity.resolve import resolve
from processor.identity.view import View
from tests.unit.identity.world import SPACE, START_MS, World, identifiers, policy

MINUTE, HOUR = 60_000, 3_600_000
CONVERSION = policy("profile_conversion")


def reasons(decision):
    return [(s.identity_type, s.reason) for s in decision.skipped]


# ------------------------------------------------------------------------------ the rules U0 to U5


def test_u0_a_type_outside_the_priority_is_kept_as_data_and_finds_nobody():
    world = World(CONVERSION)
    answer = world.identify(ios_idfv="D", twitter="t")
    assert reasons(answer) == [("twitter", "not_in_priority")]
    assert world.values(answer.mpid) == {"ios_idfv": "D", "twitter": "t"}
    again = world.identify(ios_idfv="D", twitter="t")
    assert (again.mpid, reasons(again)) == (answer.mpid, reasons(answer))
    assert [i.identity_type for i in again.matched] == ["ios_idfv"]


def test_u2_a_unique_value_of_somebody_else_is_neither_taken_nor_shared():
    world = World(CONVERSION)
    world.given(1, customerid="A", email="a")
    world.given(2, customerid="B", email="b")
    answer = world.identify(customerid="A", email="b")
    assert (answer.mpid, reasons(answer)) == (1, [("email", "unique_elsewhere")])
    assert world.values(2) == {"customerid": "B", "email": "b"}


def test_u2_can_move_it_instead():
    world = World(policy("profile_conversion", unique_conflict="move"))
    world.given(1, customerid="A", email="a")
    world.given(2, email="b", ios_idfv="D")
    world.given(3, contested=False, ios_idfv="D")
    assert reasons(world.identify(customerid="A", email="b")) == []
    assert world.values(1) == {"customerid": "A", "email": "b"}
    assert world.values(2) == {"ios_idfv": "D"}
    assert world.profiles[2].contested  # anonymous now, like 3, and on the same device
    assert world.profiles[3].contested


def test_u2_an_immutable_value_is_never_moved():
    rules = policy(
        "profile_conversion", unique_conflict="move", immutable_ids=frozenset({"customerid"})
    )
    world = World(rules)
    world.given(1, customerid="A")
    world.given(2, email="b")
    assert reasons(world.batch(2, customerid="A")) == [("customerid", "unique_elsewhere")]
    assert world.values(1) == {"customerid": "A"}


def test_u3_an_immutable_value_stays():
    world = World(policy("profile_conversion", immutable_ids=frozenset({"customerid"})))
    world.given(1, customerid="A")
    assert reasons(world.batch(1, customerid="B")) == [("customerid", "immutable")]
    assert world.values(1) == {"customerid": "A"}


def test_u4_a_weaker_unique_value_is_replaced_a_stronger_one_kept():
    world = World(CONVERSION)
    world.given(1, customerid="A", email="old")
    assert reasons(world.identify(customerid="A", email="new")) == []
    assert world.values(1) == {"customerid": "A", "email": "new"}
    answer = world.identify(customerid="Z", email="new")
    assert (answer.mpid, reasons(answer)) == (1, [("customerid", "stronger_kept")])
    assert world.values(1) == {"customerid": "A", "email": "new"}


def test_u4_an_explicit_mpid_replaces_every_unique_value():
    world = World(CONVERSION)
    world.given(1, customerid="A", email="old")
    assert reasons(world.batch(1, customerid="B", email="new")) == []
    assert world.values(1) == {"customerid": "B", "email": "new"}


def test_u4_can_make_a_new_profile_where_the_stronger_id_differs():
    world = World(policy("profile_conversion", higher_conflict="new_profile"))
    world.given(1, customerid="A", email="e")
    answer = world.identify(customerid="B", email="e")
    assert isinstance(answer, Created)
    assert reasons(answer) == [("email", "unique_elsewhere")]
    assert world.identify(customerid="A", email="e2").mpid == 1
    assert world.identify(email="e2").mpid == 1


def test_u5_a_shared_type_collects_values_and_the_last_asserted_is_current():
    world = World(policy("default"))
    world.given(1, customerid="C", email="one")
    world.identify(customerid="C", email="two")
    assert [i.value for i in world.profiles[1].identities] == ["C", "one", "two"]
    world.identify(customerid="C", email="one")
    email = [i for i in world.profiles[1].identities if i.identity_type == "email"]
    assert [i.value for i in email] == ["two", "one"]
    assert email[1].updated_ms == world.time_ms > email[0].updated_ms
    assert email[1].added_ms < email[0].added_ms


def test_a_late_request_still_makes_its_value_the_current_one():
    world = World(policy("default"))
    world.given(1, customerid="C", email="one")
    now = world.time_ms + HOUR
    world.call("identify", customerid="C", email="two", at_ms=now)
    world.call("identify", customerid="C", email="one", at_ms=now - MINUTE)
    last = world.profiles[1].identities[-1]
    assert (last.value, last.updated_ms) == ("one", now)
    assert world.profiles[1].last_seen_ms == now


def test_of_two_values_of_a_unique_type_the_first_counts():
    world = World(CONVERSION)
    answer = world.identify(customerid=["A", "B"], ios_idfv="D")
    assert reasons(answer) == [("customerid", "stronger_kept")]
    assert world.values(answer.mpid) == {"customerid": "A", "ios_idfv": "D"}
    world.given(2, email="e")
    world.batch(2, customerid=["X", "Y"])
    assert world.values(2) == {"email": "e", "customerid": "X"}


def test_of_two_values_of_a_shared_type_the_last_is_current_however_often_they_come():
    world = World(policy("best_match"))
    made = world.identify(email=["a", "b"]).mpid
    before = world.profiles[made]
    world.identify(email=["a", "b"])
    assert world.profiles[made] == before
    world.identify(email=["b", "a"])
    assert [i.value for i in world.profiles[made].identities] == ["b", "a"]


# --------------------------------------------------------------------------- what is written when


def test_a_known_user_who_says_nothing_new_writes_nothing_for_an_hour():
    world = World(CONVERSION)
    world.given(1, customerid="A", ios_idfv="D", twitter="t")
    start = world.time_ms
    same = identifiers(customerid="A", ios_idfv="D", twitter="t")
    for later in (0, MINUTE, HOUR):
        assert world.ask(world.request("batch", same, at_ms=start + later)).edits == ()
    step = world.ask(world.request("batch", same, at_ms=start + HOUR + 1))
    assert len(step.edits) == 1
    profile = world.profiles[1]
    assert profile.last_seen_ms == start + HOUR + 1
    assert {i.updated_ms for i in profile.identities} == {start + HOUR + 1}
    assert {i.added_ms for i in profile.identities} == {start}


def test_a_contested_profile_writes_its_activity_every_time():
    world = World(CONVERSION)
    world.given(1, contested=True, ios_idfv="D")
    world.identify(ios_idfv="D")
    assert world.profiles[1].last_seen_ms == world.time_ms
    before = world.profiles[1]
    world.call("identify", ios_idfv="D", at_ms=world.time_ms - MINUTE)
    assert world.profiles[1] == before


def test_any_other_change_renews_the_activity():
    world = World(CONVERSION)
    world.given(1, customerid="A")
    world.identify(customerid="A", ios_idfv="D")
    assert world.profiles[1].last_seen_ms == world.time_ms


def test_two_anonymous_profiles_of_a_device_are_contested_until_one_is_known():
    world = World(CONVERSION)
    world.given(1, ios_idfv="D")
    second = world.logout(ios_idfv="D").mpid
    assert world.profiles[1].contested
    assert world.profiles[second].contested
    world.login(second, customerid="A", ios_idfv="D")
    assert not world.profiles[second].contested


def test_a_known_profile_on_a_shared_device_is_not_contested():
    world = World(CONVERSION)
    world.given(1, ios_idfv="D")
    world.given(2, customerid="A")
    world.identify(customerid="A", ios_idfv="D")
    assert not any(p.contested for p in world.profiles.values())


def test_everybody_who_shares_is_contested_where_login_ids_do_not_tell_users_apart():
    for rules in (policy("best_match"), policy("profile_conversion", unique_ids=frozenset())):
        world = World(rules)
        world.given(1, email="e")
        world.given(2, ios_idfv="D")
        world.modify(2, ("email", None, "e"))
        assert world.profiles[1].contested
        assert world.profiles[2].contested


def test_who_becomes_anonymous_is_contested_with_the_anonymous_profiles_of_its_devices():
    world = World(CONVERSION)
    world.given(1, customerid="A", ios_idfv="D")
    world.given(2, ios_idfv="D")
    world.modify(1, ("customerid", "A", None))
    assert world.rereads == 1  # the device was not asked for at first
    assert world.profiles[1].contested
    assert world.profiles[2].contested


# ---------------------------------------------------------------------------------------- bounds


def test_of_too_many_holders_the_least_recently_active_anonymous_one_gives_way():
    world = World(policy("profile_conversion", max_holders=2))
    world.given(1, ios_idfv="D")
    world.given(2, customerid="A", ios_idfv="D")
    third = world.logout(ios_idfv="D").mpid
    assert world.values(1) == {}
    assert set(world.holders(Identifier("ios_idfv", "D"))) == {2, third}
    fourth = world.logout(ios_idfv="D").mpid
    assert set(world.holders(Identifier("ios_idfv", "D"))) == {2, fourth}


def test_known_holders_may_pass_the_limit_but_not_without_end():
    world = World(policy("profile_conversion", max_holders=1))
    for number in range(1, 12):
        answer = world.batch(number, customerid=str(number), ios_idfv="D")
        assert reasons(answer) == ([("ios_idfv", "bound")] if number == 11 else [])
    assert len(world.holders(Identifier("ios_idfv", "D"))) == 10


def test_a_tightened_limit_is_kept_at_the_next_addition():
    world = World(policy("profile_conversion", max_holders=2))
    for mpid in range(1, 7):
        world.given(mpid, contested=True, ios_idfv="D")
    made = world.logout(ios_idfv="D").mpid
    assert set(world.holders(Identifier("ios_idfv", "D"))) == {6, made}


def test_a_full_profile_takes_no_more_identities_but_replaces_and_goes_on():
    world = World(policy("profile_conversion", max_identities=3))
    world.given(1, customerid="A", email="e", ios_idfv="D")
    answer = world.identify(customerid="A", email="e2", ios_idfv="D2", twitter="t")
    assert reasons(answer) == [("ios_idfv", "bound"), ("twitter", "bound")]
    assert world.values(1) == {"customerid": "A", "email": "e2", "ios_idfv": "D"}


def test_a_full_profile_does_not_take_a_unique_value_either():
    world = World(policy("profile_conversion", max_identities=1))
    world.given(1, customerid="A")
    assert reasons(world.identify(customerid="A", email="e")) == [("email", "bound")]


# --------------------------------------------------------------------------------------- batches


def test_a_new_profile_takes_the_identities_that_its_document_has_room_for():
    world = World(CONVERSION)
    request = world.request("identify", identifiers(ios_idfv="D", roku_aid="R"))
    view = View(world.read(request.identifiers, ()), lambda _: True, SPACE)
    rules = DocumentRules(fits=lambda profile: len(profile.identities) <= 1)
    assert reasons(resolve(request, view, CONVERSION, rules)) == [("roku_aid", "bound")]


def test_a_known_mpid_is_used_and_identities_do_not_re_route():
    world = World(CONVERSION)
    world.given(1, customerid="A")
    world.given(2, customerid="B")
    answer = world.batch(1, customerid="B")
    assert (answer.mpid, reasons(answer)) == (1, [("customerid", "unique_elsewhere")])
    assert (answer.matched_on, answer.candidates) == (None, 0)


def test_an_orphan_is_still_found_by_its_mpid():
    world = World(CONVERSION)
    world.given(1)
    assert isinstance(world.batch(1), Matched)


@pytest.mark.parametrize("strategy", ["profile_conversion", "profile_link", "profile_isolation"])
def test_an_unknown_mpid_is_made_with_all_that_can_be_attached(strategy):
    world = World(policy(strategy))
    world.given(1, email="taken")
    answer = world.batch(4242, customerid="A", email="taken", ios_idfv="D")
    assert (answer.mpid, reasons(answer)) == (4242, [("email", "unique_elsewhere")])
    assert isinstance(answer, Created)
    assert answer.is_logged_in
    assert world.values(4242) == {"customerid": "A", "ios_idfv": "D"}
    assert isinstance(world.batch(-7), Created)  # reachable by its MPID alone


def test_update_only_makes_nobody():
    world = World(policy("profile_link"))
    world.given(1, ios_idfv="D")
    missing = world.batch(4242, customerid="A", may_create=False)
    assert (type(missing), missing.reason) == (NotFound, "unknown_mpid")
    stranger = world.batch(customerid="NEW", ios_idfv="D", may_create=False)
    assert (type(stranger), stranger.reason) == (NotFound, "unknown_user")
    assert world.batch(ios_idfv="D", may_create=False).mpid == 1
    assert len(world.profiles) == 1


def test_update_only_may_convert_an_anonymous_match():
    world = World(CONVERSION)
    world.given(1, ios_idfv="D")
    assert world.batch(customerid="NEW", ios_idfv="D", may_create=False).mpid == 1
    assert world.values(1) == {"customerid": "NEW", "ios_idfv": "D"}


def test_a_batch_with_nothing_to_attach_is_not_found():
    world = World(CONVERSION)
    assert world.batch(twitter="t").reason == "no_attachable_identity"
    assert reasons(world.batch(twitter="t")) == [("twitter", "not_in_priority")]


# --------------------------------------------------------------------------- asking, new profiles


def test_read_only_tells_what_would_be_and_leaves_no_trace():
    world = World(CONVERSION)
    world.given(1, customerid="A", email="a")
    world.given(2, email="b")
    before = dict(world.profiles)
    answer = world.identify(customerid="A", email="b", ios_idfv="D", read_only=True)
    assert (answer.mpid, reasons(answer)) == (1, [("email", "unique_elsewhere")])
    assert answer.is_logged_in
    missing = world.identify(customerid="UNSEEN", twitter="t", read_only=True)
    assert missing == NotFound(skipped=missing.skipped)
    assert reasons(missing) == [("twitter", "not_in_priority")]
    assert world.profiles == before


def test_a_new_profile_gets_everything_and_its_times_from_the_request():
    world = World(policy("profile_isolation"))
    answer = world.identify(customerid="A", email="e", ios_idfv="D")
    profile = world.profiles[answer.mpid]
    assert (profile.scope, profile.environment, profile.version) == ("retail", "production", 1)
    assert profile.created_ms == profile.last_seen_ms == START_MS + MINUTE
    assert {(i.added_ms, i.updated_ms, i.input) for i in profile.identities} == {
        (START_MS + MINUTE, START_MS + MINUTE, "default")
    }
    assert not answer.skipped


def test_what_was_taken_out_before_is_named_first():
    world = World(CONVERSION)
    refused = ((Identifier("email", "null"), "blocked"), (Identifier("other", "x" * 9), "bound"))
    answer = world.identify(ios_idfv="D", twitter="t", refused=refused)
    assert reasons(answer) == [
        ("email", "blocked"),
        ("other", "bound"),
        ("twitter", "not_in_priority"),
    ]
    again = world.identify(ios_idfv="D", refused=refused)
    assert reasons(again) == [("email", "blocked"), ("other", "bound")]
    nothing = world.identify(refused=refused)
    assert (nothing.code, reasons(nothing)) == ("LOOKUP_ERROR", reasons(again))
    assert "blocked" in nothing.message


def test_a_taken_mpid_is_not_given_out_again():
    from processor.identity.mpid import derive_mpid

    world = World(CONVERSION)
    taken = derive_mpid((world.number + 1,), 0)
    world.given(taken, customerid="A")
    request = world.request("identify", identifiers(ios_idfv="D"), previous_mpid=taken)
    answer = world.ask(request).decision
    assert answer.mpid == derive_mpid((world.number,), 1)


def test_a_contested_profile_writes_its_activity_also_when_something_is_skipped():
    world = World(CONVERSION)
    world.given(1, email="e")
    world.given(2, contested=True, ios_idfv="D")
    rules = world.policy
    world.policy = policy("profile_isolation")
    assert reasons(world.batch(2, email="e")) == [("email", "login_on_anonymous")]
    world.policy = rules
    assert world.profiles[2].last_seen_ms == world.time_ms


def test_a_batch_of_blocked_identities_alone_is_not_found():
    world = World(CONVERSION)
    answer = world.batch(refused=((Identifier("email", "null"), "blocked"),))
    assert (answer.reason, reasons(answer)) == ("no_attachable_identity", [("email", "blocked")])
