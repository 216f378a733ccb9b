"""Plays that take turns, A B A B: so that what else the machine does falls on all alike."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

from benchmarks.play import Play
from benchmarks.table import Measurement


def in_turns(
    plays: Mapping[str, Play],
    rounds: int,
    seconds: float,
    prepare: Callable[[Play], None] = Play.prepare,
) -> Iterator[Measurement]:
    """Prepare every play, then let each have its turn in each round; yield what it cost."""
    with ExitStack() as stack:
        for play in plays.values():
            stack.enter_context(play)
        for subject, play in plays.items():
            began = time.monotonic()
            prepare(play)
            print(f"  {subject}: ready after {time.monotonic() - began:.0f} s", flush=True)
        for number in range(rounds):
            for subject, play in plays.items():
                yield Measurement(subject, number, play.round(seconds))
