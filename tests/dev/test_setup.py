"""``./dev`` is never broken by a bad start: each test ends with one that works."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dev.index import Index, clone
from tests.docs.pages import ROOT

pytestmark = pytest.mark.timeout(300)

PYTHON: str = sys._base_executable
WORDS = ["sh", "cat", "cksum", "dirname", "rm", "sed", "flock", "sleep"]
"""The commands of the system that dev may use; those that a machine lacks it does without."""


class Clone:
    """A clone with ``dev`` in it, on a machine of its own: a PATH, a Python, an index."""

    def __init__(self, folder: Path, tool: str, index: Index) -> None:
        self.folder = clone(ROOT / "dev", folder / "a clone")
        self.index = index
        self.bin = folder / "bin"
        self.bin.mkdir()
        for word in WORDS:
            if found := shutil.which(word):
                (self.bin / word).symlink_to(found)
        (self.bin / "python3").symlink_to(PYTHON)
        if tool == "uv":
            (self.bin / "uv").symlink_to(Path(sys.executable).with_name("uv"))

    def environ(self, **more: str) -> dict[str, str]:
        return {
            "HOME": str(self.folder.parent),
            "PATH": str(self.bin),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": self.index.url,
            "PIP_NO_CACHE_DIR": "1",
            "PIP_RETRIES": "0",
            "UV_CACHE_DIR": str(self.folder.parent / "cache"),
            "UV_NO_CONFIG": "1",
            "UV_DEFAULT_INDEX": self.index.url,
            "UV_HTTP_RETRIES": "0",
            "UV_PYTHON_DOWNLOADS": "never",
            **more,
        }

    def start(self, word: str, **more: str) -> subprocess.Popen[str]:
        """Start ``./dev word`` in a session of its own, as a terminal does."""
        listens = (
            "from signal import *; import os, sys; signal(2, SIG_DFL); os.execv('dev', sys.argv)"
        )
        return subprocess.Popen(
            [sys.executable, "-c", listens, word],
            cwd=self.folder,
            env=self.environ(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def dev(self, word: str, **more: str) -> subprocess.CompletedProcess[str]:
        process = self.start(word, **more)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def works(self, **more: str) -> None:
        done = self.dev("demo", **more)
        assert (done.returncode, done.stdout) == (0, "the demo\n"), done.stderr

    def replaces(self, path: Path, version: tuple[int, ...]) -> Path:
        """Put a Python in *path* that says it is of *version*."""
        script = f"""#!{PYTHON}
import sys
sys.version_info = {version}
if sys.argv[1] != "-c":
    raise SystemExit("this Python is no good")
exec(sys.argv[2])
"""
        path.unlink(missing_ok=True)
        path.write_text(script)
        path.chmod(0o755)
        return path


@pytest.fixture
def index() -> Iterator[Index]:
    found = Index()
    yield found
    found.close()


@pytest.fixture(params=["pip", "uv"])
def one(request, tmp_path: Path, index: Index) -> Clone:
    return Clone(tmp_path, request.param, index)


@pytest.fixture
def quick(tmp_path: Path, index: Index) -> Clone:
    """One whose environments are made in no time."""
    return Clone(tmp_path, "uv", index)


def test_an_index_that_is_away_twice_costs_two_tries_and_no_more(one):
    one.index.dead = True
    for _ in range(2):
        done = one.dev("demo")
        assert done.returncode != 0
        first, *_ = done.stderr.splitlines()
        assert first.startswith("dev: installing into .venv, once")
        assert "The installation into .venv is not complete" in done.stderr
        assert "not found" not in done.stderr
    one.index.dead = False
    one.works()


def test_what_is_installed_is_not_installed_again(one):
    one.works()
    asked = one.index.requests
    again = one.dev("demo")
    assert (again.stdout, again.stderr) == ("the demo\n", "")
    assert one.dev("setup").returncode == 0
    assert one.dev("demo").stderr == "", "what tests need is more than what runs"
    one.index.dead = True
    one.works()
    assert asked > 0


@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_an_installation_that_was_ended_is_made_anew(one, name):
    one.index.fall_silent()
    process = one.start("demo")
    assert one.index.asked.wait(60)
    os.killpg(process.pid, signal.Signals[name])
    _, err = process.communicate(timeout=60)
    if name == "SIGKILL":
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 130
        assert "dev: interrupted\n" in err
        assert "run the same again" in err
    one.index.speak()
    one.works()


@pytest.mark.skipif(not shutil.which("flock"), reason="no flock here, so nobody waits")
def test_an_installer_that_outlived_its_dev_is_waited_for(one):
    one.index.fall_silent()
    with one.start("demo") as first, one.start("demo") as second:
        told = {process.stderr.readline(): process for process in (first, second)}
        assert one.index.asked.wait(60)
        told.pop("dev: installing into .venv, once: about 30 s, or 5 s with uv\n").kill()
        ((line, waits),) = told.items()
        assert line == "dev: waiting for another installation into .venv\n"
        one.index.speak()
        out, err = waits.communicate(timeout=120)
    assert (waits.returncode, out) == (0, "the demo\n"), err


def test_a_python_that_is_too_old_makes_nothing_and_is_called_by_its_version(quick):
    old = quick.replaces(quick.folder.parent / "python3.9", (3, 9, 18))
    done = quick.dev("demo", PYTHON=str(old))
    assert done.returncode == 1
    said = done.stderr.splitlines()
    assert said[1] == f"dev: idstream needs Python 3.11 or later, and {old} is 3.9."
    assert "PYTHON=/path/to/python3 ./dev" in said[2]
    assert len(said) == 3
    assert not (quick.folder / ".venv").exists()
    quick.works()


def test_a_python_that_is_not_there_is_told(quick):
    done = quick.dev("demo", PYTHON="/no/such/python")
    assert done.returncode == 1
    assert "and /no/such/python is none" in done.stderr
    quick.works()


def test_another_python_is_looked_for_where_the_usual_one_is_too_old(one):
    one.replaces(one.bin / "python3", (3, 9, 18))
    (one.bin / "python3.12").symlink_to(PYTHON)
    one.works()


def test_a_python_that_was_upgraded_under_the_environment_makes_it_anew(quick):
    quick.works()
    quick.replaces(quick.folder / ".venv/bin/python", (3, 99, 0))
    quick.works()


def test_another_python_is_taken_when_it_is_named(quick):
    quick.works()
    other = quick.replaces(quick.folder.parent / "other", (3, 99, 0))
    done = quick.dev("demo", PYTHON=str(other))
    assert "dev: installing" in done.stderr


def test_a_clone_that_was_moved_makes_its_environment_anew(quick):
    quick.works()
    quick.folder = quick.folder.rename(quick.folder.with_name("elsewhere"))
    quick.works()


def half_made(venv: Path, state: str) -> None:
    match state:
        case "a file":
            venv.write_text("")
        case "an empty folder":
            venv.mkdir()
        case "without pip":
            subprocess.run([PYTHON, "-m", "venv", "--without-pip", venv], check=True)
        case "without its python":
            subprocess.run([PYTHON, "-m", "venv", "--without-pip", venv], check=True)
            (venv / "bin/python").unlink()
            (venv / "bin/python").symlink_to("/no/such/python3.11")
        case "an empty stamp":
            subprocess.run([PYTHON, "-m", "venv", "--without-pip", venv], check=True)
            (venv / "installed").write_text("")


@pytest.mark.parametrize(
    "state", ["a file", "an empty folder", "without pip", "without its python", "an empty stamp"]
)
def test_a_half_made_environment_is_made_anew(quick, state):
    half_made(quick.folder / ".venv", state)
    quick.works()


def test_new_pins_are_installed_over_what_is_there(one):
    one.works()
    kept = one.folder / ".venv/kept"
    kept.write_text("")
    (one.folder / "constraints.txt").write_text("tiny==1.0\n# moved\n")
    assert one.dev("demo").stderr.startswith("dev: installing")
    assert kept.exists()
    assert one.dev("demo").stderr == ""


def test_new_pins_that_could_not_be_installed_leave_no_old_stamp(quick):
    quick.works()
    (quick.folder / "constraints.txt").write_text("tiny==2.0\n")
    for _ in range(2):
        assert quick.dev("demo").returncode != 0
    (quick.folder / "constraints.txt").write_text("tiny==1.0\n")
    assert quick.dev("demo").stderr.startswith("dev: installing"), "nobody knows what was changed"
    quick.works()


def test_a_folder_that_venv_names_is_used_and_never_removed(quick):
    mine = quick.folder.parent / "mine"
    mine.mkdir()
    (mine / "letter").write_text("dear")
    quick.dev("demo", VENV=str(mine))
    assert (mine / "letter").read_text() == "dear"
    fresh = quick.folder.parent / "fresh"
    quick.works(VENV=str(fresh))
    assert not (quick.folder / ".venv").exists()


def test_an_environment_made_by_uv_can_be_added_to_by_pip(quick):
    quick.works()
    (quick.bin / "uv").unlink()
    (quick.folder / "constraints.txt").write_text("tiny==1.0\n# moved\n")
    quick.works()


def test_an_environment_is_made_anew_from_inside_itself(quick):
    quick.works()
    (quick.folder / ".venv/installed").unlink()
    path = f"{quick.folder / '.venv/bin'}:{quick.bin}"
    quick.works(PATH=path)
