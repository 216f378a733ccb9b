"""A real Chromium for the pages, and axe-core, which looks for barriers in them.

The browser is ``IDSTREAM_TEST_CHROMIUM``, else one on the PATH (``.ci/run`` installs Debian's where
there is none); axe-core comes from npm into the cache. What is missing skips, and fails in CI.
"""

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.servers.missing import missing

AXE = "axe-core@4.14.1"
CACHE = Path(__file__).parents[2] / ".cache" / "axe"
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A running browser. While there is one, its thread has an event loop that runs."""
    found = os.environ.get("IDSTREAM_TEST_CHROMIUM") or next(
        filter(None, map(shutil.which, NAMES)), None
    )
    if found is None:
        missing("no Chromium: apt install chromium, or name one by IDSTREAM_TEST_CHROMIUM")
    with sync_playwright() as playwright:
        # Nobody but our own pages is visited; root, as in CI, has no sandbox.
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core."""
    script = CACHE / AXE / "axe.min.js"
    if not script.exists():
        npm = shutil.which("npm")
        if npm is None:
            missing("no npm, which brings axe-core")
        script.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=script.parent) as folder:
            command = [npm, "pack", "--silent", AXE, "--pack-destination", folder]
            subprocess.run(command, check=True, capture_output=True, timeout=120)
            (packed,) = Path(folder).glob("*.tgz")
            with tarfile.open(packed) as archive:
                archive.extract("package/axe.min.js", folder, filter="data")
            # At once, so that a run beside us sees all of it or nothing.
            (Path(folder) / "package" / "axe.min.js").rename(script)
    return script.read_text()
