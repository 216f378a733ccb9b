"""What all tests share: servers as plug-ins, Hypothesis profiles."""

import importlib.util
import os
from pathlib import Path

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

FAULTS = Path(__file__).parent / "faults"

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what waits for a broker run in two halves, one a worker, where there are two (CI).

    A worker has servers of its own. The larger group is begun first, then the fault tests, and
    whoever is done goes on with what only computes: so neither worker is left with nothing to do.
    """
    for item in items:
        if any(item.iter_markers("kafka")) or any(item.iter_markers("registry")):
            group = "faults" if FAULTS in item.path.parents else "broker"
            item.add_marker(pytest.mark.xdist_group(group))
