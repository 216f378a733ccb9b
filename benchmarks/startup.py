"""How long from a cold start to full speed?

A processor is started where plenty waits for it and Redis knows every user; another has just
stopped. *First commit* is when the first records are committed, *full speed* when a second's worth
of them came at 90 % of the rate of the last third.
"""

import itertools
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import replace

from benchmarks.form import Form
from benchmarks.loads import known
from benchmarks.play import IDSTREAM, Play
from benchmarks.stage import Stage
from benchmarks.table import Column, Measurement, Plot, Table, table

LOOK_S = 10.0


def measure(stage: Stage, form: Form) -> Iterator[Measurement]:
    """Yield the times of each start, and the rate second by second."""
    load = replace(known(), name="startup", count=form.records(600_000, 3_000_000), same_as="")
    with Play(stage, IDSTREAM, load) as play:
        play.prepare()
        for number in range(form.rounds):
            ready, samples = start(play, 2 * LOOK_S if form.long else LOOK_S)
            yield Measurement("start", number, {"ready_s": ready, **reached(samples)})
            for second, rate in enumerate(by_second(samples)):
                yield Measurement(f"{second + 1} s", number, {"rate": rate})


def start(play: Play, seconds: float) -> tuple[float, list[tuple[float, int]]]:
    """Start the processor; return when it said that it is ready, and how far it was when."""
    ready, samples = 0.0, []
    with play.run() as running:
        before = running.done()
        while (at := time.monotonic() - running.started) < seconds:
            done = running.done() - before
            samples.append((at, done))
            assert before + done < play.load.count, "the load ran dry"
            if not ready and is_ready(play.port):
                ready = time.monotonic() - running.started
            time.sleep(0.05)
    return ready, samples


def is_ready(port: int) -> bool:
    """Return whether the admin server says so."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def reached(samples: Sequence[tuple[float, int]]) -> dict[str, float]:
    """Return the rate of the last third, when the first records were done, and when that rate came.

    *samples* are seconds since the start and records done by then.
    """
    last = [one for one in samples if one[0] >= samples[-1][0] * 2 / 3]
    rate = (last[-1][1] - last[0][1]) / (last[-1][0] - last[0][0])
    first = next((at for at, done in samples if done), samples[-1][0])
    full = samples[-1][0]
    for at, done in samples:
        later = next((one for one in samples if one[0] >= at + 1), None)
        if done and later and (later[1] - done) / (later[0] - at) >= 0.9 * rate:
            full = at
            break
    return {"first_s": first, "full_s": full, "rate": rate}


def by_second(samples: Sequence[tuple[float, int]]) -> list[float]:
    """Return the records done in each full second."""
    at_second = [
        next(done for at, done in samples if at >= second)
        for second in range(int(samples[-1][0]) + 1)
    ]
    return [float(b - a) for a, b in itertools.pairwise(at_second)]


def tables(measurements: list[Measurement]) -> list[Table]:
    """Return the times, and the rate second by second."""
    columns = [
        Column("ready, s", "ready_s", "{:.1f}"),
        Column("first commit, s", "first_s", "{:.1f}"),
        Column("full speed, s", "full_s", "{:.1f}"),
        Column("batches/s then", "rate"),
    ]
    starts = [one for one in measurements if one.subject == "start"]
    return [table(starts, "median of starts", columns)]


def plots(measurements: list[Measurement]) -> list[Plot]:
    """Return the rate over the first seconds."""
    seconds = [one for one in measurements if one.subject != "start"]
    rates: dict[float, list[float]] = {}
    for one in seconds:
        rates.setdefault(float(one.subject.split()[0]), []).append(one.values["rate"])
    series = {"rate": [(at, statistics.median(found)) for at, found in sorted(rates.items())]}
    return [Plot("startup", "A start", "seconds", "batches/s", series)]
