"""How long does a batch take at a quarter, half and three quarters of full load?

First the processor drains as fast as it can: that is its full load, in this run, on this machine.
Then batches of known users come at a share of that rate. *Published* is from the input record's
timestamp to the output record's; *readable* is until a `read_committed` consumer has it, so until
its transaction of 100 ms is committed. Sender and reader share the machine with Kafka, Redis and
the processor: where all of them fill its cores, as at three quarters on two, each waits for them.
"""

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from benchmarks.feed import Reader, feeding
from benchmarks.form import Form
from benchmarks.loads import again, known
from benchmarks.play import IDSTREAM, Play, Running
from benchmarks.stage import PARTITIONS, Stage
from benchmarks.table import WORKER, Column, Measurement, Plot, Table, points, table

SHARES = (25, 50, 75)
WARM_UP_S = 3.0
Place = tuple[int, int]
"""A record's partition and offset in the input."""
FULL = "full load"


def measure(stage: Stage, form: Form) -> Iterator[Measurement]:
    """Yield the full rate, then the times at each share of it."""
    load = replace(known(), name="latency", count=form.records(70_000, 200_000))
    with Play(stage, IDSTREAM, load) as play:
        play.prepare()
        with play.run() as running:
            running.settle([0] * PARTITIONS, load.count * 0.8)
            full = running.window(form.seconds, load.count * 0.97)
            yield Measurement(FULL, 0, full)
            running.wait(load.count)
            first = load.prepared + load.count
            for number in range(form.rounds):
                for share in SHARES:
                    rate = full["rate"] * share / 100
                    values = at_rate(play, running, rate, first, 1.5 * form.seconds)
                    first += int(values.pop("sent"))
                    yield Measurement(f"{share} % of it", number, values)


def at_rate(
    play: Play, running: Running, rate: float, first: int, seconds: float
) -> dict[str, float]:
    """Return the times of batches at a rate, after a warm-up, and what they cost."""
    reader = Reader(play, play.topic("enriched"))
    published: dict[Place, int] = {}
    readable: dict[Place, float] = {}

    def read_for(how_long: float) -> None:
        ends = time.monotonic() + how_long
        while time.monotonic() < ends:
            for place, at, now in reader.seen():
                published[place], readable[place] = at, now

    with feeding(play, rate, again(play.load, first)) as feed:
        read_for(WARM_UP_S)
        began, since = running.moment(), time.time() * 1000
        read_for(seconds)
        cost, until = running.cost_since(began), time.time() * 1000
    read_for(1.0)
    counted = {place: at for place, at in feed.sent.items() if since <= at < until}
    deadline = time.monotonic() + 60
    while not counted.keys() <= readable.keys():
        assert time.monotonic() < deadline, "not everything came out within a minute"
        read_for(0.5)
    reader.close()
    return {
        "sent": feed.count,
        **cost,
        **waits(counted, published, readable),
    }


def waits(
    sent: Mapping[Place, float], published: Mapping[Place, float], readable: Mapping[Place, float]
) -> dict[str, float]:
    """Return the percentiles of what records waited that were *sent*: moments in ms, by place."""
    return {
        **percentiles("published", [published[place] - at for place, at in sent.items()]),
        **percentiles("readable", [readable[place] - at for place, at in sent.items()]),
    }


def percentiles(name: str, took: Sequence[float]) -> dict[str, float]:
    """Return the 50th and the 99th percentile, by name."""
    cuts = statistics.quantiles(took, n=100, method="inclusive")
    return {f"{name}_p50": cuts[49], f"{name}_p99": cuts[98]}


def tables(measurements: list[Measurement]) -> list[Table]:
    """Return a row for each share."""
    columns = [
        Column("batches/s", "rate"),
        Column("published p50, ms", "published_p50"),
        Column("p99", "published_p99"),
        Column("readable p50, ms", "readable_p50"),
        Column("p99", "readable_p99"),
        WORKER,
    ]
    return [table(measurements, "load", columns)]


def plots(measurements: list[Measurement]) -> list[Plot]:
    """Return the times by share."""
    shares = [one for one in measurements if one.subject != FULL]
    series = {
        f"{name} {rank}": points(shares, f"{name}_{rank}")
        for name in ("published", "readable")
        for rank in ("p50", "p99")
    }
    return [Plot("latency", "From record to output", "% of full load", "ms", series)]
