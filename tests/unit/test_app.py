"""What a start refuses before anything is consumed."""

import pytest
from msgspec.structs import replace

from processor.app import refuse_small
from processor.kafka.topics import Topic, judge
from processor.rules import Limits
from processor.settings import KafkaSettings, SettingsError

KAFKA = KafkaSettings()


def reports(limits):
    found = {name: Topic(name, 1, {}) for name in KAFKA.topics.outputs.values()}
    return judge(KAFKA, limits, found)


def test_topics_that_take_what_the_limits_allow_are_not_refused():
    refuse_small(reports(Limits()))


def test_a_topic_too_small_for_profiles_names_the_limit_of_profiles():
    limits = replace(Limits(), max_record_bytes=1, max_profile_bytes=2_000_000)
    profiles = [r for r in reports(limits) if r.role == "profiles"]
    with pytest.raises(SettingsError, match=r"or lower limits\.max_profile_bytes$"):
        refuse_small(profiles)


def test_a_topic_too_small_for_enriched_batches_names_both_limits():
    limits = replace(Limits(), max_record_bytes=1_000_000)
    with pytest.raises(SettingsError, match=r"enriched-batches .* limits\.max_record_bytes or"):
        refuse_small(reports(limits))
