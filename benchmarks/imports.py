"""How many rows a second does `idstream import` take, and what is the limit?

`python -m benchmarks.imports` imports a file of a million people, as CSV and as JSON lines: two
identities and ten attributes a row, one row in a hundred bad. Each is imported once by itself, then
killed three times and gone on with; all rows must be in once. Before that, what reading, judging
and making a batch of each row takes in this process, without a broker.
"""

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.outside import load_average, machine, versions
from processor.commands.imports.opening import opened
from processor.commands.imports.options import ImportOptions, files_of, rules_of
from processor.imports.reader import Plan
from processor.imports.table import Stamp
from processor.settings import load_text
from tests.faults.files import CONFIG, WRITERS, Form, Imports

FORMS: tuple[Form, ...] = ("csv", "jsonl")
AMIDST_S = (6.0, 15.0)
"""After so many seconds an import is killed: some of its rows are in then."""
SOME = 100_000
"""Rows that are read in this process."""


def read_alone(folder: Path, form: Form) -> float:
    """Return how much CPU a row takes until it is a batch that could be sent, µs."""
    path = folder / f"alone.{form}"
    WRITERS[form](path, SOME, set())
    settings = load_text(CONFIG.format(bootstrap="127.0.0.1:9", topic="people"), {})
    (one,) = files_of(ImportOptions("default", [path]))
    plan = Plan(rules_of(settings, "default"), settings.limits, Stamp(one.import_id, "production"))
    with opened(one, plan) as file:
        began = time.process_time()
        for _ in file.reader.rows(0):
            pass
        return (time.process_time() - began) / SOME * 1e6


def main(options: argparse.Namespace) -> None:
    """Measure, and print."""
    before = load_average()
    for form in options.forms:
        with tempfile.TemporaryDirectory(prefix="idstream-imports-") as name:
            folder = Path(name)
            least = min(read_alone(folder, form) for _ in range(options.rounds))
            print(f"{form}: read and judged, {least:.1f} µs of CPU a row", flush=True)
            imports = Imports(folder, options.rows, form)
            try:
                for _ in range(options.rounds):
                    print(imports.alone(), flush=True)
                wrong = imports.killed(options.kills, options.seed, print, AMIDST_S)
            finally:
                imports.close()
            print(f"{form}: {wrong or f'killed {options.kills} times, every row is in once'}")
    print(f"{machine()}; {versions('no Redis')}; load average {before:.1f} to {load_average():.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.imports", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=1, help="how often each is imported alone")
    parser.add_argument("--seed", type=int, default=17, help="when it is killed")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=FORMS)
    main(parser.parse_args())
