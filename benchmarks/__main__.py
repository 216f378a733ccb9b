"""Runs the benchmarks: all in their short forms, of which a page is written, or some by name."""

import argparse
import importlib
import os
import sys
import time
import traceback
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from types import ModuleType

from benchmarks import outside, page
from benchmarks.form import LONG, SHORT, Form
from benchmarks.results import Result, latest
from benchmarks.stage import Stage

MEASURED = (
    "throughput", "kinds", "profiles", "sizes", "repeats", "computed", "latency", "midnight",
    "memory", "startup", "workers",
)  # fmt: skip
"""Those that make up the page, in its order."""
OTHERS = ("storms", "restore", "ageing", "erasure", "imports")
"""Programs of their own, with arguments of their own."""


def module(name: str) -> ModuleType:
    """Return a benchmark."""
    return importlib.import_module(f"benchmarks.{name}")


def listed() -> str:
    """Return a line about each benchmark: the question that its documentation begins with."""
    lines = [f"  {name:<12}{page.asked(module(name))[0]}" for name in (*MEASURED, *OTHERS)]
    return "\n".join(lines)


def arguments(given: list[str]) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description="Without a name: all short forms, and docs/performance.md of them.",
        epilog=f"names:\n{listed()}\n\nThe last {len(OTHERS)} are programs of their own:"
        " python -m benchmarks.NAME --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="one or more of those below")
    parser.add_argument("--long", action="store_true", help="the long form: hours, for some")
    parser.add_argument("--rounds", type=int, help="how often each takes its turn")
    parser.add_argument("--seconds", type=float, help="how long each turn is looked at")
    parser.add_argument(
        "--page", action="store_true", help="write the page of what was measured last, and no more"
    )
    options = parser.parse_args(given)
    if unknown := [name for name in options.names if name not in MEASURED]:
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    return options


def form_of(options: argparse.Namespace) -> Form:
    """Return the form that was asked for."""
    form = LONG if options.long else SHORT
    given = {name: getattr(options, name) for name in ("rounds", "seconds")}
    return replace(form, **{name: value for name, value in given.items() if value is not None})


def run(stage: Stage, name: str, form: Form) -> Result:
    """Run a benchmark, telling each measurement as it comes, and keep what it found."""
    benchmark, before, commit = module(name), outside.load_average(), outside.commit()
    print(f"\n{page.asked(benchmark)[0]}\n", flush=True)
    measurements = []
    for one in benchmark.measure(stage, form):
        values = ", ".join(f"{key} {value:,.4g}" for key, value in one.values.items())
        print(f"  {one.subject}: {values}", flush=True)
        measurements.append(one)
    stage.clear()
    result = Result(
        name=name,
        commit=commit,
        day=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=outside.machine(),
        versions=outside.versions(stage.server),
        cores=os.cpu_count() or 1,
        form="long" if form.long else "short",
        load_before=before,
        load_after=outside.load_average(),
        measurements=measurements,
    )
    result.save()
    return result


def measure(names: Iterable[str], form: Form) -> list[str]:
    """Run benchmarks, one after the other, and show their tables; return those that failed."""
    failed, stage = [], Stage()
    try:
        for name in names:
            began = time.monotonic()
            try:
                result = run(stage, name, form)
            except Exception:  # noqa: BLE001 - whatever it is, the others are measured
                traceback.print_exc()
                failed.append(name)
                stage.clear()
                continue
            print(f"\n{result.machine}; {result.versions}; {page.told(result)}\n")
            for table in module(name).tables(result.measurements):
                print(f"{table.markdown()}\n")
            print(f"{name} took {time.monotonic() - began:.0f} s", flush=True)
    finally:
        stage.close()
    return failed


def write_page() -> None:
    """Write the page of what each benchmark measured last."""
    found = {name: latest(name) for name in MEASURED}
    results = {name: result for name, result in found.items() if result is not None}
    page.write(results, {name: module(name) for name in results}, outside.ROOT / "docs")
    print(f"\ndocs/performance.md tells of {', '.join(results)}")


def main(given: list[str]) -> None:
    """Do what the arguments say."""
    if given and given[0] in OTHERS:
        os.execv(sys.executable, [sys.executable, "-m", f"benchmarks.{given[0]}", *given[1:]])
    options = arguments(given)
    if not outside.BESIDE.exists():
        sys.exit("what benchmarks need beside is not installed: run them as ./dev bench")
    failed: list[str] = []
    if not options.page:
        failed = measure(options.names or MEASURED, form_of(options))
    if options.page or not options.names:
        write_page()
    if failed:
        sys.exit(f"failed, so the page tells of an earlier run if of any: {', '.join(failed)}")


if __name__ == "__main__":
    main(sys.argv[1:])
