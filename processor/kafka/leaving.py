"""The end of a consumer."""

from typing import Final

import structlog
from confluent_kafka import Consumer

from processor.apart import apart

LEAVE_S: Final = 8.0
"""librdkafka waits for the group's coordinator, however long that is away, to take what it owes."""

log = structlog.get_logger()


def leave(consumer: Consumer) -> None:
    """Leave the group, close *consumer*. If nobody lets us go, the group notices by itself."""
    try:
        apart(consumer.close, LEAVE_S, "leave-group")
    except TimeoutError:
        log.warning("leave_failed")
