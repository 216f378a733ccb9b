"""The whole fault suite: ``python -m tests.faults``; ``--help`` lists what can be chosen."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.stage import Servers, Stage
from tests.faults.storm import Weather, storm
from tests.faults.strikes import AGAINST_ALL, AGAINST_ONE, CRASHES
from tests.faults.table import table

NAMES = ("anna", "bert", "cleo", "dora")


def main(arguments: list[str]) -> int:
    """Run what is asked for and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batches", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=150, help="records a second")
    parser.add_argument("--bad", type=float, default=0.1, help="share of bad input")
    parser.add_argument("--kills", type=int, default=30, help="kills at each crash point")
    parser.add_argument("--others", type=int, default=300, help="other faults, in all")
    parser.add_argument("--processors", type=int, default=3, choices=(1, 2, 3, 4))
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="idstream-faults-") as folder:
        servers = Servers()
        stage = Stage(servers, Path(folder), NAMES[: asked.processors])
        try:
            report = storm(
                stage,
                Weather(
                    asked.seed,
                    asked.batches,
                    asked.requests,
                    asked.rate,
                    asked.bad,
                    strikes(asked.kills, asked.others),
                ),
                lambda line: print(time.strftime("%H:%M:%S"), line, file=sys.stderr, flush=True),
            )
        finally:
            stage.close()
            servers.close()
    print(table(report))
    return 0 if report.is_clean else 1


def strikes(kills: int, others: int) -> list[str]:
    """Return so many kills at each point, and as many others in turn."""
    kinds = [*AGAINST_ONE, *AGAINST_ALL]
    return [*list(CRASHES) * kills, *(kinds[n % len(kinds)] for n in range(others))]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
