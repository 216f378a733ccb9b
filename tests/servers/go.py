"""Programs that are built from Go modules, once, and kept in the user's cache: Helm.

Each is skipped where there is no Go, and needed in CI.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.servers.missing import missing

HELM = "v3.22.0"

FLAGS = "-buildvcs=false '-gcflags=all=-N -l -dwarf=false' '-ldflags=-s -w'"
"""Such that a build is soon done: two fifths less CPU for Helm, which may run slower here."""


def cached(name: str, build: list[str], folder: Path | None = None) -> Path:
    """Return the program of this name in the cache, made there by *build* (in *folder*) at first.

    *build* writes into the folder that GOBIN names. Skips where Go is missing, fails where it
    cannot build; a build takes minutes.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    program = cache / "idstream" / "go" / name
    if program.exists():
        return program
    if shutil.which("go") is None:
        missing(f"neither {name} nor Go to build it with")
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as made:
        done = subprocess.run(
            build,
            cwd=folder,
            env={**os.environ, "GOBIN": made, "GOFLAGS": FLAGS},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            missing(f"{' '.join(build)}: {done.stderr[-1000:]}")
        (binary,) = Path(made).iterdir()
        binary.rename(program)  # at once, so a run beside us sees all or nothing
    return program


@pytest.fixture(scope="session")
def helm() -> Path:
    """Helm: of ``IDSTREAM_TEST_HELM``, on the PATH, or built here."""
    if found := os.environ.get("IDSTREAM_TEST_HELM") or shutil.which("helm"):
        return Path(found)
    return cached(f"helm-{HELM}", ["go", "install", f"helm.sh/helm/v3/cmd/helm@{HELM}"])
