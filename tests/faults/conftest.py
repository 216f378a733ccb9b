"""A deployment for a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.deployment import Deployment


@pytest.fixture
def deployment(kafka, start_redis, tmp_path: Path) -> Iterator[Deployment]:
    node = start_redis()
    one = Deployment(kafka, node, tmp_path)
    yield one
    one.processor.close()
