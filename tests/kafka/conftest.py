"""What several tests of the stream share."""

from collections.abc import Iterator

import pytest

from tests.servers.kafka import Kafka
from tests.servers.relay import Relay


@pytest.fixture
def relay(kafka: Kafka) -> Iterator[Relay]:
    """A relay before the broker, which has to be ours."""
    assert kafka.node
    relay = Relay(kafka.bootstrap)
    yield relay
    relay.close()
