"""What would the second, the fourth and the eighth worker bring, and where is the end of it?

A machine whose cores have Kafka and Redis to carry too cannot show it, so it is reckoned. What a
batch takes of one worker's and of Redis's CPU is measured, and then simulated: each worker has a
core, and works; then it waits for the one thread of its space's Redis, first come, first served,
and is served; and again. How long each takes varies by chance (exponentially), which makes them
wait more than real ones. Brokers are taken to have room. *By itself* is what a worker carries of
what it would alone. In the last columns four spaces lie on four nodes of a Redis Cluster, and every
worker has records of all of them.
"""

import heapq
import random
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.form import Form
from benchmarks.loads import changed, known
from benchmarks.play import IDSTREAM, Play
from benchmarks.rounds import in_turns
from benchmarks.stage import Stage
from benchmarks.table import Column, Measurement, Plot, Table, points, table

WORKERS = (1, 2, 4, 8, 16, 32)
NODES = 4
VISITS = 50_000
"""How often workers come to Redis in a simulation, all together."""


def measure(stage: Stage, form: Form) -> Iterator[Measurement]:
    """Measure one worker; yield what so many would carry by what it took in each round."""
    loads = [replace(one, count=form.records(130_000, 600_000)) for one in (known(), changed())]
    plays = {load.name: Play(stage, IDSTREAM, load, form.rounds) for load in loads}
    costs: dict[int, dict[str, dict[str, float]]] = {}
    for one in in_turns(plays, form.rounds, form.seconds):
        costs.setdefault(one.round, {})[one.subject] = one.values
    for number, its in costs.items():
        for workers in WORKERS:
            values = reckoned("known", workers, its[loads[0].name])
            values |= reckoned("changed", workers, its[loads[1].name])
            name = f"{workers} worker{'s' * (workers > 1)}"
            yield Measurement(name, number, values)


def reckoned(kind: str, workers: int, cost: dict[str, float]) -> dict[str, float]:
    """Return what *workers* carry of batches of a *kind* that cost one worker so much."""
    work_us, redis_us = cost["worker_us"], cost["redis_us"]
    rate = carried(workers, work_us, redis_us)
    alone = workers * carried(1, work_us, redis_us)
    return {
        kind: rate,
        f"{kind}_each": rate / alone,
        f"{kind}_redis": rate * redis_us / 1e6,
        f"{kind}_nodes": carried(workers, work_us, redis_us, NODES),
    }


def carried(workers: int, work_us: float, redis_us: float, nodes: int = 1) -> float:
    """Return the batches a second of *workers* which work and are served so long for each.

    A poll batch takes as many times as long as it has batches, so the unit does not matter.
    """
    chance = random.Random(workers)

    def lasts(mean_us: float) -> float:
        return chance.expovariate(1 / mean_us)

    free_at = [0.0] * nodes
    coming = [lasts(work_us) for _ in range(workers)]
    heapq.heapify(coming)
    for _ in range(VISITS):
        comes_at, node = coming[0], chance.randrange(nodes)
        free_at[node] = max(comes_at, free_at[node]) + lasts(redis_us)
        heapq.heapreplace(coming, free_at[node] + lasts(work_us))
    return VISITS * 1e6 / max(free_at)


def tables(measurements: list[Measurement]) -> list[Table]:
    """Return a row for each number of workers."""
    columns = []
    for kind, title in (("known", "known"), ("changed", "changed attribute")):
        columns += [
            Column(f"{title}: batches/s", kind),
            Column("by itself", f"{kind}_each", "{:.2f}"),
            Column("Redis busy", f"{kind}_redis", "{:.0%}"),
        ]
    columns += [
        Column(f"known, {NODES} nodes", "known_nodes"),
        Column(f"changed, {NODES} nodes", "changed_nodes"),
    ]
    return [table(measurements, "reckoned", columns)]


def plots(measurements: list[Measurement]) -> list[Plot]:
    """Return what so many workers carry."""
    names = {
        "known": "known",
        "known_nodes": f"known, {NODES} nodes",
        "changed": "changed attribute",
        "changed_nodes": f"changed attribute, {NODES} nodes",
    }
    series = {title: points(measurements, value) for value, title in names.items()}
    return [Plot("workers", "Workers with a core each, reckoned", "workers", "batches/s", series)]
