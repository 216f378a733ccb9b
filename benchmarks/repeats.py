"""How much of the load must repeat for repeating to pay?

Known users, of whose batches a share brings a counter as an attribute (the number of sessions,
say): such a batch says what was never said before. The others say what their user's last one did.
"""

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.form import Form
from benchmarks.loads import known
from benchmarks.play import IDSTREAM, Play
from benchmarks.rounds import in_turns
from benchmarks.stage import Stage
from benchmarks.table import COSTS, Measurement, Plot, Table, cpu, ratios, table

REFERENCE = "100 % repeat"
SHARES, MORE_SHARES = (100, 50, 0), (95, 90, 75, 25)


def measure(stage: Stage, form: Form) -> Iterator[Measurement]:
    """Yield what a batch cost at each share in each round."""
    plays = {}
    for share in sorted(SHARES + MORE_SHARES * form.long, reverse=True):
        name = f"{share} % repeat"
        load = replace(
            known(counters=1 - share / 100),
            count=form.records(130_000, 600_000),
            name=name,
            same_as={100: "known", 0: "changed attribute"}.get(share, ""),
        )
        plays[name] = Play(stage, IDSTREAM, load, form.rounds)
    yield from in_turns(plays, form.rounds, form.seconds)


def tables(measurements: list[Measurement]) -> list[Table]:
    """Return a row for each share."""
    return [table(measurements, "of the batches", [*COSTS, *ratios(REFERENCE)])]


def plots(measurements: list[Measurement]) -> list[Plot]:
    """Return the CPU of a batch, by share."""
    series = cpu(measurements, "worker", "Redis")
    return [Plot("repeats", "By what repeats", "% of batches that repeat", "µs of CPU", series)]
