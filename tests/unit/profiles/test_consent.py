"""Consent, and what outputs hear (docs/messages.md, "Consent" and "Consent notifications")."""

import json

from hypothesis import given

from processor.profiles.consent import merge_consent
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
