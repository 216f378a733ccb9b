"""Aliases: the rules in their order, and what they leave alone."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from processor.identity.alias import LATE_MS, AliasRules, alias_link, resolve_alias
from processor.identity.decision import Aliased, Refused
from processor.identity.model import AliasRequest, Space
from processor.identity.profile import (
    NO_MORE,
    Attribution,
    Identity,
    Profile,
    WorkspaceData,
    WorkspaceMore,
)
from processor.identity.view import ReadSet, View

SPACE = Space("retail", "production")
WINDOW = 100
RULES = AliasRules(workspace="retail", most=3, window_ms=WINDOW)
NOW = 1000
MPIDS = (1, 2, 3, 4)


def profile(mpid, **fields):
    identity = Identity("email", f"{mpid}@x", 0, 0, "default")
    return Profile(*SPACE, mpid, 1, 900 + mpid, 950, identities=(identity,), **fields)


def view_of(*profiles):
    found = {p.mpid: p for p in profiles}
    read = ReadSet({}, {mpid: found.get(mpid) for mpid in (*MPIDS, 77)})
    return View(read, "email".__eq__, SPACE)


@pytest.fixture
def view():
    return view_of(*map(profile, MPIDS))


def ask(view, source, destination, time_ms=NOW, *, read_only=False, rules=RULES, **fields):
    request = AliasRequest(source, destination, **fields)
    decision = resolve_alias(request, time_ms, view, rules, read_only=read_only)
    return decision, view.end_record()


def reason(view, *ends, **fields):
    decision, edits = ask(view, *ends, **fields)
    assert isinstance(decision, Aliased)
    assert bool(edits) == (decision.reason is None)
    return decision.reason


def window(view, **fields):
    decision, _ = ask(view, 1, 2, **fields)
    return (decision.start_ms, decision.end_ms) if isinstance(decision, Aliased) else None


def test_both_profiles_remember_an_alias_and_nothing_else_of_them_changes(view):
    decision, edits = ask(view, 1, 2, start_ms=950, end_ms=980, scope="device", device="d")
    assert decision == Aliased(1, 2, 950, 980, "device", "d", NOW + LATE_MS)
    assert [(e.after.mpid, e.after.version) for e in edits] == [(1, 2), (2, 2)]
    for edit, role, other in zip(edits, ("source", "destination"), (2, 1), strict=True):
        (alias,) = edit.after.more.aliases
        assert (alias.role, alias.mpid, alias.start_ms, alias.end_ms) == (role, other, 950, 980)
        assert (alias.scope, alias.device) == ("device", "d")
        assert replace(edit.after, version=1, more=NO_MORE) == edit.before


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (900, 1000)),
        ({"start_ms": 1, "end_ms": 2000}, (900, 1000)),
        ({"start_ms": 910, "end_ms": 920}, (910, 920)),
        ({"start_ms": 1000}, (1000, 1000)),
        ({"time_ms": 50}, (0, 50)),
        ({"start_ms": 1, "end_ms": 899}, None),
        ({"start_ms": 1001}, None),
        ({"start_ms": 1400, "end_ms": 1300, "time_ms": 2000}, None),
        ({"start_ms": 100, "end_ms": 50}, None),
    ],
)
def test_a_window_is_cut_to_what_may_be_aliased(view, fields, expected):
    assert window(view, **fields) == expected


def test_a_time_range_that_is_invalid_is_said_before_a_profile_that_does_not_exist(view):
    decision, _ = ask(view, 77, 2, start_ms=2, end_ms=1)
    assert isinstance(decision, Refused)
    assert (decision.status, decision.code) == (400, "INVALID_DATA")
    assert "time range is invalid" in decision.message


@pytest.mark.parametrize(
    ("ends", "field"), [((77, 2), "source"), ((1, 77), "destination"), ((77, 77), "source")]
)
def test_a_profile_that_does_not_exist_is_named_by_its_field(view, ends, field):
    decision, edits = ask(view, *ends)
    assert isinstance(decision, Refused)
    assert decision.message.startswith(f"data.{field}_mpid: ")
    assert not edits


def test_the_mpid_of_a_merged_profile_stands_for_its_survivor():
    view = view_of(profile(1), profile(2, merged_into=3), profile(3))
    decision, _ = ask(view, 1, 2)
    assert isinstance(decision, Aliased)
    assert decision.destination_mpid == 3
    same, _ = ask(view, 3, 2)
    assert isinstance(same, Refused)


def test_the_same_alias_again_is_there_already(view):
    assert reason(view, 1, 2, start_ms=900, end_ms=950) is None
    assert reason(view, 1, 2, start_ms=900, end_ms=950, time_ms=NOW - 1) == "already"
    assert reason(view, 1, 2, start_ms=900, end_ms=951) == "source_window_used"


def test_an_empty_window_is_ignored_before_the_chain_is_looked_at(view):
    assert reason(view, 1, 2) is None
    assert reason(view, 2, 1, start_ms=950, end_ms=950) == "empty_window"


def test_windows_that_touch_do_not_overlap(view):
    assert reason(view, 1, 2, start_ms=900, end_ms=950) is None
    assert reason(view, 1, 3, start_ms=949, end_ms=960) == "source_window_used"
    assert reason(view, 1, 3, start_ms=950, end_ms=960) is None
    assert reason(view, 4, 2, start_ms=950, end_ms=960) is None
    assert reason(view, 4, 2, start_ms=940, end_ms=950) is None


def test_windows_of_different_devices_do_not_overlap_and_one_of_all_overlaps_both(view):
    assert reason(view, 1, 2, scope="device", device="a") is None
    assert reason(view, 1, 3, scope="device", device="b") is None
    assert reason(view, 1, 4, scope="device", device="a") == "source_window_used"
    assert reason(view, 1, 4) == "source_window_used"


def test_nobody_is_both_source_and_destination(view):
    assert reason(view, 1, 2) is None
    assert reason(view, 2, 3) == "source_was_destination"
    assert reason(view, 3, 1) == "destination_was_source"
    assert reason(view, 3, 2) is None


def test_a_list_of_aliases_has_an_end_and_the_decision_names_whose_is_full():
    view = view_of(*map(profile, MPIDS))
    rules = replace(RULES, most=1)
    assert reason(view, 1, 2, rules=rules) is None
    decision, edits = ask(view, 3, 2, rules=rules)
    assert (decision.reason, decision.full_mpid, edits) == ("bound", 2, ())
    decision, _ = ask(view, 1, 3, rules=rules, start_ms=0, end_ms=90, time_ms=100)
    assert (decision.reason, decision.full_mpid) == ("bound", 1)


def test_a_document_without_room_takes_no_alias(view):
    rules = replace(RULES, fits=lambda p: p.mpid != 2)
    decision, edits = ask(view, 1, 2, rules=rules)
    assert (decision.reason, decision.full_mpid, edits) == ("bound", 2, ())


def test_a_request_that_only_asks_is_answered_and_writes_nothing(view):
    decision, edits = ask(view, 1, 2, read_only=True)
    assert isinstance(decision, Aliased)
    assert (decision.reason, edits) == (None, ())


def test_the_first_seen_date_of_the_source_is_taken_over_even_where_it_is_later(view):
    ask(view, 4, 1)
    assert view.exact(1).first_seen_ms == view.exact(4).created_ms == 904
    assert view.exact(1).created_ms == 901
    ask(view, 3, 1)  # and again
    assert view.exact(1).first_seen_ms == 903
    assert view.exact(3).more.first_seen_ms is None


def attributed(mpid, workspace, publisher):
    more = WorkspaceMore(Attribution(publisher, None, None, 5))
    return profile(mpid, workspaces={workspace: WorkspaceData(more=more)})


def test_the_install_attribution_of_the_requests_workspace_is_taken_over_where_there_is_one():
    view = view_of(
        attributed(1, "retail", "a"), attributed(2, "retail", "b"), attributed(3, "other", "c")
    )
    ask(view, 3, 2)
    assert view.exact(2).workspaces["retail"].more.attribution.publisher == "b"
    assert "other" not in view.exact(2).workspaces
    ask(view, 1, 2)
    assert view.exact(2).workspaces["retail"].more.attribution.publisher == "a"


def linked(source, destination):
    return view_of(source, replace(destination, source_mpid=source.mpid))


def test_a_link_is_an_alias_from_the_first_launch_to_the_login():
    view = linked(profile(1), profile(2))
    decision = alias_link(2, "das", NOW, view, RULES)
    assert decision == Aliased(1, 2, 901, NOW, "device", "das", NOW + LATE_MS)
    assert len(view.end_record()) == 2


def test_a_link_without_a_stamp_is_an_alias_of_everything():
    assert alias_link(2, None, NOW, linked(profile(1), profile(2)), RULES).scope == "mpid"


def test_a_link_to_somebody_who_was_seen_later_is_no_alias():
    view = linked(replace(profile(1), created_ms=NOW + 1), profile(2))
    assert alias_link(2, None, NOW, view, RULES) is None
    assert not view.end_record()


requests = st.tuples(
    st.sampled_from(MPIDS),
    st.sampled_from(MPIDS),
    st.integers(890, 1010),
    st.integers(890, 1010),
    st.sampled_from([None, "a", "b"]),
    st.integers(980, 1020),
)


@given(st.lists(requests, max_size=25))
def test_whatever_is_asked_nobody_is_both_and_no_event_is_taken_twice(asked):
    before = [profile(mpid) for mpid in MPIDS]
    view = view_of(*before)
    for source, destination, start, end, device, now in asked:
        scope = "mpid" if device is None else "device"
        fields = {"start_ms": start, "end_ms": end, "scope": scope, "device": device}
        decision, edits = ask(view, source, destination, now, **fields)
        again, none = ask(view, source, destination, now, **fields)
        assert not none
        if edits:
            assert again == replace(decision, reason="already")
    for one in before:
        after = view.exact(one.mpid)
        aliases = after.more.aliases
        assert len(aliases) <= RULES.most
        assert len({alias.role for alias in aliases}) <= 1
        assert replace(after, version=1, more=NO_MORE) == one
        for alias in aliases:
            mirrored = replace(
                alias,
                mpid=one.mpid,
                role="destination" if alias.role == "source" else "source",
            )
            assert mirrored in view.exact(alias.mpid).more.aliases
        given_away = [alias for alias in aliases if alias.role == "source"]
        for a, b in combinations(given_away, 2):
            apart = a.end_ms <= b.start_ms or b.end_ms <= a.start_ms
            assert apart or (a.scope == b.scope == "device" and a.device != b.device)
