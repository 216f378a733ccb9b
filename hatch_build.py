"""Compiles what of the hot path there is in C, where there is a compiler; without it all is Python.

``IDSTREAM_NATIVE=0`` leaves it out, ``IDSTREAM_NATIVE=1`` has an installation fail without it
(docs/deployment.md, "Native code").
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags

SOURCE: Final = "processor/pipeline/native/batch.c"
TARGET: Final = "processor/pipeline/native/_batch.abi3.so"
PYTHONS: Final = ("cp311", "abi3")
"""One build serves every Python from 3.11 on."""


class CustomBuildHook(BuildHookInterface):
    """Adds the compiled module to a wheel; to the sources where these are installed in place."""

    _folder = ""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say what the wheel is good for then."""
        wanted = os.environ.get("IDSTREAM_NATIVE", "")
        is_in_place = version == "editable"
        if is_in_place:
            with suppress(OSError):  # in a folder that is only read nothing is compiled either
                Path(self.root, TARGET).unlink(missing_ok=True)  # it may be of another version
        if wanted == "0" or os.name != "posix":
            return
        self._folder = "" if is_in_place else mkdtemp()
        target = Path(self.root, TARGET) if is_in_place else Path(self._folder, "_batch.so")
        tag, problem = wheel_tag(), "this Python has no limited API"
        if tag is not None:
            problem = compiled(Path(self.root, SOURCE), target)
        if problem is None:
            build_data["pure_python"] = False
            build_data["tag"] = tag
            if not is_in_place:
                build_data["force_include"][str(target)] = TARGET
        elif wanted == "1":
            raise RuntimeError(f"IDSTREAM_NATIVE=1, but {problem}")
        else:
            self.app.display_warning(f"without native code, which is slower: {problem}")

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled for a wheel."""
        del version, build_data, artifact_path
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)


def wheel_tag() -> str | None:
    """Return the tag of a wheel with native code, as installers of this Python take it.

    None where they take none: PyPy, Python without its lock. What sysconfig calls the platform is
    not always what installers call it, as on macOS, or where Python has 32 bits and the kernel 64.
    """
    several = ("manylinux", "musllinux")  # for those it would have to be tried with old libraries
    tags = (tag for tag in sys_tags() if not tag.platform.startswith(several))
    return next((str(tag) for tag in tags if (tag.interpreter, tag.abi) == PYTHONS), None)


def compiled(source: Path, target: Path) -> str | None:
    """Compile *source* to *target*; return what was in the way, if anything."""
    compiler = _compiler()
    if compiler is None:
        return "there is no C compiler"
    shared = (
        ["-bundle", "-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-shared"]
    )
    made = target.with_suffix(".new")
    command = [
        *compiler, "-O2", "-fPIC", "-fvisibility=hidden", *shared,
        f"-I{sysconfig.get_path('include')}", f'-DSOURCE="{fingerprint(source)}"',
        str(source), "-o", str(made),
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=120
        )
        if done.returncode:
            return f"{shlex.join(command)} failed:\n{done.stderr[-2000:]}"
        made.replace(target)  # a process that has the old one loaded keeps it
    except (OSError, subprocess.SubprocessError) as failure:
        return f"{shlex.join(command)} did not work: {failure}"
    finally:
        with suppress(OSError):
            made.unlink(missing_ok=True)
    return None


def fingerprint(source: Path) -> str:
    """Return what tells *source* from what it was: the module that is made of it says so."""
    return sha256(source.read_bytes()).hexdigest()[:16]


def _compiler() -> list[str] | None:
    """Return the command of a C compiler: the one that CC names, Python's own, or any."""
    configured = sysconfig.get_config_var("CC") or ""
    for command in (os.environ.get("CC", ""), configured, "cc", "gcc", "clang"):
        words = shlex.split(command)
        if words and shutil.which(words[0]):
            return words
    return None
