"""Flat matching where its published cases are silent: MPIDs, modify, search, bounds, pointers."""

from msgspec.structs import replace

from processor.identity.decision import Created, Matched, Merged, NotFound, Refused, Skip
from processor.identity.model import IdentifierLimit
from processor.identity.question import DocumentRules
from processor.identity.resolve import resolve
from processor.identity.view import View
from tests.unit.identity.world import SPACE, World, identifiers, policy


def world(**changes):
    return World(policy("flat_matching", **changes))


def test_a_supplied_mpid_is_evidence_above_every_identifier():
    people = world()
    people.given(1, user_id="u1")
    people.given(2, anonymous_id="a1")
    decision = people.batch(mpid=2, user_id="u1")
    assert isinstance(decision, Merged)
    assert (decision.mpid, decision.absorbed, decision.matched_on) == (1, (2,), None)


def test_a_supplied_mpid_is_never_demoted():
    people = world()
    people.given(1, user_id="u1")
    people.given(2, user_id="u2", email="e")
    decision = people.batch(mpid=1, user_id="u2", email="e")
    assert decision.mpid == 1
    assert decision.skipped == (
        Skip("email", "demoted", "limit"),
        Skip("user_id", "demoted", "limit"),
    )
    assert people.values(2) == {"user_id": "u2", "email": "e"}


def test_an_mpid_that_nobody_has_makes_a_profile():
    people = world()
    assert people.batch(mpid=77, email="e") == Created(77)
    assert people.values(77) == {"email": "e"}


def test_an_mpid_that_nobody_has_is_absorbed_by_the_older_owner_and_answers_for_it():
    people = world()
    people.given(1, email="e")
    assert people.batch(mpid=77, email="e").absorbed == (77,)
    assert people.profiles[77].merged_into == 1
    assert people.batch(mpid=77, anonymous_id="a").mpid == 1


def test_update_only_drops_what_would_only_create():
    people = world()
    people.given(1, email="e")
    assert people.batch(email="f", may_create=False) == NotFound("unknown_user")
    assert people.batch(mpid=77, email="e", may_create=False) == NotFound("unknown_mpid")
    assert people.batch(email=["e", "f"], may_create=False).mpid == 1
    assert people.values(1) == {"email": ["e", "f"]}


def test_a_read_only_request_tells_what_would_happen_and_writes_nothing():
    people = world()
    people.given(1, email="e")
    people.given(2, anonymous_id="a")
    before = dict(people.profiles)
    assert isinstance(people.identify(email="e", anonymous_id="a", read_only=True), Merged)
    assert people.identify(email="new", read_only=True) == NotFound()
    assert people.profiles == before


def test_login_and_logout_are_nothing_special():
    people = world()
    people.given(1, user_id="u1", anonymous_id="a")
    assert people.login(anonymous_id="a").mpid == 1
    assert people.logout(anonymous_id="a").mpid == 1


def test_a_user_id_makes_known_and_showing_it_logs_in():
    people = world()
    decision = people.identify(user_id="u1", anonymous_id="a")
    assert (decision.is_known, decision.is_logged_in) == (True, True)
    decision = people.identify(anonymous_id="a")
    assert (decision.is_known, decision.is_logged_in) == (True, False)
    assert not people.identify(anonymous_id="b").is_known


def test_search_answers_with_the_owner_of_the_strongest_identifier_and_writes_nothing():
    people = world()
    people.given(1, email="e")
    people.given(2, user_id="u2")
    before = dict(people.profiles)
    found = people.search(anonymous_id="new", email="e", user_id="u2")
    assert (found.mpid, found.matched_on, found.candidates) == (2, "user_id", 2)
    assert people.search(anonymous_id="new") == NotFound()
    assert people.profiles == before


def test_no_identifier_at_all_is_refused():
    people = world()
    assert isinstance(people.identify(), Refused)
    none = world(limits=dict.fromkeys(("user_id", "email", "anonymous_id"), IdentifierLimit(0)))
    decision = none.identify(email="e")
    assert (decision.status, decision.code) == (400, "LOOKUP_ERROR")
    assert decision.skipped == (Skip("email", "demoted", "limit"),)


# ------------------------------------------------------------------------------------ merges


def test_an_mpid_absorbed_long_ago_leads_straight_to_the_last_survivor():
    people = world()
    for mpid, name in ((1, "a"), (2, "b"), (3, "c")):
        people.given(mpid, anonymous_id=name)
    people.identify(anonymous_id=["c", "b"])
    people.identify(anonymous_id=["b", "a"])
    assert people.profiles[3].merged_into == 2
    assert people.profiles[1].absorbed == (2, 3)
    decision = people.batch(mpid=3, email="e")
    assert decision.mpid == 1
    assert people.profiles[3].merged_into == 1
    assert people.batch(mpid=3).mpid == 1


def test_at_the_merge_limit_nothing_is_mapped_and_one_violation_is_told():
    people = world(max_merges=0)
    people.given(1, user_id="u1")
    people.given(2, anonymous_id="a")
    decision = people.identify(user_id="u1", anonymous_id="a", email="new")
    assert (decision.mpid, decision.matched_on) == (1, "user_id")
    assert decision.skipped == (
        Skip("email", "merge_limit"),
        Skip("anonymous_id", "merge_limit", "merge_limit"),
    )
    assert people.values(1) == {"user_id": "u1"}


def test_at_the_merge_limit_the_first_listed_of_the_strongest_type_decides():
    people = world(max_merges=0)
    people.given(1, email="e1")
    people.given(2, email="e2")
    assert people.identify(email=["e2", "e1"]).mpid == 2


def test_a_merge_may_pass_the_mapping_limit_and_nothing_is_added_after_it():
    people = world(max_mappings=2)
    people.given(1, email=["e1", "e2"])
    people.given(2, anonymous_id=["a1", "a2"])
    decision = people.identify(email="e1", anonymous_id=["a1", "a3"])
    assert isinstance(decision, Merged)
    assert decision.skipped == (Skip("anonymous_id", "mapping_limit"),)
    assert len(people.profiles[1].identities) == 4


def test_at_the_mapping_limit_the_strongest_find_room():
    people = world(max_mappings=2)
    decision = people.identify(anonymous_id="a", email="e", user_id="u")
    assert decision.skipped == (Skip("anonymous_id", "mapping_limit"),)
    assert people.values(decision.mpid) == {"user_id": "u", "email": "e"}


def ask(people, request, rules):
    wanted = request.identifiers
    view = View(people.read(wanted, ()), people.policy.priority.__contains__, SPACE, one_owner=True)
    decision = resolve(request, view, people.policy, rules)
    return decision, view.end_record()


def test_a_merge_that_would_be_too_large_is_not_made_and_told():
    people = world()
    people.given(1, user_id="u1")
    people.given(2, anonymous_id="a")
    rules = DocumentRules(combine=lambda _survivor, _absorbed: None)
    request = people.request("identify", identifiers(user_id="u1", anonymous_id="a", email="e"))
    decision, edits = ask(people, request, rules)
    assert isinstance(decision, Matched)
    assert decision.mpid == 1
    assert [(s.identity_type, s.reason) for s in decision.skipped] == [
        ("email", "bound"),
        ("anonymous_id", "bound"),
    ]
    assert all(len(edit.after.identities) == 1 for edit in edits)


def test_identifiers_that_the_document_has_no_room_for_are_told():
    people = world()
    people.given(1, user_id="u1")
    rules = DocumentRules(fits=lambda profile: len(profile.identities) < 3)
    request = people.request("identify", identifiers(user_id="u1", email=["e1", "e2"]))
    decision, (edit,) = ask(people, request, rules)
    assert decision.skipped == (Skip("email", "bound"),)
    assert [i.value for i in edit.after.identities] == ["u1", "e1"]


def test_an_identifier_left_shared_by_another_strategy_joins_its_holders():
    people = world()
    people.given(1, email="e")
    people.given(2, email="e")
    decision = people.identify(email="e")
    assert (decision.mpid, decision.absorbed) == (1, (2,))
    assert people.values(1) == {"email": "e"}


# ------------------------------------------------------------------------------------ modify


def test_modify_moves_a_value_from_its_owner():
    people = world()
    people.given(1, user_id="u1", email="e1")
    people.given(2, email="e2")
    decision = people.modify(1, ("email", "e1", "e2"))
    assert people.values(1) == {"user_id": "u1", "email": "e2"}
    assert people.values(2) == {}
    assert [(r.identity_type, r.modified_mpid) for r in decision.change_results] == [
        ("email", 1),
        ("email", 2),
    ]


def test_modify_adds_within_limits_only():
    people = world()
    people.given(1, user_id="u1")
    decision = people.modify(1, ("user_id", None, "u2"), ("email", None, "e1"))
    assert decision.skipped == (Skip("user_id", "demoted", "limit"),)
    assert people.values(1) == {"user_id": "u1", "email": "e1"}
    people.modify(1, ("user_id", "u1", "u2"))
    assert people.values(1) == {"user_id": "u2", "email": "e1"}


def test_modify_removes_the_old_value_alone():
    people = world()
    people.given(1, email=["e1", "e2"])
    people.modify(1, ("email", "e1", None), ("email", "stale", None))
    assert people.values(1) == {"email": "e2"}


def test_modify_keeps_the_old_value_where_the_new_one_is_refused():
    people = world(max_mappings=1)
    people.given(1, user_id="u1")
    decision = people.modify(1, ("user_id", "stale", "u2"))
    assert decision.skipped == (Skip("user_id", "demoted", "limit"),)
    assert people.values(1) == {"user_id": "u1"}


def test_modify_of_an_absorbed_mpid_changes_its_survivor():
    people = world()
    people.given(1, email="e")
    people.given(2, anonymous_id="a")
    people.identify(email="e", anonymous_id="a")
    assert people.modify(2, ("email", None, "f")).mpid == 1
    assert people.values(1) == {"email": ["e", "f"], "anonymous_id": "a"}


def test_modify_of_nobody_is_refused():
    decision = world().modify(9, ("email", None, "e"))
    assert (decision.status, decision.code) == (400, "BAD_REQUEST")


# ----------------------------------------------------------------------------------- recency


def test_a_value_seen_again_becomes_current_unless_a_newer_one_is():
    people = world()
    people.identify(email="e1", at_ms=1000)
    mpid = people.identify(email=["e1", "e2"], at_ms=2000).mpid
    people.identify(email="e1", at_ms=3000)
    times = {i.value: (i.added_ms, i.updated_ms) for i in people.profiles[mpid].identities}
    assert times == {"e1": (1000, 3000), "e2": (2000, 2000)}
    before = people.profiles[mpid]
    people.identify(email="e2", at_ms=2500)
    assert people.profiles[mpid] == before


def test_a_profile_over_a_tightened_limit_is_not_frozen():
    people = world()
    people.given(1, user_id="u1", email=["e1", "e2", "e3"])
    people.policy = replace(
        people.policy, limits={**people.policy.limits, "email": IdentifierLimit(1)}
    )
    decision = people.identify(user_id="u1", email="e4", anonymous_id="a")
    assert decision.skipped == (Skip("email", "demoted", "limit"),)
    assert people.values(1)["anonymous_id"] == "a"


def test_a_window_is_half_open():
    day = 24 * 3_600_000
    people = world()
    people.policy = replace(
        people.policy, limits={**people.policy.limits, "email": IdentifierLimit(1, day)}
    )
    mpid = people.identify(user_id="u1", email="e1", at_ms=1000).mpid
    assert people.identify(user_id="u1", email="e2", at_ms=1000 + day - 1).skipped == (
        Skip("email", "demoted", "time_limit"),
    )
    assert people.identify(user_id="u1", email="e2", at_ms=1000 + day).skipped == ()
    assert people.values(mpid)["email"] == ["e1", "e2"]


def test_limit_is_told_where_a_time_limit_is_passed_as_well():
    people = world()
    people.policy = replace(
        people.policy, limits={**people.policy.limits, "email": IdentifierLimit(1, 1000)}
    )
    people.identify(user_id="u1", email="e1", at_ms=5000)
    people.identify(user_id="u2", email="e2", at_ms=5000)
    decision = people.identify(email=["e1", "e2"], at_ms=5001)
    assert decision.skipped == (Skip("email", "demoted", "limit"),)


def test_a_merge_reads_nothing_of_what_the_absorbed_profile_holds_besides():
    people = world()
    people.given(1, user_id="u1", email=["e1", "e2"])
    people.given(2, anonymous_id=["a1", "a2"], email="e3")
    assert isinstance(people.identify(user_id="u1", anonymous_id="a1"), Merged)
    assert not people.rereads
    assert people.identify(email="e3").mpid == people.identify(anonymous_id="a2").mpid == 1


def test_a_second_merge_names_only_who_was_absorbed_now():
    people = world()
    for mpid, name in ((1, "a"), (2, "b"), (3, "c")):
        people.given(mpid, anonymous_id=name)
    assert people.identify(anonymous_id=["a", "b"]).absorbed == (2,)
    assert people.identify(anonymous_id=["a", "c"]).absorbed == (3,)
    assert people.profiles[1].absorbed == (2, 3)
