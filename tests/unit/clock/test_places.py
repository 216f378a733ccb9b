"""Buckets, and what becomes of a place in the wheel."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from processor.clock.bucket import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Bucket,
    bucket_named,
    bucket_of,
)
from processor.clock.place import (
    NOWHERE,
    Place,
    counts,
    gone_on,
    is_entered_anew,
    placed,
    shard_of,
)

NOW = 1_767_261_600_000  # 2026-01-01 10:00
times = st.integers(0, 4_000_000_000_000)


@pytest.mark.parametrize(
    ("ahead", "name"),
    [
        (-DAY_MS, "m29452920"),
        (0, "m29454360"),
        (2 * HOUR_MS, "m29454480"),
        (2 * HOUR_MS + 1, "h490908"),
        (2 * DAY_MS, "h490954"),
        (2 * DAY_MS + 1, "d20456"),
    ],
)
def test_the_nearer_an_instant_is_the_finer_is_its_bucket(ahead, name):
    assert bucket_of(NOW + ahead, NOW).name == name


def test_a_minute_opens_at_its_end_and_an_hour_and_a_day_one_width_before_they_begin():
    assert Bucket("m", 10).opens_ms == 11 * MINUTE_MS
    assert Bucket("h", 10).opens_ms == 9 * HOUR_MS
    assert Bucket("d", 10).opens_ms == 9 * DAY_MS


@given(now=times, ahead=st.integers(1, 400 * DAY_MS))
def test_what_is_due_later_is_in_a_bucket_that_opens_later_and_in_time(now, ahead):
    bucket = bucket_of(now + ahead, now)
    assert bucket.start_ms <= now + ahead < bucket.end_ms
    assert now < bucket.opens_ms <= now + ahead + MINUTE_MS


@given(now=times, ahead=st.integers(-DAY_MS, 400 * DAY_MS))
def test_a_name_says_which_bucket_it_is(now, ahead):
    bucket = bucket_of(now + ahead, now)
    assert bucket_named(bucket.name) == bucket


@pytest.mark.parametrize("name", ["", "m", "x1", "m1.5", "m--1", "hour", "d²"])
def test_what_names_no_bucket_is_none(name):
    assert bucket_named(name) is None


def test_a_bucket_is_within_itself_and_those_that_hold_it():
    day, hour, minute = (bucket_of(NOW, NOW - ago) for ago in (3 * DAY_MS, DAY_MS, 0))
    assert minute.is_within(minute)
    assert minute.is_within(hour)
    assert hour.is_within(day)
    assert not day.is_within(hour)
    assert not Bucket("m", minute.number + 60).is_within(hour)


def test_a_first_due_is_entered():
    after = placed(NOWHERE, NOW + DAY_MS, NOW)
    assert after == Place(NOW + DAY_MS, "h490930")
    assert is_entered_anew(NOWHERE, after)


def test_what_is_only_postponed_moves_nothing():
    before = placed(NOWHERE, NOW + DAY_MS, NOW)
    after = placed(before, NOW + 40 * DAY_MS, NOW + HOUR_MS)
    assert after == Place(NOW + 40 * DAY_MS, before.bucket)
    assert not is_entered_anew(before, after)


def test_what_comes_earlier_is_entered_anew_also_in_the_bucket_of_before():
    before = placed(NOWHERE, NOW + DAY_MS + MINUTE_MS, NOW)
    after = placed(before, NOW + DAY_MS, NOW + 1)
    assert after.bucket == before.bucket
    assert is_entered_anew(before, after)


def test_what_comes_earlier_and_after_its_bucket_all_the_same_moves_nothing():
    entered = placed(NOWHERE, NOW + DAY_MS, NOW)
    postponed = placed(entered, NOW + 40 * DAY_MS, NOW)
    after = placed(postponed, NOW + 30 * DAY_MS, NOW + 1)
    assert after == Place(NOW + 30 * DAY_MS, entered.bucket)
    assert not is_entered_anew(postponed, after)


def test_who_is_due_no_more_stands_nowhere_and_is_entered_anew_at_the_next_due():
    before = placed(NOWHERE, NOW + DAY_MS, NOW)
    nowhere = placed(before, None, NOW)
    assert nowhere == NOWHERE
    assert not is_entered_anew(before, nowhere)
    assert is_entered_anew(nowhere, placed(nowhere, NOW + DAY_MS, NOW))


def test_a_write_finds_an_entry_that_was_lost():
    before = placed(NOWHERE, NOW + HOUR_MS, NOW)
    opens = bucket_named(before.bucket).opens_ms
    still = placed(before, NOW + 90 * DAY_MS, opens + DAY_MS)
    again = placed(before, NOW + 90 * DAY_MS, opens + DAY_MS + 1)
    assert not is_entered_anew(before, still)
    assert is_entered_anew(before, again)


def test_an_entry_counts_within_the_bucket_that_its_document_names():
    place = Place(NOW, "h490906")
    assert counts(place, "h490906")
    assert counts(place, "m29454365")
    assert not counts(place, "d20454")
    assert not counts(place, "m29454420")
    assert not counts(NOWHERE, "h490906")


def test_an_entry_goes_from_day_to_hour_to_minute_without_a_write():
    due = NOW + 30 * DAY_MS
    place = placed(NOWHERE, due, NOW)
    day = bucket_named(place.bucket)
    after, hour = gone_on(place, day.opens_ms)
    assert (after, hour[0]) == (place, "h")
    after, minute = gone_on(place, bucket_named(hour).opens_ms)
    assert (after, minute[0]) == (place, "m")
    assert counts(place, minute)


def test_who_is_due_beyond_the_bucket_gets_another():
    place = Place(NOW + 30 * DAY_MS, "m29454360")
    after, bucket = gone_on(place, NOW + MINUTE_MS)
    assert after == Place(NOW + 30 * DAY_MS, bucket)
    assert bucket == "d20484"


@pytest.mark.parametrize(("mpid", "shard"), [(0, 0), (17, 1), (-1, 15), (-(2**63), 0)])
def test_a_shard_is_a_sixteenth_by_the_last_digit_of_the_twos_complement(mpid, shard):
    assert shard_of(mpid) == shard == (mpid & 0xF)
