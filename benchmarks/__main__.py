"""Runs the benchmark that is named, with the arguments that follow; lists them where none is."""

import ast
import os
import sys
from pathlib import Path

BENCHMARKS = ("throughput", "formats", "storms", "restore")


def listed() -> str:
    """Return a line about each benchmark: the question that its documentation begins with."""
    lines = ["./dev bench NAME [ARGUMENTS]", ""]
    for name in BENCHMARKS:
        source = (Path(__file__).parent / f"{name}.py").read_text()
        question, _, _ = (ast.get_docstring(ast.parse(source)) or "").partition("?")
        lines.append(f"  {name:<12}{question}?")
    return "\n".join(lines)


def main() -> None:
    if len(sys.argv) == 1:
        print(listed())
        return
    name, *arguments = sys.argv[1:]
    if name not in BENCHMARKS:
        sys.exit(f"there is no benchmark {name}\n{listed()}")
    os.execv(sys.executable, [sys.executable, "-m", f"benchmarks.{name}", *arguments])


if __name__ == "__main__":
    main()
