"""A deployment for a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.deployment import Deployment
from tests.faults.stage import Servers
from tests.servers.kafka_node import Unavailable
from tests.servers.missing import missing


@pytest.fixture
def deployment(kafka, start_redis, tmp_path: Path) -> Iterator[Deployment]:
    node = start_redis()
    one = Deployment(kafka, node, tmp_path)
    yield one
    one.processor.close()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """A broker and a Redis server that tests may kill, behind proxies."""
    try:
        one = Servers()
    except Unavailable as reason:
        missing(f"no Kafka broker: {reason}")
    yield one
    one.close()
