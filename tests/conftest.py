"""What all tests share: servers as plug-ins, Hypothesis profiles."""

import importlib.util
import os

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

# Machines differ too much for deadlines; pytest-timeout catches hangs.
settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile(
    "ci",
    max_examples=200,
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what waits for a broker run beside what computes, where there are two workers (CI)."""
    for item in items:
        if any(item.iter_markers("kafka")) or any(item.iter_markers("registry")):
            item.add_marker(pytest.mark.xdist_group("broker"))
