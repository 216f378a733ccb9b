"""What the cluster says of logs and of the members of a group, for ``check`` and ``status``."""

from collections.abc import Callable, Collection
from functools import partial
from typing import Final, TypeVar

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it names no exports
    AdminClient,
    OffsetSpec,
)
from msgspec import Struct

from processor.apart import until_answered
from processor.kafka.asking import answered, described_topic_ids, just, open_admin, partitions_of
from processor.kafka.clock import Clock
from processor.kafka.errors import is_transient
from processor.records import RowKey
from processor.settings import KafkaSettings

_Answer = TypeVar("_Answer")
_ANSWER_S: Final = 10.0
_SETTLED_S: Final = 10.0
_PAUSE_S: Final = 0.1


class LogEnds(Struct, frozen=True):
    """A partition's log: its first offset, and the one that the next record gets."""

    begin: int
    end: int


class Member(Struct, frozen=True):
    """A member of the group, by instance or client id and host, with its partitions."""

    name: str
    partitions: frozenset[RowKey]


def logs(kafka: KafkaSettings, topics: Collection[str]) -> dict[RowKey, LogEnds]:
    """Return the log of every partition of *topics*. Raises KafkaException, or NoTopic.

    A partition that has no leader yet, or another one now, is asked again for some seconds.
    """
    with open_admin(kafka) as admin:
        return _settled(partial(_logs, admin, topics))


def newest_ms(kafka: KafkaSettings, topic: str) -> int | None:
    """Return the time of the newest record of *topic*, in ms since 1970; None where it has none."""
    with open_admin(kafka) as admin:
        keys = [RowKey(topic, p) for p in partitions_of(admin, topic, _ANSWER_S)]
        newest = _listed(admin, keys, OffsetSpec.max_timestamp())  # type: ignore[no-untyped-call]
    return max((at for _, at in newest.values() if at > 0), default=None)


def topic_id(kafka: KafkaSettings, topic: str) -> str | None:
    """Return the id by which the cluster tells *topic* from one made anew; None without one."""
    with open_admin(kafka) as admin:
        try:
            return described_topic_ids(just(admin), _ANSWER_S)([topic])[topic]
        except KafkaException as failure:
            if failure.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise


def members(kafka: KafkaSettings) -> list[Member]:
    """Return who is in the group now, and which partitions each has.

    A group that has no coordinator yet is asked again for some seconds.
    """
    with open_admin(kafka) as admin:
        return _settled(partial(_members, admin, kafka.group_id))


def _settled(ask: Callable[[], _Answer]) -> _Answer:
    """Return what *ask* returns, once the cluster has settled who answers."""
    clock = Clock()
    deadline = clock.now() + _SETTLED_S

    def waits(failure: KafkaException) -> bool:
        if not is_transient(failure.args[0]) or clock.now() > deadline:
            raise failure
        clock.sleep(_PAUSE_S)
        return True

    found = until_answered(ask, KafkaException, waits)
    assert found is not None  # it waits, or it raises
    return found


def _members(admin: AdminClient, group: str) -> list[Member]:
    asked = admin.describe_consumer_groups([group], request_timeout=_ANSWER_S)
    try:
        found = answered(asked[group], _ANSWER_S).members
    except KafkaException as failure:
        if failure.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return []
        raise
    return [
        Member(
            f"{m.group_instance_id or m.client_id} at {m.host}",
            frozenset(RowKey(p.topic, p.partition) for p in m.assignment.topic_partitions),
        )
        for m in found
    ]


def _logs(admin: AdminClient, topics: Collection[str]) -> dict[RowKey, LogEnds]:
    keys = [RowKey(t, p) for t in topics for p in partitions_of(admin, t, _ANSWER_S)]
    first = _listed(admin, keys, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
    after = _listed(admin, keys, OffsetSpec.latest())  # type: ignore[no-untyped-call]
    return {key: LogEnds(first[key][0], after[key][0]) for key in keys}


def _listed(
    admin: AdminClient, keys: Collection[RowKey], which: OffsetSpec
) -> dict[RowKey, tuple[int, int]]:
    """Return an offset of each partition, and the time of its record where it has one."""
    if not keys:
        return {}
    found = admin.list_offsets(
        {TopicPartition(*key): which for key in keys},
        isolation_level=IsolationLevel.READ_UNCOMMITTED,
        request_timeout=_ANSWER_S,
    )
    listed = {RowKey(p.topic, p.partition): answered(one, _ANSWER_S) for p, one in found.items()}
    return {key: (one.offset, one.timestamp) for key, one in listed.items()}
