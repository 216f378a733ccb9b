"""What do poll batches, identities and bytes change?

Known users throughout. One thing differs from the reference (poll batches of up to 500 records,
three identities, four events, 1.9 KB) in each row.
"""

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.form import Form
from benchmarks.loads import known
from benchmarks.play import IDSTREAM, Play
from benchmarks.rounds import in_turns
from benchmarks.stage import Stage
from benchmarks.table import COSTS, Measurement, Plot, Table, median, points, ratios, table

REFERENCE = "500 records a poll batch"
POLL_BATCHES, MORE_POLL_BATCHES = (50, 500, 2000), (20, 100, 200, 1000)
IDENTITIES, MORE_IDENTITIES = (10,), (6, 18)
EVENTS, MORE_EVENTS = (1, 20), (10, 80)


def measure(stage: Stage, form: Form) -> Iterator[Measurement]:
    """Yield what a batch cost at each size in each round."""
    count = form.records(130_000, 400_000)
    load = replace(known(), count=count)
    plays = {
        f"{most} records a poll batch": Play(stage, IDSTREAM, load, form.rounds, most=most)
        for most in sorted(POLL_BATCHES + MORE_POLL_BATCHES * form.long)
    }
    for identities in sorted(IDENTITIES + MORE_IDENTITIES * form.long):
        name = f"{identities} identities"
        load = replace(known(identities=identities), count=count, name=name)
        plays[name] = Play(stage, IDSTREAM, load, form.rounds)
    for events in sorted(EVENTS + MORE_EVENTS * form.long):
        size = len(known(events=events).make(0).value) / 1000
        name = f"{size:.1f} KB, {events} events"
        load = replace(known(events=events), count=count, name=name)
        plays[name] = Play(stage, IDSTREAM, load, form.rounds)
    yield from in_turns(plays, form.rounds, form.seconds)


def tables(measurements: list[Measurement]) -> list[Table]:
    """Return a row for each size."""
    return [table(measurements, "what differs", [*COSTS, *ratios(REFERENCE)])]


def plots(measurements: list[Measurement]) -> list[Plot]:
    """Return the worker's CPU by poll batch, by identities and by bytes."""
    reference = median(measurements, REFERENCE, "worker_us")
    kinds = {
        "poll-batches": ("a poll batch", "records of a poll batch at most", None),
        "identities": ("identities", "identities of a batch", 3),
        "bytes": ("KB", "KB of a batch", len(known().make(0).value) / 1000),
    }
    made = []
    for name, (word, x, place) in kinds.items():
        series = points([one for one in measurements if word in one.subject], "worker_us")
        if place is not None and reference is not None:
            series = sorted([*series, (place, reference)])
        made.append(Plot(f"sizes-{name}", f"By {x}", x, "µs of worker CPU", {"worker": series}))
    return made
