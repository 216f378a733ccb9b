import pytest
from confluent_kafka.admin import AdminClient
from msgspec.structs import replace

from processor.kafka import topics
from processor.kafka.asking import Unreachable
from processor.kafka.topics import COMPACTION_LAG_MS, Width, create_missing, inspect
from processor.rules import Limits
from processor.settings import KafkaSettings, TopicSettings
from processor.settings.sections import OUTPUT_ROLES

pytestmark = pytest.mark.kafka
LIMITS = Limits()


@pytest.fixture
def settings(kafka):
    """Settings whose topics do not exist."""
    stem = kafka.unique("check")
    names = TopicSettings(
        batches=(f"{stem}-batches",),
        requests=(f"{stem}-requests",),
        **{role: f"{stem}-{role}" for role in OUTPUT_ROLES if role != "outcomes"},
    )
    return KafkaSettings(bootstrap_servers=kafka.bootstrap, topics=names)


def problems(settings, limits=LIMITS):
    return {report.role: report.problems for report in inspect(settings, limits)}


def test_missing_topics_are_found_and_created_as_they_must_be(settings):
    assert all("--create" in texts[0] for texts in problems(settings).values())

    created = create_missing(settings, LIMITS)

    assert sorted(topic.name for topic in created) == sorted(
        (*settings.topics.inputs, *settings.topics.outputs.values())
    )
    assert set(problems(settings).values()) == {()}
    assert create_missing(settings, LIMITS) == []


def test_profiles_must_be_compacted_late_and_by_the_brokers_clock(kafka, settings):
    create_missing(settings, LIMITS)
    plain = replace(settings, topics=replace(settings.topics, profiles=kafka.create_topic("p")))
    texts = " ".join(problems(plain)["profiles"])
    assert "set compact" in texts
    assert str(COMPACTION_LAG_MS) in texts
    assert "LogAppendTime" in texts


def test_other_topics_must_not_be_compacted(kafka, settings):
    create_missing(settings, LIMITS)
    compacted = kafka.create_topic("e", cleanup_policy="compact")
    other = replace(settings, topics=replace(settings.topics, enriched=compacted))
    assert "set delete" in problems(other)["enriched"][0]


def test_a_dead_letter_must_fit_whatever_its_input_takes(kafka, settings):
    create_missing(settings, LIMITS)
    wide = kafka.create_topic("wide", max_message_bytes="2000000")
    other = replace(settings, topics=replace(settings.topics, batches=(wide,)))
    assert "2016384" in problems(other)["dead_letters"][0]


def test_what_the_limits_allow_must_fit_its_topic(settings):
    create_missing(settings, LIMITS)
    found = problems(settings, replace(LIMITS, max_profile_bytes=1_048_588))
    assert found["profiles"]
    assert found["enriched"]
    assert not found["responses"]


def test_a_batch_of_small_records_must_fit_every_output_topic(kafka, settings):
    create_missing(settings, LIMITS)
    narrow = kafka.create_topic("narrow", max_message_bytes="100000")
    other = replace(settings, topics=replace(settings.topics, changes=narrow))
    assert "max.message.bytes is 100000" in problems(other)["changes"][0]


def test_topics_to_be_joined_should_have_as_many_partitions_each(kafka, settings):
    create_missing(settings, LIMITS)
    wide = kafka.create_topic("wide", partitions=3)
    other = replace(settings, topics=replace(settings.topics, enriched=wide))
    reports = {report.role: report for report in inspect(other, LIMITS)}
    assert any("joined" in text for _, text in reports["enriched"].warnings)


def test_new_outputs_are_as_wide_as_the_widest_input(kafka, settings):
    wide = kafka.create_topic("wide", partitions=3)
    other = replace(settings, topics=replace(settings.topics, batches=(wide,)))
    created = {t.name: (t.partitions, t.replicas) for t in create_missing(other, LIMITS)}
    assert created.pop(settings.topics.requests[0]) == (1, 1)
    assert set(created.values()) == {(3, 1)}


def test_topics_are_created_as_wide_as_is_asked_for(settings):
    created = create_missing(settings, LIMITS, Width(partitions=5, replicas=1))
    assert {(t.partitions, t.replicas) for t in created} == {(5, 1)}


def test_a_cluster_that_does_not_answer_is_unreachable():
    with pytest.raises(Unreachable) as raised:
        inspect(KafkaSettings(bootstrap_servers="127.0.0.1:1"), LIMITS)
    assert raised.value.is_transient


def test_a_cluster_that_stops_answering_between_two_questions_is_unreachable(
    kafka, settings, monkeypatch
):
    create_missing(settings, LIMITS)
    monkeypatch.setattr(topics, "_ANSWER_S", 1.0)
    describe = AdminClient.describe_configs

    def freezing(admin, asked, **options):
        kafka.node.pause()
        return describe(admin, asked, **options)

    monkeypatch.setattr(AdminClient, "describe_configs", freezing)
    try:
        with pytest.raises(Unreachable, match="imed out") as raised:
            inspect(settings, LIMITS)
    finally:
        kafka.node.resume()
    assert raised.value.is_transient
