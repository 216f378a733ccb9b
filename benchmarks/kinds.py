"""What does each kind of record cost, beside one of a known user?

Each kind has its own topics, Redis and rules, and a processor of its own; they take turns. `merge`
and `login` end when every pair is merged and every device signed in, so their rounds are shorter.
"""

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.form import Form
from benchmarks.loads import Load, avro, changed, flat, known, login, merge, new, segment
from benchmarks.play import IDSTREAM, Play
from benchmarks.rounds import in_turns
from benchmarks.stage import Stage
from benchmarks.table import COSTS, Measurement, Plot, Table, cpu, ratios, table

REFERENCE = "known"


def loads(form: Form) -> list[Load]:
    """Return a load of each kind."""
    many = form.records(130_000, 600_000)
    returning = [known(), changed(), new(), flat(), avro(), segment()]
    once = form.records(20_000, 200_000)
    return [*(replace(load, count=many) for load in returning), login(once), merge(once)]


def measure(stage: Stage, form: Form) -> Iterator[Measurement]:
    """Yield what a record of each kind cost in each round."""
    plays = {load.name: Play(stage, IDSTREAM, load, form.rounds) for load in loads(form)}
    yield from in_turns(plays, form.rounds, form.seconds)


def tables(measurements: list[Measurement]) -> list[Table]:
    """Return the kinds, and what they are."""
    columns = [*COSTS, *ratios(REFERENCE)]
    named = {load.name: load.says for load in loads(Form())}
    meant = [[one, named[one]] for one in dict.fromkeys(m.subject for m in measurements)]
    return [table(measurements, "kind", columns), Table(["kind", "what its records are"], meant)]


def plots(measurements: list[Measurement]) -> list[Plot]:
    """Return the CPU of a record, by kind."""
    series = cpu(measurements, "worker", "Redis")
    return [Plot("kinds", "A record of each kind", "", "µs of CPU", series, bars=True)]
