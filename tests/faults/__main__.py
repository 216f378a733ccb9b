"""The whole fault suite: ``python -m tests.faults``; ``--help`` lists what can be chosen."""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.faults import aged, commands, losses, outages, recovery
from tests.faults.deployment import Deployment
from tests.faults.erased import Plan, erase_under_fire
from tests.faults.files import Imports
from tests.faults.guards import MEANT, complaints_with, complaints_without, is_told
from tests.faults.stage import Servers, Stage
from tests.faults.storm import Weather, storm
from tests.faults.strikes import AGAINST_ALL, AGAINST_ONE, CRASHES, EVERY, SLOW
from tests.faults.table import table
from tests.faults.unguarded import GUARDS
from tests.model.__main__ import main as play_model

NAMES = ("anna", "bert", "cleo", "dora")
MODEL_SECONDS = 120
LOSS_RECORDS = 6000
AGEING_LOAD = 16_000, 4_000
"""Batches and requests: five minutes, and a tenth of it again while faults last."""
AGEING_RATE = 70.0
ERASURE_RATE = 30.0
"""Until all have died, a quarter of an hour: everything is then read three times more."""
AGEING_TURNS = 4
"""Deaths at each point of sweeps, of which there is one a minute."""


def main(arguments: list[str]) -> int:
    """Run the parts that are asked for, print what they found, return the exit status."""
    asked = _parser().parse_args(arguments)
    status = 0
    print(f"seed {asked.seed}", flush=True)
    for name in asked.parts or PARTS:
        print(f"---- {name}: {PARTS[name].__doc__}", flush=True)
        status |= PARTS[name](asked)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description=__doc__,
        epilog="\n".join(["parts:", *(f"  {n:<10}{part.__doc__}" for n, part in PARTS.items())]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batches", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=150, help="records a second")
    parser.add_argument("--bad", type=float, default=0.1, help="share of bad input")
    parser.add_argument("--kills", type=int, default=30, help="kills at each crash point (30)")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the import (1,000,000)")
    parser.add_argument("--people", type=int, default=500, help="of the erasures (500)")
    parser.add_argument("--others", type=int, default=300, help="other faults, in all")
    parser.add_argument("--away", type=float, nargs="+", default=[25, 65], help="seconds (25 65)")
    parser.add_argument("--minutes", type=float, default=6, help="of the long outage (6)")
    parser.add_argument("--processors", type=int, default=3, choices=(1, 2, 3, 4))
    return parser


@contextmanager
def _servers() -> Iterator[Servers]:
    servers = Servers()
    try:
        yield servers
    finally:
        servers.close()


@contextmanager
def _stage(servers: Servers, names: tuple[str, ...]) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="idstream-faults-") as folder:
        stage = Stage(servers, Path(folder), names, is_timed=True)
        try:
            yield stage
        finally:
            stage.close()


def _model(asked: argparse.Namespace) -> int:
    """Loop, journal and index in any order of steps, without servers (3 minutes)."""
    return play_model(MODEL_SECONDS, asked.seed, with_losses=False) | play_model(
        MODEL_SECONDS / 2, asked.seed, with_losses=True
    )


def _guards(asked: argparse.Namespace) -> int:
    """Each guard switched off: the check that is meant to tells it, and not else (10 minutes)."""
    status = 0
    with _servers() as servers:
        for guard in GUARDS:
            complaints = complaints_without(guard, servers, asked.seed)
            told = "told" if is_told(guard, complaints) else "NOT told"
            print(f"without {guard:<14}{told} by: {MEANT[guard]}", flush=True)
            print(f"    {len(complaints)} complaints: {complaints[:1]}", flush=True)
            control = complaints_with(guard, servers, asked.seed)
            print(f"    the same with it: {control or 'all holds'}", flush=True)
            status |= not is_told(guard, complaints) or bool(control)
    return status


def _losses(asked: argparse.Namespace) -> int:
    """Redis loses acknowledged writes; and restarts that lose nothing (7 minutes)."""
    status, seed = 0, asked.seed

    def tell(what: str, wrong: list[str], is_well: str = "noticed and mended") -> None:
        nonlocal status
        print(f"{what:<40}{wrong or is_well}", flush=True)
        status |= bool(wrong)

    ways: dict[str, Callable[[Servers], None]] = {
        "FLUSHALL": losses.flush,
        "restart without data": losses.restart_without_data,
    }
    harmless: dict[str, Callable[[Servers], None]] = {
        "healthy restart, known users only": losses.restart,
        "connections reset, known users only": losses.reset,
    }
    with _servers() as servers:
        for what, lose in ways.items():
            with _stage(servers, NAMES[:2]) as stage:
                do = partial(lose, servers)
                tell(what, losses.lose_and_restore(stage, do, LOSS_RECORDS, times=2, seed=seed))
        with _stage(servers, NAMES[:2]) as stage:
            do = partial(losses.flush_between_lives, stage)
            tell("FLUSHALL between two lives", losses.lose_and_restore(stage, do, 2400, seed=seed))
        with _stage(servers, NAMES[:2]) as stage, losses.failover(stage) as fail_over:
            tell("failover", losses.lose_and_restore(stage, fail_over, LOSS_RECORDS, seed=seed))
        for what, disturb in harmless.items():
            with _stage(servers, NAMES[:2]) as stage:
                do = partial(disturb, servers)
                tell(what, losses.seem_to_lose(stage, do, seed), "no alarm")
    return status


def _recovery(asked: argparse.Namespace) -> int:
    """How long it takes until work goes on: numbers, nothing is judged (6 minutes)."""
    with _servers() as servers:
        for line in recovery.report(servers, asked.seed):
            print(line, flush=True)
    return 0


def _outages(asked: argparse.Namespace) -> int:
    """The broker away at each point of a commit, and for six minutes (20 minutes)."""
    status = 0
    with _servers() as servers:
        for seconds in asked.away:
            found = outages.away(servers, seconds, transaction_s=outages.TRANSACTION_S)
            print("\n".join(outages.told(found, seconds)), flush=True)
            status |= any(one.wrong for one in found)
        if shutil.which("prometheus") is None:
            print("no Prometheus here (Debian: prometheus): what it sees was NOT tried", flush=True)
            return status
        sight = outages.watched(servers, asked.minutes * 60)
        print("\n".join(outages.seen(sight, asked.minutes * 60)), flush=True)
        broken = outages.broken(sight)
        print(f"    {broken or 'as promised'}", flush=True)
        return status | bool(broken)


def _storm(asked: argparse.Namespace) -> int:
    """Load under every kind of fault, everything checked (an hour and more)."""
    weather = Weather(
        asked.seed,
        asked.batches,
        asked.requests,
        asked.rate,
        asked.bad,
        strikes(asked.kills, asked.others),
    )
    with _servers() as servers, _stage(servers, NAMES[: asked.processors]) as stage:
        report = storm(stage, weather, _tell)
    print(table(report), flush=True)
    return 0 if report.is_clean else 1


def _commands(asked: argparse.Namespace) -> int:
    """Restore, reindex and replay killed --kills times at each of their points (15 minutes)."""
    ways = {
        "restore": (commands.restores_killed, commands.RESTORE_POINTS),
        "reindex": (commands.reindexes_killed, commands.REINDEX_POINTS),
        "replay": (commands.replays_killed, commands.REPLAY_POINTS),
    }
    status = 0
    with _servers() as servers:
        for name, (kill, points) in ways.items():
            servers.redis.client.flushall()
            with tempfile.TemporaryDirectory(prefix="idstream-faults-") as folder:
                deployment = Deployment(servers.kafka, servers.redis, Path(folder), asked.seed)
                try:
                    killed = kill(deployment, asked.kills, _tell)
                finally:
                    deployment.processor.close()
            for point in points:
                print(f"{f'{name}: {point}':<34}{killed.kills[point]:>7} kills")
            wrong = killed.wrong[:5]
            print(f"{name:<34}{wrong or 'ends as if nothing had happened'}", flush=True)
            status |= bool(wrong) or any(killed.kills[p] < asked.kills for p in points)
    return status


def _imports(asked: argparse.Namespace) -> int:
    """An import of --rows rows killed --kills times, and what it costs left alone (10 minutes)."""
    with tempfile.TemporaryDirectory(prefix="idstream-faults-") as folder:
        imports = Imports(Path(folder), asked.rows)
        try:
            print(imports.alone(), flush=True)
            wrong = imports.killed(asked.kills, asked.seed, _tell)
        finally:
            imports.close()
    print(f"{'import':<34}{wrong or 'every row is in once'}", flush=True)
    return bool(wrong)


def _erasure(asked: argparse.Namespace) -> int:
    """People erased as processors die at each point: nobody comes back (15 minutes)."""
    plan = Plan(
        asked.seed,
        people=asked.people,
        records=asked.people * 12,
        erased=max(1, asked.people // 20),
        kills=min(asked.kills, 2),
        rate=min(asked.rate, ERASURE_RATE),
    )
    with _servers() as servers, tempfile.TemporaryDirectory(prefix="idstream-faults-") as folder:
        lines, wrong = erase_under_fire(servers, Path(folder), plan, _tell)
    print("\n".join(lines))
    print(f"{'erasure':<34}{wrong or 'nobody is there, and everybody else as before'}", flush=True)
    return bool(wrong)


def _ageing(asked: argparse.Namespace) -> int:
    """People who age under every fault; restored, and all inputs once more (15 minutes)."""
    strikes = [*EVERY, *(name for name in SLOW for _ in range(AGEING_TURNS - 1))]
    plan = aged.Plan(asked.seed, *AGEING_LOAD, min(asked.rate, AGEING_RATE), strikes)
    with _servers() as servers, tempfile.TemporaryDirectory(prefix="idstream-faults-") as folder:
        done = aged.age_under_fire(servers, Path(folder), plan, _tell)
    print(table(done.report), flush=True)
    print("\n".join(done.lines), flush=True)
    for name, wrong in done.wrong.items():
        if name not in done.report.wrong:
            print(f"{name:<44}{'BROKEN' if wrong else 'holds'}", flush=True)
            print("".join(f"    {one}\n" for one in wrong), end="", flush=True)
    return int(any(done.wrong.values()))


def _tell(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, file=sys.stderr, flush=True)


def strikes(kills: int, others: int) -> list[str]:
    """Return so many kills at each point, and as many others in turn.

    What waits for a sweep comes once: a storm has few, and each may take minutes to be met. Where
    people age sweeps never end, so that is where they are struck again and again.
    """
    points = [name for name in CRASHES if name not in SLOW]
    kinds = [name for name in (*AGAINST_ONE, *AGAINST_ALL) if name not in SLOW]
    killed = [name for name in points for _ in range(kills)]
    return [*sorted(SLOW), *killed, *(kinds[n % len(kinds)] for n in range(others))]


PARTS: dict[str, Callable[[argparse.Namespace], int]] = {
    "model": _model,
    "recovery": _recovery,
    "losses": _losses,
    "guards": _guards,
    "commands": _commands,
    "imports": _imports,
    "erasure": _erasure,
    "ageing": _ageing,
    "outages": _outages,
    "storm": _storm,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
