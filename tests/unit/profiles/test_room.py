"""The size of a profile (architecture: bounds have an outcome)."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from processor.identity.profile import Attribution, Identity
from processor.profiles.document import pack, to_json
from processor.profiles.room import _WORST_CASE, _WORST_FRAME, RESERVE, without_computed
from processor.profiles.update import apply_batch
from processor.rules import Limits
from tests.unit.profiles.people import attribute, batch, consent, profile, profiles, rules, values


@given(profiles)
def test_the_cheap_bound_is_never_below_the_published_size(document):
    assert len(to_json(document)) <= _WORST_CASE * len(pack(document)) + _WORST_FRAME


def test_control_characters_and_many_small_entries_are_within_the_cheap_bound():
    text = profile(attributes={str(n): attribute("\x01" * n, "sdk", "") for n in range(100)})
    small = profile([Identity("", "", 0, 0, "")] * 1000)
    for document in (text, small):
        assert len(to_json(document)) <= _WORST_CASE * len(pack(document)) + _WORST_FRAME


@given(
    profiles,
    st.dictionaries(st.text(max_size=6), values, max_size=6),
    consent,
    st.integers(300, 3000),
)
def test_no_batch_makes_what_is_not_computed_pass_the_limit(document, attributes, state, most):
    document = replace(document, workspaces={})
    before = len(to_json(without_computed(document)))
    one = batch(user_attributes=attributes, consent_state=state)
    limits = Limits(max_profile_bytes=most)
    applied = apply_batch(document, rules(), one, 1, 1, limits)
    after = len(to_json(without_computed(applied.profile)))
    assert after <= max(most - RESERVE, before)
    if applied.profile is document:
        assert applied.notifications is None


def test_an_attribution_without_room_is_left_out_and_one_with_room_comes_first():
    document = profile(attributes={"old": attribute("x" * 100)})
    said = Attribution("network", "campaign", None, 5)
    one = batch(user_attributes={"new": "y" * 50}, attribution=said)
    size = len(to_json(document)) + RESERVE

    def applied(room):
        limits = Limits(max_profile_bytes=size + room)
        done = apply_batch(document, rules(), one, 1, 1, limits)
        assert len(to_json(done.profile)) <= size + room - RESERVE
        data = done.profile.workspaces["retail"]
        return data.more.attribution, "new" in data.attributes, done.bounded

    assert applied(10) == (None, False, 2)
    assert applied(120) == (said, False, 1)
    assert applied(400) == (said, True, 0)


def test_what_would_pass_the_limit_is_left_out_and_the_rest_is_stored():
    document = profile(attributes={"old": attribute("x" * 100), "gone": attribute("y" * 200)})
    room = len(to_json(document)) + RESERVE
    one = batch(
        user_attributes={"large": "z" * 400, "small": 1, "old": "x" * 50},
        deleted_user_attributes=("gone",),
    )
    applied = apply_batch(document, rules(), one, 1, 1, Limits(max_profile_bytes=room))
    assert {*applied.profile.workspaces["retail"].attributes} == {"old", "small"}
    assert applied.profile.workspaces["retail"].attributes["old"].value == "x" * 50
    assert applied.bounded == 1
    assert len(to_json(applied.profile)) <= room - RESERVE


def test_room_is_used_to_the_last_byte():
    document = profile(attributes={"k": attribute("")})
    full = len(to_json(profile(attributes={"k": attribute("x" * 40)})))
    one = batch(user_attributes={"k": "x" * 40})
    for most, fits in ((full, True), (full - 1, False)):
        limits = Limits(max_profile_bytes=most + RESERVE)
        applied = apply_batch(document, rules(), one, 0, 0, limits)
        assert (applied.bounded == 0, applied.profile is not document) == (fits, fits)


def test_consent_that_finds_no_room_is_not_announced():
    document = profile(attributes={"old": attribute("x" * 100)})
    limits = Limits(max_profile_bytes=len(to_json(document)) + RESERVE)
    one = batch(consent_state={"gdpr": {"purpose": {"consented": True}}})
    applied = apply_batch(document, rules(), one, 1, 1, limits)
    assert (applied.profile is document, applied.notifications, applied.bounded) == (True, None, 1)
