"""What is installed has native code where there is a compiler; without one all of it is Python."""

import importlib.machinery
import importlib.util
import os
import platform
import shutil
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest
from packaging.tags import sys_tags

from processor.pipeline import native
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
    monkeypatch.setitem(sys.modules, "hatch_build", module)
    spec.loader.exec_module(module)
    (tmp_path / SOURCE).parent.mkdir(parents=True)
    shutil.copy(ROOT / SOURCE, tmp_path / SOURCE)
    return module.CustomBuildHook(tmp_path)


def loaded(target: Path) -> ModuleType:
    """Return the module that was compiled to *target*."""
    loader = importlib.machinery.ExtensionFileLoader("_batch", str(target))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("_batch", loader))
    loader.exec_module(module)
    return module


def built(hook, version: str) -> dict:
    data = {"pure_python": True, "force_include": {}}
    hook.initialize(version, data)
    return data


@needs_compiler
def test_what_is_installed_in_place_has_native_code_in_place(hook):
    data = built(hook, "editable")
    target = Path(hook.root, TARGET)
    assert loaded(target).recall(b"{}", 2, "app", {}) is None
    assert sorted(path.name for path in target.parent.iterdir()) == [target.name, "batch.c"]
    assert not data["pure_python"]
    assert data["tag"].startswith("cp311-abi3-")
    assert data["tag"] in map(str, sys_tags())
    assert hook.told == []


@needs_compiler
def test_what_was_compiled_of_other_sources_is_not_used(hook):
    """As in a folder in which the sources went on, and nobody has installed them again."""
    (ours,) = built(hook, "standard")["force_include"]
    source = Path(hook.root, SOURCE)
    source.write_text(f"{source.read_text()}/* as it was */\n")
    (theirs,) = built(hook, "standard")["force_include"]
    module = loaded(Path(ours))
    assert native.recall_of(module) is module.recall
    assert native.recall_of(loaded(Path(theirs))) is None


def test_what_says_nothing_of_its_sources_is_not_used():
    assert native.recall_of(ModuleType("_batch")) is None


def test_the_fingerprint_that_is_asked_for_is_that_of_the_sources(hook):
    fingerprint = sys.modules["hatch_build"].fingerprint
    assert fingerprint(ROOT / SOURCE) == native.SOURCE, "set SOURCE in native/__init__.py anew"


@needs_compiler
def test_a_wheel_is_named_as_installers_name_the_platform(hook, monkeypatch):
    """Python of Homebrew leaves the minor version out, which they do not take."""
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "mac_ver", lambda: ("14.5", ("", "", ""), "arm64"))
    monkeypatch.setattr(sysconfig, "get_platform", lambda: "macosx-14-arm64")
    assert built(hook, "editable")["tag"] == "cp311-abi3-macosx_14_0_arm64"


def test_a_python_without_a_limited_api_gets_none(hook, monkeypatch):
    monkeypatch.setattr(sys.modules["hatch_build"], "sys_tags", lambda: iter(()))
    assert built(hook, "editable") == PLAIN
    assert "no limited API" in hook.told[0]


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


def test_a_compiler_that_makes_nothing_is_told_of(hook, monkeypatch):
    monkeypatch.setenv("CC", shutil.which("true"))
    assert built(hook, "editable") == PLAIN
    assert "without native code" in hook.told[0]


@needs_compiler
def test_where_it_cannot_be_put_all_is_python_and_that_is_told(hook):
    target = Path(hook.root, TARGET)
    target.mkdir()
    assert built(hook, "editable") == PLAIN
    assert "did not work" in hook.told[0]
    assert sorted(path.name for path in target.parent.iterdir()) == [target.name, "batch.c"]


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
