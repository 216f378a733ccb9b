"""Writes and deletions (docs/messages.md, "Which write wins" and "Deleted attributes")."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.profiles.attributes import TIERS
from processor.profiles.update import apply_batch
from processor.rules import Limits, Source
from tests.unit.profiles.people import SOURCES, attribute, batch, profile, rules, values

LIMITS = Limits()
sources = st.sampled_from(SOURCES)
inputs = st.sampled_from(["one", "two"])


def test_every_source_has_a_tier_of_its_own():
    assert tuple(TIERS) == get_args(Source)
    assert list(TIERS.values()) == list(range(1, len(TIERS) + 1))


def write(before, writer, value, received_ms=1):
    return apply_batch(
        before, writer, batch(user_attributes={"k": value}), received_ms, received_ms, LIMITS
    ).profile


def delete(before, writer):
    return apply_batch(before, writer, batch(deleted_user_attributes=("k",)), 1, 1, LIMITS).profile


def value_of(document, name="k"):
    return document.workspaces["retail"].attributes[name].value


def names(document):
    data = document.workspaces.get("retail")
    return {*data.attributes} if data else set()


def owned(source, input_name="one", value="old"):
    return profile(attributes={"k": attribute(value, source, input_name)})


@given(sources, inputs, values)
def test_anybody_sets_what_nobody_owns(source, name, value):
    after = write(profile(), rules(source, name), value, received_ms=7)
    stored = after.workspaces["retail"].attributes["k"]
    assert (stored.value, stored.source, stored.input) == (value, source, name)
    assert stored.updated_ms == 7


@pytest.mark.parametrize("owner", SOURCES)
@pytest.mark.parametrize("writer", SOURCES)
def test_a_lower_source_never_changes_what_a_higher_one_wrote(owner, writer):
    before = owned(owner)
    after = write(before, rules(writer, "one"), "new")
    if TIERS[writer] > TIERS[owner]:
        assert after is before
        assert delete(before, rules(writer, "one")) is before
    else:
        stored = after.workspaces["retail"].attributes["k"]
        assert (stored.value, stored.source) == ("new", writer)
        assert names(delete(before, rules(writer, "one"))) == set()


@given(st.sampled_from([s for s in SOURCES if s != "partner_feed"]), st.lists(values, min_size=1))
def test_within_a_source_type_the_last_write_wins_whatever_input_it_came_through(source, written):
    document = profile()
    for place, value in enumerate(written):
        document = write(document, rules(source, f"input-{place % 2}"), value)
    assert value_of(document) == written[-1]


def test_of_partner_feeds_only_the_owner_may_update_or_delete():
    before = owned("partner_feed", "punchh")
    stranger, owner = rules("partner_feed", "appsflyer"), rules("partner_feed", "punchh")
    assert write(before, stranger, "new") is before
    assert delete(before, stranger) is before
    assert value_of(write(before, owner, "new")) == "new"
    assert names(delete(before, owner)) == set()


@given(sources, sources, inputs)
def test_a_delete_frees_the_key_for_everybody(owner, writer, name):
    free = delete(owned(owner), rules(owner, "one"))
    assert value_of(write(free, rules(writer, name), "new")) == "new"


def test_within_a_batch_deletes_come_before_sets():
    before = owned("sdk")
    one = batch(user_attributes={"k": "new"}, deleted_user_attributes=("k",))
    assert value_of(apply_batch(before, rules("sdk"), one, 1, 1, LIMITS).profile) == "new"
    assert value_of(before) == "old"


def test_a_batch_that_may_not_delete_may_not_set_either():
    before = owned("sdk")
    one = batch(user_attributes={"k": "new"}, deleted_user_attributes=("k",))
    assert apply_batch(before, rules("csv"), one, 1, 1, LIMITS).profile is before


def test_null_is_a_value():
    after = write(owned("sdk"), rules("sdk", "one"), None)
    assert after.workspaces["retail"].attributes["k"].value is None


@given(sources, inputs, values)
def test_the_same_value_again_changes_nothing(source, name, value):
    after = write(profile(), rules(source, name), value, received_ms=1)
    assert write(after, rules(source, name), value, received_ms=2) is after


def test_the_same_value_from_a_higher_source_takes_ownership():
    after = write(owned("csv", value="v"), rules("sdk", "one"), "v")
    assert after.workspaces["retail"].attributes["k"].source == "sdk"


@pytest.mark.parametrize(
    ("old", "new"), [(1, True), (0, False), (1, 1.0), ([1], [True]), ([1], [1.0]), ("1", 1)]
)
def test_values_that_python_takes_for_equal_are_still_different(old, new):
    after = write(owned("sdk", value=old), rules("sdk", "one"), new)
    stored = value_of(after)
    assert repr(stored) == repr(new)


def test_workspaces_of_a_scope_keep_their_attributes_apart():
    after = write(owned("calculated"), rules("csv", "one", workspace="outlet"), "new")
    assert value_of(after) == "old"
    assert after.workspaces["outlet"].attributes["k"].value == "new"


def test_attributes_beyond_the_limit_are_counted_and_the_rest_is_stored():
    limits = Limits(max_attributes=2)
    before = owned("sdk")
    one = batch(user_attributes={"a": 1, "b": 2, "k": "new", "c": 3})
    applied = apply_batch(before, rules("sdk", "one"), one, 1, 1, limits)
    assert names(applied.profile) == {"k", "a"}
    assert value_of(applied.profile) == "new"
    assert applied.bounded == 2
    again = apply_batch(applied.profile, rules("sdk", "one"), one, 2, 2, limits)
    assert again.profile is applied.profile
    assert again.bounded == 2
