"""What is installed has native code where there is a compiler; without one all of it is Python."""

import importlib.machinery
import importlib.util
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.docs.pages import ROOT

COMPILER = shutil.which("cc") or shutil.which("gcc")
needs_compiler = pytest.mark.skipif(
    COMPILER is None and os.environ.get("CI") != "true", reason="there is no C compiler"
)
SOURCE = "processor/pipeline/native/batch.c"
TARGET = "processor/pipeline/native/_batch.abi3.so"
PLAIN = {"pure_python": True, "force_include": {}}


class Hook:
    """What hatchling hands to a hook: the folder, and where warnings go."""

    def __init__(self, root: Path) -> None:
        self.root, self.app, self.told = str(root), self, []

    def display_warning(self, text: str) -> None:
        self.told.append(text)


@pytest.fixture
def hook(tmp_path, monkeypatch):
    """Return our hook over a folder with the source and nothing else."""
    name = "hatchling.builders.hooks.plugin.interface"
    interface = ModuleType(name)
    interface.BuildHookInterface = Hook
    monkeypatch.setitem(sys.modules, name, interface)
    monkeypatch.delenv("IDSTREAM_NATIVE", raising=False)
    monkeypatch.delenv("CC", raising=False)
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / SOURCE).parent.mkdir(parents=True)
    shutil.copy(ROOT / SOURCE, tmp_path / SOURCE)
    return module.CustomBuildHook(tmp_path)


def built(hook, version: str) -> dict:
    data = {"pure_python": True, "force_include": {}}
    hook.initialize(version, data)
    return data


@needs_compiler
def test_what_is_installed_in_place_has_native_code_in_place(hook):
    data = built(hook, "editable")
    target = Path(hook.root, TARGET)
    loader = importlib.machinery.ExtensionFileLoader("_batch", str(target))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("_batch", loader))
    loader.exec_module(module)
    assert module.recall(b"{}", 2, "app", {}) is None
    assert [path.name for path in target.parent.iterdir()].count(target.name) == 1
    assert not data["pure_python"]
    assert data["tag"].startswith("cp311-abi3-")
    assert hook.told == []


@needs_compiler
def test_a_wheel_has_native_code_and_leaves_nothing_behind(hook):
    data = built(hook, "standard")
    ((made, place),) = data["force_include"].items()
    assert place == TARGET
    assert not data["pure_python"]
    assert not Path(hook.root, TARGET).exists()
    assert Path(made).exists()
    hook.finalize("standard", data, "")
    assert not Path(made).parent.exists()


@pytest.mark.parametrize("version", ["standard", "editable"])
def test_without_a_compiler_all_is_python_and_that_is_told(hook, monkeypatch, version):
    if version == "editable":
        Path(hook.root, TARGET).write_text("of another version")
    monkeypatch.setenv("CC", shutil.which("false"))
    assert built(hook, version) == PLAIN
    assert "without native code" in hook.told[0]
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", "/nowhere")
    assert built(hook, version) == PLAIN
    assert "there is no C compiler" in hook.told[1]
    assert not Path(hook.root, TARGET).exists()


def test_who_wants_no_native_code_gets_none(hook, monkeypatch):
    monkeypatch.setenv("IDSTREAM_NATIVE", "0")
    Path(hook.root, TARGET).write_text("of a time when it was wanted")
    assert built(hook, "editable") == PLAIN
    assert not Path(hook.root, TARGET).exists()
    assert hook.told == []


def test_who_demands_native_code_is_told_why_there_is_none(hook, monkeypatch):
    monkeypatch.setenv("IDSTREAM_NATIVE", "1")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RuntimeError, match="IDSTREAM_NATIVE=1, but there is no C compiler"):
        built(hook, "standard")
