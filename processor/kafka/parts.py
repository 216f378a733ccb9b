"""What the loop is put together from (``open``)."""

from collections.abc import Callable

from confluent_kafka import Consumer
from msgspec import Struct

from processor.kafka.interval import Interval
from processor.kafka.positions import Positions
from processor.kafka.publishing import Committer
from processor.kafka.step import Observer, Step


class Parts(Struct, frozen=True):
    """What the loop drives, and what it works with."""

    consumer: Consumer
    leave: Callable[[], None]
    """Leaves the group, and closes the consumer."""
    committer: Committer
    interval: Interval
    positions: Positions
    step: Step
    observer: Observer
    reach: Callable[[str], None]
    """Passes a named crash point."""
