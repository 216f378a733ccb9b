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

from processor.kafka.asking import answered, open_admin, unreachable
from processor.kafka.clients import producer_config
from processor.rules import Limits
from processor.settings import KafkaSettings

ROOM: Final = 16 * 1024
"""Bytes of a record beside its value: key, headers, and the batch it travels in."""
COMPACTION_LAG_MS: Final = 600_000
JOINED: Final = ("enriched", "changes", "profiles")
"""Topics under the profile key: with as many partitions each, they can be joined."""
_DEFAULT_BYTES: Final = 1_048_588
_ANSWER_S: Final = 10.0


class Topic(Struct, frozen=True):
    """A topic as the cluster has it."""

    name: str
    partitions: int
    settings: Mapping[str, str]

    @property
    def most_bytes(self) -> int:
        """The largest batch of records that it takes."""
        return int(self.settings.get("max.message.bytes", _DEFAULT_BYTES))


class TopicReport(Struct, frozen=True):
    """One topic: what it is for, what is wrong with it, and what an operator should know."""

    role: str
    name: str
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    is_too_small: bool = False
    """It would refuse a record that the limits allow."""


def inspect(kafka: KafkaSettings, limits: Limits) -> list[TopicReport]:
    """Return a report for every configured topic. Raises Unreachable without a cluster."""
    with open_admin(kafka) as admin:
        found = _found(admin, [name for _, name in _roles(kafka)])
    return judge(kafka, limits, found)


def create_missing(kafka: KafkaSettings, limits: Limits) -> list[str]:
    """Create the topics that are not there with the settings they need; return their names."""
    with open_admin(kafka) as admin:
        return _create_missing(admin, kafka, limits)


def _create_missing(admin: AdminClient, kafka: KafkaSettings, limits: Limits) -> list[str]:
    created: list[str] = []
    inputs = [r for r in _roles(kafka) if r[0] in ("batches", "requests")]
    outputs = [r for r in _roles(kafka) if r not in inputs]
    # Inputs first: what they take decides what the dead letters must take.
    for roles in (inputs, outputs):
        found = _found(admin, [name for _, name in _roles(kafka)])
        partitions = next(
            (found[n].partitions for r, n in outputs if r in JOINED and n in found), -1
        )
        wanted = [
            NewTopic(
                name,
                num_partitions=partitions if role in JOINED else -1,
                replication_factor=-1,
                config=settings_for(role, needed_bytes(kafka, limits, found)),
            )
            for role, name in roles
            if name not in found
        ]
        for name, made in _requested(admin, wanted).items():
            answered(made, _ANSWER_S)
            created.append(name)
    return created


def settings_for(role: str, needed: Mapping[str, int]) -> dict[str, str]:
    """Return the settings of a new topic of *role*, beyond the cluster's defaults."""
    settings: dict[str, str] = {}
    if needed.get(role, 0) > _DEFAULT_BYTES:
        settings["max.message.bytes"] = str(needed[role])
    if role == "profiles":
        settings |= {
            "cleanup.policy": "compact",
            "min.compaction.lag.ms": str(COMPACTION_LAG_MS),
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
    counts = {found[names[r]].partitions for r in JOINED if names[r] in found}
    reports = []
    for role, name in _roles(kafka):
        topic = found.get(name)
        if topic is None:
            missing = ("does not exist; create it, or let `idstream check --create` do it",)
            reports.append(TopicReport(role, name, missing))
            continue
        warnings = tuple(_warnings(role, topic))
        if role in JOINED and len(counts) > 1:
            text = f"has {topic.partitions} partitions; {', '.join(JOINED)} differ in theirs"
            warnings += (f"{text} and cannot be joined",)
        least = needed.get(role, 0)
        problems = tuple(_problems(role, topic, least))
        too_small = topic.most_bytes < least
        reports.append(TopicReport(role, name, problems, warnings, too_small))
    return reports


def _problems(role: str, topic: Topic, needed: int) -> Iterator[str]:
    if topic.most_bytes < needed:
        yield f"max.message.bytes is {topic.most_bytes}; a record may have {needed}"
    policy = topic.settings.get("cleanup.policy", "delete")
    if role != "profiles":
        if "compact" in policy:
            yield f"cleanup.policy is {policy}: records would vanish; set delete"
        return
    if policy != "compact":
        yield f"cleanup.policy is {policy}: profiles would vanish; set compact"
    lag = int(topic.settings.get("min.compaction.lag.ms", 0))
    if lag < COMPACTION_LAG_MS:
        yield f"min.compaction.lag.ms is {lag}; set {COMPACTION_LAG_MS} or more"
    if topic.settings.get("message.timestamp.type", "CreateTime") != "LogAppendTime":
        yield "message.timestamp.type must be LogAppendTime: the compaction lag counts from it"


def _warnings(role: str, topic: Topic) -> Iterator[str]:
    if role == "changes" and topic.settings.get("retention.ms", "-1") != "-1":
        yield "retention.ms is bounded: replayed from its start, it no longer leads to the graph"


def _roles(kafka: KafkaSettings) -> list[tuple[str, str]]:
    topics = kafka.topics
    return [
        *(("batches", name) for name in topics.batches),
        *(("requests", name) for name in topics.requests),
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
        name: Topic(name, len(known[name].partitions), settings.get(name, {})) for name in present
    }


def _described(admin: AdminClient, asked: list[ConfigResource]) -> dict[ConfigResource, Any]:
    return admin.describe_configs(asked, request_timeout=_ANSWER_S) if asked else {}


def _requested(admin: AdminClient, wanted: list[NewTopic]) -> dict[str, Any]:
    return admin.create_topics(wanted, request_timeout=_ANSWER_S) if wanted else {}
