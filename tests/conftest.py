"""What all tests share: servers as plug-ins, Hypothesis profiles."""

import importlib.util
import os
import sys
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

if os.environ.get("IDSTREAM_TEST_NATIVE") == "off":  # as where it was not built
    sys.modules["processor.pipeline.native._batch"] = None  # type: ignore[assignment]

FOLDERS = {Path(__file__).parent / "faults": "faults", Path(__file__).parent / "kafka": "kafka"}

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
    """Let what waits for a broker run in three parts, one a worker, where there are three (CI).

    A worker has servers of its own. The largest group is begun first, and whoever is done goes on
    with what only computes: so no worker is left with nothing to do.
    """
    for item in items:
        if any(item.iter_markers("kafka")) or any(item.iter_markers("registry")):
            groups = (FOLDERS[folder] for folder in item.path.parents if folder in FOLDERS)
            item.add_marker(pytest.mark.xdist_group(next(groups, "broker")))
