"""The receipts of a request, read back from their topic."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from processor.commands.terminal.failure import Failure
from processor.kafka.asking import NoTopic, Unreachable, reaching
from processor.kafka.changelog import Changelog
from processor.serve.values import Values
from processor.settings import Settings


class Receipt(Struct, frozen=True):
    """A receipt, and when it was told."""

    time_ms: int
    body: dict[str, Any]
    raw: bytes
    """As it stands on the topic; JSON only where the topic is."""


def receipts_of(settings: Settings, request_id: str) -> list[Receipt]:
    """Return the receipts of a request, oldest first; Failure where Kafka cannot be asked."""
    try:
        with reaching(settings.kafka):
            return list(_read(settings, request_id.encode()))
    except (NoTopic, Unreachable) as error:
        raise Failure(str(error)) from None


def _read(settings: Settings, key: bytes) -> Iterator[Receipt]:
    values = Values(settings.registry_url())
    changelog = Changelog(settings.kafka, settings.kafka.topics.receipts)
    try:
        for piece in changelog.read():
            for record in piece.records:
                if record.key != key or record.value is None:
                    continue
                body = values.read("receipts", record.value)
                if isinstance(body, dict):
                    yield Receipt(record.timestamp_ms, body, record.value)
    finally:
        changelog.close()
