"""How long topics keep what is written to them, as the cluster has them set."""

from collections.abc import Collection
from typing import Final

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it names no exports
    AdminClient,
    ConfigResource,
    ResourceType,
)
from msgspec import Struct

from processor.kafka.asking import answered, open_admin
from processor.settings import KafkaSettings

_ANSWER_S: Final = 10.0
_EVER: Final = 2**53
"""Longer is for ever: what the broker has where nothing is set is the largest of its numbers."""


class Keeping(Struct, frozen=True):
    """How long a topic keeps a record; None: for ever."""

    is_compacted: bool = False
    retention_ms: int | None = None
    """After so long a record goes, where the topic is not only compacted."""
    segment_ms: int = 0
    """So long its segment may take further records, and stays for all of them."""
    compaction_lag_ms: int | None = None
    """So long after a newer one of its key, at the latest, a record of a compacted topic goes."""

    def gone_by(self, time_ms: int) -> int | None:
        """Return when a record goes that was written, or was replaced by a newer one, then.

        None where it does not go, or nobody knows when.
        """
        if self.is_compacted:
            return None if self.compaction_lag_ms is None else time_ms + self.compaction_lag_ms
        return None if self.retention_ms is None else time_ms + self.retention_ms + self.segment_ms


def keepings(kafka: KafkaSettings, topics: Collection[str]) -> dict[str, Keeping]:
    """Return how long each of *topics* keeps records; topics that are not there are left out.

    Raises KafkaException where the cluster does not say.
    """
    with open_admin(kafka) as admin:
        return _asked(admin, topics)


def _asked(admin: AdminClient, topics: Collection[str]) -> dict[str, Keeping]:
    known = admin.list_topics(timeout=_ANSWER_S).topics
    asked = [
        ConfigResource(ResourceType.TOPIC, name)
        for name in sorted(set(topics))
        if name in known and known[name].error is None
    ]
    found = admin.describe_configs(asked, request_timeout=_ANSWER_S) if asked else {}
    told = {
        resource.name: {key: entry.value for key, entry in answered(one, _ANSWER_S).items()}
        for resource, one in found.items()
    }
    return {name: _keeping(settings) for name, settings in told.items()}


def _keeping(settings: dict[str, str | None]) -> Keeping:
    policy = settings.get("cleanup.policy") or "delete"
    return Keeping(
        is_compacted="delete" not in policy,
        retention_ms=_ms(settings.get("retention.ms")),
        segment_ms=_ms(settings.get("segment.ms")) or 0,
        compaction_lag_ms=_ms(settings.get("max.compaction.lag.ms")),
    )


def _ms(text: str | None) -> int | None:
    number = int(text) if text else -1
    return number if 0 <= number < _EVER else None
