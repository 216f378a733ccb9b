"""Consent, and what outputs hear (docs/messages.md, "Consent" and "Consent notifications")."""

import json

import pytest
from hypothesis import given

from processor.profiles.consent import cap_consent, merge_consent
from processor.profiles.update import apply_batch
from processor.rules import Limits
from tests.unit.profiles.people import batch, consent, profile, rules

GIVEN = {"consented": True, "timestamp_unixtime_ms": 1523039002083}
WITHDRAWN = {"consented": False, "timestamp_unixtime_ms": 1523045332033}


def apply(before, state, source="sdk"):
    return apply_batch(before, rules(source), batch(consent_state=state), 1, 1, Limits())


def state_of(document):
    data = document.workspaces.get("retail")
    return data.consent_state if data else {}


def test_a_change_of_consent_is_announced_with_the_old_and_the_current_state():
    before = profile(consent_state={"gdpr": {"location_collection": GIVEN}})
    applied = apply(before, {"gdpr": {"location_collection": WITHDRAWN}})
    assert state_of(applied.profile) == {"gdpr": {"location_collection": WITHDRAWN}}
    assert json.loads(applied.notifications) == [
        {
            "type": "gdpr_change",
            "data": {
                "purpose": "location_collection",
                "current": {**WITHDRAWN, "regulation": "GDPR"},
                "old": {**GIVEN, "regulation": "GDPR"},
            },
        }
    ]


def test_a_purpose_named_for_the_first_time_is_announced_without_an_old_state():
    applied = apply(profile(), {"ccpa": {"data_sale_opt_out": GIVEN}})
    assert json.loads(applied.notifications) == [
        {
            "type": "ccpa_change",
            "data": {
                "purpose": "data_sale_opt_out",
                "current": {**GIVEN, "regulation": "CCPA"},
                "old": None,
            },
        }
    ]


def test_purposes_that_a_batch_does_not_name_stay():
    before = profile(consent_state={"gdpr": {"a": GIVEN}, "ccpa": {"data_sale_opt_out": GIVEN}})
    applied = apply(before, {"gdpr": {"b": WITHDRAWN, "a": None}, "ccpa": None})
    assert state_of(applied.profile) == {
        "gdpr": {"a": GIVEN, "b": WITHDRAWN},
        "ccpa": {"data_sale_opt_out": GIVEN},
    }
    assert len(json.loads(applied.notifications)) == 1


def test_the_same_answer_with_a_new_timestamp_is_stored_but_not_announced():
    before = profile(consent_state={"gdpr": {"a": GIVEN}})
    later = {**GIVEN, "timestamp_unixtime_ms": GIVEN["timestamp_unixtime_ms"] + 1}
    applied = apply(before, {"gdpr": {"a": later}})
    assert state_of(applied.profile) == {"gdpr": {"a": later}}
    assert applied.notifications is None


def test_a_partner_feed_may_not_change_consent():
    before = profile(consent_state={"gdpr": {"a": GIVEN}})
    applied = apply(before, {"gdpr": {"a": WITHDRAWN}}, source="partner_feed")
    assert (applied.profile is before, applied.notifications) == (True, None)


@given(consent, consent)
def test_stating_consent_twice_changes_nothing_the_second_time(old, new):
    once = apply(profile(consent_state=old), new)
    twice = apply(once.profile, new)
    assert twice.profile is once.profile
    assert twice.notifications is None


def test_an_entry_without_an_answer_does_not_erase_the_answer_that_is_stored():
    stored = {"gdpr": {"p": {"consented": False, "timestamp_unixtime_ms": 1}}}
    assert merge_consent(stored, {"gdpr": {"p": {}}}) is stored
    assert merge_consent(stored, {"gdpr": {"p": {"consented": "yes"}}}) is stored


def test_ccpa_has_one_purpose():
    answer = {"consented": True, "timestamp_unixtime_ms": 1}
    assert merge_consent({}, {"ccpa": {"foo": answer}}) == {}
    assert merge_consent({}, {"ccpa": {"data_sale_opt_out": answer}}) != {}


LATER = {"consented": False, "timestamp_unixtime_ms": GIVEN["timestamp_unixtime_ms"] + 1}
TIMELESS = {"consented": False}


@pytest.mark.parametrize(("regulation", "purpose"), [("gdpr", "a"), ("ccpa", "data_sale_opt_out")])
def test_an_older_answer_never_replaces_a_newer_one_and_is_not_announced(regulation, purpose):
    before = profile(consent_state={regulation: {purpose: LATER}})
    for older in (GIVEN, TIMELESS, {**GIVEN, "timestamp_unixtime_ms": None}):
        applied = apply(before, {regulation: {purpose: older}})
        assert (applied.profile is before, applied.notifications) == (True, None)
    same_time = {**LATER, "consented": True}
    assert state_of(apply(before, {regulation: {purpose: same_time}}).profile) == {
        regulation: {purpose: same_time}
    }


def test_answers_without_times_go_by_order_of_receipt():
    stored = {"gdpr": {"a": TIMELESS}}
    assert merge_consent(stored, {"gdpr": {"a": {"consented": True}}})["gdpr"]["a"]["consented"]
    assert merge_consent(stored, {"gdpr": {"a": GIVEN}})["gdpr"]["a"] == GIVEN


@given(consent, consent)
def test_two_answers_to_a_purpose_end_alike_in_either_order_unless_they_are_of_one_time(one, other):
    there = merge_consent(merge_consent({}, one), other)
    back = merge_consent(merge_consent({}, other), one)
    for regulation, purposes in there.items():
        for purpose, entry in purposes.items():
            rival = back[regulation][purpose]
            assert entry == rival or entry.get("timestamp_unixtime_ms") == rival.get(
                "timestamp_unixtime_ms"
            )


def test_an_answer_from_the_future_gets_the_time_of_its_record():
    state = {"gdpr": {"a": {"consented": True, "timestamp_unixtime_ms": 999}, "b": None}}
    cap_consent(state, received_ms=100, max_future_ms=899)
    assert state["gdpr"]["a"]["timestamp_unixtime_ms"] == 999
    cap_consent(state, received_ms=100, max_future_ms=898)
    assert state["gdpr"]["a"]["timestamp_unixtime_ms"] == 100
