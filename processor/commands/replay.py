"""``idstream replay``: dead letters back to the topics that they came from."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from processor.commands.failure import Failure
from processor.commands.progress import progress
from processor.crash import CrashPoints
from processor.kafka.replay import REASONS, Replay, Wanted
from processor.publish import RESERVED
from processor.settings import load


def replay(
    config: Path, environ: Mapping[str, str], reasons: Sequence[str], most: int | None
) -> None:
    """Put back letters of *reasons* (all, where none is given), *most* of them at most."""
    settings = load(config, environ)
    unknown = sorted(set(reasons) - set(REASONS))
    if unknown:
        raise Failure(f"there is no reason {unknown[0]}; there are {', '.join(REASONS)}")
    wanted = Wanted(
        reasons=frozenset(reasons or REASONS),
        inputs=frozenset(settings.kafka.topics.inputs),
        reserved=RESERVED,
        most=most,
    )
    run = Replay(settings.kafka, wanted, CrashPoints(environ).reach)
    try:
        with progress(f"reading {settings.kafka.topics.dead_letters}") as shown:
            for done, total in run.run():
                shown.at(done, total)
    finally:
        run.close()
    tally = run.tally
    for reason, count in sorted(tally.replayed.items()):
        sys.stdout.write(f"{reason}: {count:,} put back\n")
    if tally.no_input:
        sys.stdout.write(f"{tally.no_input:,} passed over: their topic is no input\n")
    if tally.too_large:
        sys.stdout.write(f"{tally.too_large:,} passed over: too large for their topic\n")
    sys.stdout.write(f"{tally.total():,} letters put back\n")
