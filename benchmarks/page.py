"""Writes docs/performance.md and its plots from what the benchmarks measured last."""

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

from benchmarks.outside import BESIDE
from benchmarks.results import Result
from benchmarks.table import Plot

HEAD = """\
# Performance

Written by `./dev bench`; do not edit. Read the ratios: they were measured within one run, with
everything on one machine, and say more than the figures, which are of that machine.

## How it is measured


- A real Kafka, a Valkey with an append-only file, and the command `idstream run` with a
  configuration, as processes of one machine. Everything is looked at from outside: progress by the
  group's committed offsets, CPU by the operating system (all threads), Redis by its `INFO`.
- Exactly once, transactions of 100 ms, 16 partitions, poll batches of up to 500 records, one
  processor, unless a row says otherwise. Batches are of 1.9 KB with four events, three identities
  and two attributes, of 10,000 users.
- What is compared takes turns (A B A B) with topics and a Redis of its own. Each turn starts a
  process, whose first records are not counted. A figure is the median of the turns, a ratio the
  median of the ratios within each round.
- *µs CPU* is CPU time per record; of the broker it holds the benchmark's own reading and its share
  of each transaction. *In scripts* is the time that Redis says its scripts took.
- `./dev bench NAME` runs one benchmark, `--long` its long form,
  [benchmarks/](../benchmarks/loads.py) has what is sent.
"""


DISTURBED = (
    " (**others were at work on it: rates and times of this run say little, CPU per record more**)"
)


def write(results: Mapping[str, Result], modules: Mapping[str, ModuleType], docs: Path) -> None:
    """Write the page and the plots that it shows."""
    plots = docs / "performance"
    plots.mkdir(parents=True, exist_ok=True)
    for old in plots.glob("*.png"):
        old.unlink()
    draw([p for name, one in results.items() for p in modules[name].plots(one.measurements)], plots)
    (docs / "performance.md").write_text(text(results, modules))


def draw(plots: Iterable[Plot], folder: Path) -> None:
    """Draw plots into a folder, in the environment that has what it takes."""
    wanted = [asdict(plot) | {"path": str(folder / f"{plot.name}.png")} for plot in plots]
    command = [str(BESIDE), str(Path(__file__).with_name("plot.py"))]
    subprocess.run(command, input=json.dumps(wanted), text=True, check=True)


def text(results: Mapping[str, Result], modules: Mapping[str, ModuleType]) -> str:
    """Return the page."""
    where = {name: machine(result) for name, result in results.items()}
    is_one = len(set(where.values())) == 1
    sections = [HEAD, *([f"{next(iter(where.values()))}\n"] if is_one else [])]
    for name, result in results.items():
        question, explained = asked(modules[name])
        sections.append(f"## {question}\n\n{explained}\n")
        measured = result.measurements
        sections += [f"{one.markdown()}\n" for one in modules[name].tables(measured)]
        sections += [
            f"![{one.title}](performance/{one.name}.png)\n" for one in modules[name].plots(measured)
        ]
        its = "" if is_one else f" {where[name]}"
        sections.append(f"`./dev bench {name}`, {told(result)}.{its}\n")
    return "\n".join(sections)


def machine(result: Result) -> str:
    """Return what a benchmark ran on, with the versions that took part."""
    return f"{result.machine}; {result.versions}."


def told(result: Result) -> str:
    """Return when and under what conditions a benchmark ran."""
    rounds = 1 + max(one.round for one in result.measurements)
    return (
        f"{result.form} form, {rounds} round{'s' * (rounds > 1)}, {result.day},"
        f" commit {result.commit}; the machine's load average was {result.load_before:.1f} before"
        f" and {result.load_after:.1f} after{DISTURBED if result.is_disturbed else ''}"
    )


def asked(module: ModuleType) -> tuple[str, str]:
    """Return a benchmark's question, and what its documentation says after it.

    Documentation links as seen from docs/.
    """
    question, _, explained = (module.__doc__ or "").partition("\n\n")
    return re.sub(r"\s+", " ", question), explained.strip()
