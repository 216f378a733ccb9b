"""Topics: how they must be set, whether they are, and how missing ones are created.

A document, enriched batch or dead letter that its topic refuses would stop the processor, so sizes
are compared before anything runs; ``profiles`` must keep the newest version of every profile.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it names no exports
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)
from msgspec import Struct

from processor.clock.place import SHARDS
from processor.kafka.asking import answered, open_admin, unreachable
from processor.kafka.clients import producer_config
from processor.kafka.clock import Clock
from processor.rules import INPUT_ROLES, Limits
from processor.settings import KafkaSettings
from processor.settings.advice import Advice

ROOM: Final = 16 * 1024
"""Bytes of a record beside its value: key, headers, and the batch it travels in."""
COMPACTION_LAG_MS: Final = 600_000
COMPACTED: Final = ("profiles", "cases")
"""Topics of documents: of each key the newest version is kept."""
JOINED: Final = ("enriched", "changes", "profiles", "audience_changes")
"""Topics under the profile key: with as many partitions each, they can be joined."""
_CASE_BYTES: Final = 2 * 1024 * 1024
"""More than a case may have: the tokens of all identities of 200 profiles."""
_WEEK_MS: Final = 7 * 24 * 3_600_000
_DEFAULT_BYTES: Final = 1_048_588
_ANSWER_S: Final = 10.0
_PAUSE_S: Final = 0.1


class Topic(Struct, frozen=True):
    """A topic as the cluster has it."""

    name: str
    partitions: int
    settings: Mapping[str, str]
    replicas: int = 0
    """The fewest that a partition has; 0 where the cluster did not tell."""

    @property
    def most_bytes(self) -> int:
        """The largest batch of records that it takes."""
        return int(self.settings.get("max.message.bytes", _DEFAULT_BYTES))


class TopicReport(Struct, frozen=True):
    """One topic: what it is for, what is wrong with it, and what an operator should know."""

    role: str
    name: str
    problems: tuple[str, ...] = ()
    warnings: tuple[Advice, ...] = ()
    is_too_small: bool = False
    """It would refuse a record that the limits allow."""


def inspect(kafka: KafkaSettings, limits: Limits) -> list[TopicReport]:
    """Return a report for every configured topic. Raises Unreachable without a cluster."""
    with open_admin(kafka) as admin:
        found = _found(admin, [name for _, name in _roles(kafka)])
    return judge(kafka, limits, found)


class Width(Struct, frozen=True):
    """What new topics are asked to have; None leaves it to what is there, else to the broker.

    Outputs get as many partitions as the widest input, or as the topics that they are joined with.
    """

    partitions: int | None = None
    replicas: int | None = None


def create_missing(kafka: KafkaSettings, limits: Limits, width: Width | None = None) -> list[Topic]:
    """Create the topics that are not there with the settings they need; return what was made."""
    with open_admin(kafka) as admin:
        names = _create_missing(admin, kafka, limits, width or Width())
        return _known(admin, names, Clock())


def _known(admin: AdminClient, names: Sequence[str], clock: Clock) -> list[Topic]:
    """Return new topics, once the cluster knows them: it hears of them some time after."""
    deadline = clock.now() + _ANSWER_S
    found: dict[str, Topic] = {}
    while names and len(found) < len(names) and clock.now() < deadline:
        clock.sleep(_PAUSE_S)
        found = _found(admin, names)
    return list(found.values())


def _create_missing(
    admin: AdminClient, kafka: KafkaSettings, limits: Limits, width: Width
) -> list[str]:
    created: list[str] = []
    inputs = [r for r in _roles(kafka) if r[0] in INPUT_ROLES]
    outputs = [r for r in _roles(kafka) if r not in inputs]
    # Inputs first: what they take decides what the dead letters must take.
    for roles in (inputs, outputs):
        found = _found(admin, [name for _, name in _roles(kafka)])
        wanted = [
            NewTopic(
                name,
                num_partitions=width.partitions or partitions_for(role, kafka, found),
                replication_factor=width.replicas or -1,
                config=settings_for(
                    role,
                    needed_bytes(kafka, limits, found),
                    is_private=bool(kafka.topics.privacy),
                ),
            )
            for role, name in roles
            if name not in found
        ]
        for name, made in _requested(admin, wanted).items():
            answered(made, _ANSWER_S)
            created.append(name)
    return created


def partitions_for(role: str, kafka: KafkaSettings, found: Mapping[str, Topic]) -> int:
    """Return how many partitions a new topic of *role* should have, -1 for what the broker likes.

    As many as the topics that it is joined with, else as the widest input.
    """
    if role == "clock":
        return SHARDS
    outputs, inputs = kafka.topics.outputs, kafka.topics.fed
    joined = [found[n].partitions for r in JOINED if (n := outputs.get(r, "")) in found]
    if role in JOINED and joined:
        return joined[0]
    if role not in outputs:
        return -1
    return max((found[name].partitions for name in inputs if name in found), default=-1)


def settings_for(
    role: str, needed: Mapping[str, int], *, is_private: bool = False
) -> dict[str, str]:
    """Return the settings of a new topic of *role*, beyond the cluster's defaults.

    *is_private*: people may ask to be forgotten, also by old versions of documents.
    """
    settings: dict[str, str] = {}
    if needed.get(role, 0) > _DEFAULT_BYTES:
        settings["max.message.bytes"] = str(needed[role])
    if role in COMPACTED:
        settings |= {
            "cleanup.policy": "compact",
            "min.compaction.lag.ms": str(COMPACTION_LAG_MS),
            "message.timestamp.type": "LogAppendTime",
        }
    if role in COMPACTED and is_private:
        settings["max.compaction.lag.ms"] = str(_WEEK_MS)
    if role == "clock":
        settings |= {
            "cleanup.policy": "delete",
            "retention.ms": str(_WEEK_MS),
            "message.timestamp.type": "LogAppendTime",
        }
    if role == "changes":
        # Replayed from its start, it leads to the graph.
        settings |= {"cleanup.policy": "delete", "retention.ms": "-1"}
    return settings


def needed_bytes(
    kafka: KafkaSettings, limits: Limits, found: Mapping[str, Topic]
) -> dict[str, int]:
    """Return by role how large a record its topic must take."""
    largest = max((found[n].most_bytes for n in kafka.topics.inputs if n in found), default=0)
    needed = {
        "profiles": limits.max_profile_bytes,
        "enriched": limits.max_record_bytes + limits.max_profile_bytes,
        "responses": limits.max_record_bytes,
        "cases": _CASE_BYTES,
        # A dead letter is the record as it came, however large.
        "dead_letters": largest or _DEFAULT_BYTES,
    }
    # Records travel in batches, and one that is refused fails the transaction.
    batch = int(producer_config(kafka)["batch.size"])
    return {role: max(needed.get(role, 0), batch) + ROOM for role in kafka.topics.outputs}


def judge(kafka: KafkaSettings, limits: Limits, found: Mapping[str, Topic]) -> list[TopicReport]:
    """Compare the topics that were *found* with what they must be (pure)."""
    needed = needed_bytes(kafka, limits, found)
    names = dict(kafka.topics.outputs)
    counts = {found[n].partitions for r in JOINED if (n := names.get(r, "")) in found}
    widest = max((found[n].partitions for n in kafka.topics.fed if n in found), default=0)
    reports = []
    for role, name in _roles(kafka):
        topic = found.get(name)
        if topic is None:
            missing = ("does not exist; create it, or let `idstream check --create` do it",)
            reports.append(TopicReport(role, name, missing))
            continue
        warnings = (
            *_warnings(role, topic, is_timed=bool(kafka.topics.clock)),
            *_width_warnings(role, topic, widest),
        )
        if role in JOINED and len(counts) > 1:
            text = f"has {topic.partitions} partitions; {', '.join(JOINED)} differ in theirs"
            warnings += (Advice("topics.joined", f"{text} and cannot be joined"),)
        least = needed.get(role, 0)
        problems = tuple(_problems(role, topic, least))
        too_small = topic.most_bytes < least
        reports.append(TopicReport(role, name, problems, warnings, too_small))
    return reports


def _problems(role: str, topic: Topic, needed: int) -> Iterator[str]:
    if topic.most_bytes < needed:
        yield f"max.message.bytes is {topic.most_bytes}; a record may have {needed}"
    policy = topic.settings.get("cleanup.policy", "delete")
    if role not in COMPACTED:
        if "compact" in policy:
            yield f"cleanup.policy is {policy}: records would vanish; set delete"
        if role == "clock" and _timestamp_type(topic) != "LogAppendTime":
            yield "message.timestamp.type must be LogAppendTime: nobody may make time pass early"
        return
    if policy != "compact":
        yield f"cleanup.policy is {policy}: {role} would vanish; set compact"
    lag = int(topic.settings.get("min.compaction.lag.ms", 0))
    if lag < COMPACTION_LAG_MS:
        yield f"min.compaction.lag.ms is {lag}; set {COMPACTION_LAG_MS} or more"
    if _timestamp_type(topic) != "LogAppendTime":
        yield "message.timestamp.type must be LogAppendTime: the compaction lag counts from it"


def _timestamp_type(topic: Topic) -> str:
    return topic.settings.get("message.timestamp.type", "CreateTime")


def _warnings(role: str, topic: Topic, *, is_timed: bool) -> Iterator[Advice]:
    if role == "changes" and topic.settings.get("retention.ms", "-1") != "-1":
        text = "retention.ms is bounded: replayed from its start, it no longer leads to the graph"
        yield Advice("topics.retention", text)
    if role in INPUT_ROLES and topic.settings.get("message.timestamp.type") == "CreateTime":
        text = (
            "message.timestamp.type is CreateTime: the clocks of producers say which of two"
            " records is the newer; set LogAppendTime where those are not to be trusted"
        )
        if is_timed:
            text += (
                ". By them time passes in audiences and lifetimes: a producer a year ahead empties"
                " windows, and keeps profiles a year longer; message.timestamp.after.max.ms bounds"
                " it"
            )
        yield Advice("topics.timestamps", text)


def _width_warnings(role: str, topic: Topic, widest: int) -> Iterator[Advice]:
    """Yield what a topic's partitions and replicas cost; *widest* is the widest input."""
    if role in INPUT_ROLES and role != "privacy" and topic.partitions == 1:
        text = "has 1 partition: 1 process works, all others stand by; raise it before records come"
        yield Advice("topics.partitions", text)
    if role not in (*INPUT_ROLES, "clock") and topic.partitions < widest:
        text = f"has {topic.partitions} partitions, fewer than an input's {widest}"
        yield Advice("topics.partitions", f"{text}: whoever reads it cannot keep pace")
    if topic.replicas == 1:
        text = "has 1 replica: its records are gone with the broker that has them; use 3"
        yield Advice("topics.replicas", text)


def _roles(kafka: KafkaSettings) -> list[tuple[str, str]]:
    topics = kafka.topics
    return [
        *((role, name) for name, role in topics.roles.items()),
        *topics.outputs.items(),
    ]


def _found(admin: AdminClient, names: Sequence[str]) -> dict[str, Topic]:
    try:
        return _asked(admin, names)
    except KafkaException as failure:
        error = failure.args[0]
        raise unreachable(error, f"the cluster cannot be asked: {error.str()}") from None


def _asked(admin: AdminClient, names: Sequence[str]) -> dict[str, Topic]:
    known = admin.list_topics(timeout=_ANSWER_S).topics
    present = [name for name in names if name in known and known[name].error is None]
    asked = [ConfigResource(ResourceType.TOPIC, name) for name in present]
    settings = {
        resource.name: {key: entry.value for key, entry in answered(one, _ANSWER_S).items()}
        for resource, one in _described(admin, asked).items()
    }
    return {
        name: Topic(
            name,
            len(known[name].partitions),
            settings.get(name, {}),
            min((len(p.replicas) for p in known[name].partitions.values()), default=0),
        )
        for name in present
    }


def _described(admin: AdminClient, asked: list[ConfigResource]) -> dict[ConfigResource, Any]:
    return admin.describe_configs(asked, request_timeout=_ANSWER_S) if asked else {}


def _requested(admin: AdminClient, wanted: list[NewTopic]) -> dict[str, Any]:
    return admin.create_topics(wanted, request_timeout=_ANSWER_S) if wanted else {}
