"""What does resolving identity cost, beside doing nothing and beside what one would write by hand?

The same batches of known users go through three processors, one after the other, again and again:
[a pass-through](../benchmarks/passthrough.py) that hands on the bytes, idstream, and [a
peer](../benchmarks/peer.py) of Quix Streams and redis-py that works a record at a time. All three
commit transactions of 100 ms; the latter two have a Redis each.

What a record costs may be half as much again a minute later, by what else the host does. So they
take more turns than in other benchmarks; the ratios say more than the figures.
"""

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.form import Form
from benchmarks.loads import known
from benchmarks.play import BY_HAND, IDSTREAM, PASS_THROUGH, Play
from benchmarks.rounds import in_turns
from benchmarks.stage import Stage
from benchmarks.table import COSTS, Column, Measurement, Plot, Table, cpu, table

FEWEST_TURNS = 5
"""Median and ratios of fewer tell more of the host than of the processors."""


def measure(stage: Stage, form: Form) -> Iterator[Measurement]:
    """Yield what each processor did in each round."""
    load = replace(known(), count=form.records(600_000, 1_200_000))
    rounds = max(FEWEST_TURNS, form.rounds)
    plays = {one.name: Play(stage, one, load, rounds) for one in (PASS_THROUGH, IDSTREAM, BY_HAND)}
    yield from in_turns(plays, rounds, form.seconds)


def tables(measurements: list[Measurement]) -> list[Table]:
    """Return the processors side by side."""
    columns = [
        *COSTS,
        Column("rate / pass-through", "rate", "{:.3f}", PASS_THROUGH.name),
        Column("rate / by hand", "rate", "{:.1f}", BY_HAND.name),
        Column("worker / by hand", "worker_us", "{:.2f}", BY_HAND.name),
    ]
    return [table(measurements, "processor", columns)]


def plots(measurements: list[Measurement]) -> list[Plot]:
    """Return the CPU of a batch, by processor."""
    series = cpu(measurements, "worker", "Redis", "broker")
    return [Plot("throughput", "A batch of a known user", "", "µs of CPU", series, bars=True)]
