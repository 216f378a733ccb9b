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
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE: Final = "processor/pipeline/native/batch.c"
TARGET: Final = "processor/pipeline/native/_batch.abi3.so"
TAG: Final = "cp311-abi3"
"""One build serves every Python from 3.11 on."""


class CustomBuildHook(BuildHookInterface):
    """Adds the compiled module to a wheel; to the sources where these are installed in place."""

    _folder = ""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say what the wheel is good for then."""
        wanted = os.environ.get("IDSTREAM_NATIVE", "")
        is_in_place = version == "editable"
        if is_in_place:
            Path(self.root, TARGET).unlink(missing_ok=True)  # it may be of another version
        if wanted == "0" or os.name != "posix":
            return
        self._folder = "" if is_in_place else mkdtemp()
        target = Path(self.root, TARGET) if is_in_place else Path(self._folder, "_batch.so")
        problem = compiled(Path(self.root, SOURCE), target)
        if problem is None:
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["pure_python"] = False
            build_data["tag"] = f"{TAG}-{platform}"
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
        f"-I{sysconfig.get_path('include')}", str(source), "-o", str(made),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    except (OSError, subprocess.SubprocessError) as failure:
        return f"{compiler[0]} could not be run: {failure}"
    if done.returncode:
        return f"{shlex.join(command)} failed:\n{done.stderr[-2000:]}"
    made.replace(target)  # a process that has the old one loaded keeps it
    return None


def _compiler() -> list[str] | None:
    """Return the command of a C compiler: the one that CC names, Python's own, or any."""
    configured = sysconfig.get_config_var("CC") or ""
    for command in (os.environ.get("CC", ""), configured, "cc", "gcc", "clang"):
        words = shlex.split(command)
        if words and shutil.which(words[0]):
            return words
    return None
