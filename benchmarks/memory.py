"""Does memory stay flat?

A mixed load (80 % known users, 15 % with a changed attribute, 5 % new) at half of the full rate,
for a minute, or for an hour in the long form. Redis grows by the new users, a processor should not
grow at all.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from benchmarks.feed import feeding
from benchmarks.form import Form
from benchmarks.loads import mixed
from benchmarks.outside import resident_mib
from benchmarks.play import IDSTREAM, Play
from benchmarks.stage import PARTITIONS, Stage
from benchmarks.table import Column, Measurement, Plot, Table, points, table

RETENTION = {"retention_bytes": str(48 * 2**20), "segment_bytes": str(16 * 2**20)}
SHOWN = 7


def measure(stage: Stage, form: Form) -> Iterator[Measurement]:
    """Yield what processor and Redis hold, sixty times."""
    seconds = 3600.0 if form.long else 60.0
    load = replace(mixed(), count=70_000)
    with Play(stage, IDSTREAM, load, retention=RETENTION) as play:
        stage.kafka.alter_topic(play.input.then, **RETENTION)
        play.prepare()
        with play.run() as running:
            running.settle([0] * PARTITIONS, load.count * 0.8)
            rate = running.window(form.seconds, load.count * 0.97)["rate"] / 2
            running.wait(load.count)
            began = time.monotonic()
            with feeding(play, rate, map(load.make, count(load.prepared + load.count))):
                for number in range(61):
                    due = began + number * seconds / 60
                    running.wait_until(lambda due=due: time.monotonic() >= due)
                    values = {
                        "worker_mib": resident_mib(running.pid),
                        "redis_mib": play.redis.client.info("memory")["used_memory"] / 2**20,
                        "records": running.done(),
                    }
                    yield Measurement(f"{number * seconds / 60:,.0f} s", 0, values)


def tables(measurements: list[Measurement]) -> list[Table]:
    """Return a few of the moments, and how fast the second half grew."""
    step = max(1, (len(measurements) - 1) // (SHOWN - 1))
    columns = [
        Column("records so far", "records"),
        Column("worker, MiB", "worker_mib", "{:,.1f}"),
        Column("Redis, MiB", "redis_mib", "{:,.1f}"),
    ]
    grown = [growth(measurements, column) for column in columns]
    shown = table(measurements[::step], "after", columns)
    return [replace(shown, rows=[*shown.rows, ["grown in the second half", *grown]])]


def growth(measurements: list[Measurement], column: Column) -> str:
    """Return how much a value grew in the second half."""
    half = [one.values[column.value] for one in measurements[len(measurements) // 2 :]]
    return column.form.replace("{:", "{:+").format(half[-1] - half[0])


def plots(measurements: list[Measurement]) -> list[Plot]:
    """Return memory over time."""
    series = {
        "worker": points(measurements, "worker_mib"),
        "Redis": points(measurements, "redis_mib"),
    }
    return [Plot("memory", "Memory under a mixed load", "seconds", "MiB", series)]
