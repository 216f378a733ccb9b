"""What all tests share: servers as plug-ins, Hypothesis profiles."""

import importlib.util
import os
import sys

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = [
    name
    for name in (
        "tests.servers.redis",
        "tests.servers.kafka",
        "tests.servers.registry",
        "tests.servers.chromium",
        "tests.servers.go",
    )
    if importlib.util.find_spec(name) is not None
]

if os.environ.get("IDSTREAM_TEST_NATIVE") == "off":  # as where it was not built
    sys.modules["processor.pipeline.native._batch"] = None  # type: ignore[assignment]

MINUTES_S = 600

# Machines differ too much for deadlines; pytest-timeout catches hangs.
settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile(
    "ci",
    max_examples=100,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "nightly", max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") == "true" else "dev")
)


@pytest.hookimpl(trylast=True)  # after pytest-randomly
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what may take minutes, so that no worker is left with it in the end."""
    items.sort(key=lambda item: not _may_take_minutes(item))


def _may_take_minutes(item: pytest.Item) -> bool:
    allowed = item.get_closest_marker("timeout")
    return allowed is not None and bool(allowed.args) and allowed.args[0] >= MINUTES_S
