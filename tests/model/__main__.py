"""Plays random runs for some seconds: ``python -m tests.model [SECONDS] [SEED] [--losses]``."""

import sys
import time
from collections import Counter

from tests.model.plans import plan
from tests.model.play import play
from tests.model.shrink import goes_wrong_like, shrunk
from tests.model.world import quiet_logs


def main(seconds: float, seed: int, *, with_losses: bool) -> int:
    """Play until the time is over or something is wrong; return the exit status."""
    runs, steps, ends = 0, 0, Counter[str]()
    until = time.monotonic() + seconds
    with quiet_logs():
        while time.monotonic() < until:
            chosen = plan(seed, runs, ("losses",) if with_losses else ())
            played = play(chosen)
            runs += 1
            steps += played.steps
            ends.update(played.ends)
            if played.wrong:
                short = shrunk(chosen, goes_wrong_like(chosen))
                played = play(short)
                print("\n".join(played.history))
                print(f"run {runs} of seed {seed}, shrunk: {played.wrong}\n{short}")
                return 1
    print(f"seed {seed}: {runs} runs, {steps} steps, nothing wrong; ends: {dict(ends)}")
    return 0


if __name__ == "__main__":
    numbers = [float(a) for a in sys.argv[1:] if not a.startswith("-")]
    sys.exit(
        main(
            numbers[0] if numbers else 60,
            int(numbers[1]) if len(numbers) > 1 else 1,
            with_losses="--losses" in sys.argv,
        )
    )
