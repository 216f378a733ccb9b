"""What topics must be like, judged without a cluster."""

import pytest
from msgspec.structs import replace

from processor.kafka.topics import (
    COMPACTION_LAG_MS,
    ROOM,
    Topic,
    judge,
    needed_bytes,
    partitions_for,
    settings_for,
)
from processor.rules import Limits
from processor.settings import KafkaSettings

KAFKA = KafkaSettings()
LIMITS = Limits()
NAMES = {**KAFKA.topics.outputs, "batches": "event-batches", "requests": "identity-requests"}
DEFAULTS = {"max.message.bytes": "1048588", "cleanup.policy": "delete", "retention.ms": "604800000"}


def cluster(**settings: dict[str, str]) -> dict[str, Topic]:
    """Return all topics as they must be, but for the given settings of some roles."""
    found: dict[str, Topic] = {}
    inputs = {n: Topic(n, 4, DEFAULTS) for n in KAFKA.topics.inputs}
    needed = needed_bytes(KAFKA, LIMITS, inputs)
    for role, name in NAMES.items():
        right = {**DEFAULTS, **settings_for(role, needed), **settings.get(role, {})}
        found[name] = Topic(name, 4, right)
    return found


def judged(found: dict[str, Topic]) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    return {
        r.role: (r.problems, tuple(one.text for one in r.warnings))
        for r in judge(KAFKA, LIMITS, found)
    }


def test_topics_as_they_are_created_are_right():
    assert set(judged(cluster()).values()) == {((), ())}
    assert set(judged(cluster())) == set(NAMES)


@pytest.mark.parametrize("role", sorted(NAMES))
def test_a_missing_topic_is_wrong(role):
    found = cluster()
    del found[NAMES[role]]
    assert "does not exist" in judged(found)[role][0][0]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"cleanup.policy": "delete"}, "cleanup.policy is delete"),
        ({"cleanup.policy": "compact,delete"}, "cleanup.policy is compact,delete"),
        ({"min.compaction.lag.ms": "0"}, "min.compaction.lag.ms is 0"),
        ({"min.compaction.lag.ms": str(COMPACTION_LAG_MS - 1)}, "min.compaction.lag.ms is"),
        ({"message.timestamp.type": "CreateTime"}, "message.timestamp.type must be LogAppendTime"),
        ({"max.message.bytes": str(LIMITS.max_profile_bytes)}, "max.message.bytes is"),
    ],
)
@pytest.mark.parametrize("role", ["profiles", "cases"])
def test_documents_must_keep_every_newest_version(settings, says, role):
    problems, _ = judged(cluster(**{role: settings}))[role]
    assert [p for p in problems if p.startswith(says)]


def test_old_versions_of_documents_go_in_a_week_where_people_may_ask_for_it():
    lags = {
        (role, is_private): settings_for(role, {}, is_private=is_private).get(
            "max.compaction.lag.ms"
        )
        for role in ("profiles", "cases", "changes")
        for is_private in (True, False)
    }
    week = str(7 * 24 * 3_600_000)
    assert lags == {
        **{(role, False): None for role in ("profiles", "cases", "changes")},
        ("profiles", True): week,
        ("cases", True): week,
        ("changes", True): None,
    }


def test_the_topic_of_sweeps_is_wide_short_lived_and_stamped_by_the_broker():
    topics = replace(KAFKA.topics, clock="idstream-clock")
    kafka = replace(KAFKA, topics=topics)
    right = settings_for("clock", {})
    assert partitions_for("clock", kafka, {}) == 16
    assert right["retention.ms"] == "604800000"

    def report(**settings: str):
        wide = {**cluster(), "idstream-clock": Topic("idstream-clock", 16, {**right, **settings})}
        reports = {one.role: one for one in judge(kafka, LIMITS, wide)}
        assert not reports["enriched"].warnings, "sweeps make no output wider"
        return reports["clock"].problems

    assert report() == ()
    assert "LogAppendTime" in report(**{"message.timestamp.type": "CreateTime"})[0]
    assert "records would vanish" in report(**{"cleanup.policy": "compact"})[0]


@pytest.mark.parametrize("role", sorted(set(NAMES) - {"profiles", "cases"}))
def test_no_other_topic_may_be_compacted(role):
    problems, _ = judged(cluster(**{role: {"cleanup.policy": "compact"}}))[role]
    assert "records would vanish" in problems[0]


BATCH = 500_000
"""Records travel in batches of the producer, which must fit too."""


@pytest.mark.parametrize(
    ("role", "most"),
    [
        ("enriched", LIMITS.max_record_bytes + LIMITS.max_profile_bytes + ROOM),
        ("responses", BATCH + ROOM),
        ("profiles", LIMITS.max_profile_bytes + ROOM),
        ("dead_letters", 1_048_588 + ROOM),
    ],
)
def test_an_output_must_take_the_largest_record_that_can_come(role, most):
    assert not judged(cluster(**{role: {"max.message.bytes": str(most)}}))[role][0]
    problems, _ = judged(cluster(**{role: {"max.message.bytes": str(most - 1)}}))[role]
    assert problems == (f"max.message.bytes is {most - 1}; a record may have {most}",)


def test_dead_letters_take_what_the_largest_input_takes():
    problems, _ = judged(cluster(requests={"max.message.bytes": "5000000"}))["dead_letters"]
    assert problems == (
        f"max.message.bytes is {1_048_588 + ROOM}; a record may have {5000000 + ROOM}",
    )


def test_topics_that_are_joined_should_have_as_many_partitions():
    found = cluster()
    found["identity-changes"] = Topic("identity-changes", 8, found["identity-changes"].settings)
    reports = judged(found)
    for role in ("enriched", "changes", "profiles"):
        assert "cannot be joined" in reports[role][1][0]
    assert reports["responses"] == ((), ())


@pytest.mark.parametrize(
    ("role", "topic", "says"),
    [
        ("batches", Topic("event-batches", 1, DEFAULTS), "has 1 partition: 1 process works"),
        ("responses", Topic("identity-responses", 3, DEFAULTS), "fewer than an input's 4"),
        ("requests", Topic("identity-requests", 4, DEFAULTS, 1), "has 1 replica"),
        (
            "requests",
            Topic("identity-requests", 4, {**DEFAULTS, "message.timestamp.type": "CreateTime"}),
            "the clocks of producers",
        ),
    ],
)
def test_what_will_be_regretted_is_pointed_out(role, topic, says):
    warnings = judged({**cluster(), NAMES[role]: topic})[role][1]
    assert [text for text in warnings if says in text]


def test_where_time_changes_profiles_the_clocks_of_producers_are_pointed_out_for_it():
    topic = Topic("identity-requests", 4, {**DEFAULTS, "message.timestamp.type": "CreateTime"})
    timed = replace(KAFKA, topics=replace(KAFKA.topics, clock="idstream-clock"))
    for kafka, is_told in ((KAFKA, False), (timed, True)):
        reports = judge(kafka, LIMITS, {**cluster(), topic.name: topic})
        (told,) = [one for report in reports for one in report.warnings if "clocks" in one.text]
        assert ("message.timestamp.after.max.ms" in told.text) is is_told


def test_new_topics_are_as_wide_as_those_they_are_joined_with_or_fed_from():
    found = {"event-batches": Topic("event-batches", 8, {}), "profiles": Topic("profiles", 3, {})}
    wide = {role: partitions_for(role, KAFKA, found) for role in NAMES}
    assert wide == {
        **dict.fromkeys(("batches", "requests"), -1),
        **dict.fromkeys(("enriched", "changes", "profiles", "audience_changes"), 3),
        **dict.fromkeys(("responses", "dead_letters", "receipts", "cases"), 8),
    }


def test_changes_that_expire_are_pointed_out():
    _, warnings = judged(cluster(changes={"retention.ms": "1000"}))["changes"]
    assert "no longer leads to the graph" in warnings[0]
