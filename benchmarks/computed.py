"""What do calculated attributes and audiences cost, by how many batches they are about?

Known users, in a workspace that defines nothing, and in one with twenty definitions: ten calculated
attributes and ten audiences, all of one selector, so that a batch with such an event moves all of
them. No batch has such an event, one of ten has one, or each has. A last column says what a profile
takes in Redis.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from statistics import mean

from benchmarks.form import Form
from benchmarks.loads import Load, counted
from benchmarks.play import IDSTREAM, Play
from benchmarks.rounds import in_turns
from benchmarks.stage import Stage
from benchmarks.table import COSTS, Column, Measurement, Plot, Table, cpu, ratios, table

REFERENCE = "no definitions"
SHARES = {"no batch matches": 0.0, "a tenth match": 0.1, "every batch matches": 1.0}
"""Of so many batches one event counts."""
DEFINITIONS = """
[workspaces.shop.events]
order = { type = "custom_event", name = "Order" }
paid = { type = "commerce_event", action = "purchase" }

[workspaces.shop.calculated]
orders = { type = "count", event = "order" }
spent = { type = "sum", event = "order", attribute = "price" }
orders_30d = { type = "count", event = "order", within = "30d" }
spent_7d = { type = "sum", event = "order", attribute = "price", within = "7d" }
last_sku = { type = "last_value", event = "order", attribute = "sku" }
first_order = { type = "first_timestamp", event = "order" }
last_order = { type = "last_timestamp", event = "order" }
colors = { type = "unique_list", event = "order", attribute = "color" }
mean = { type = "average", event = "order", attribute = "price" }
dearest = { type = "maximum", event = "order", attribute = "price" }

[workspaces.shop.audiences]
recent.all = [{ event = "order", within = "7d" }]
frequent.all = [{ event = "order", within = "30d", at_least = 3 }]
silent.all = [{ identity = "email" }, { not = { event = "order", within = "7d" } }]
big.all = [{ attribute = "spent", op = "greater", value = 100 }]
loyal.all = [{ attribute = "orders", op = "at_least", value = 10 }, { attribute = "$city" }]
waiting.all = [
  { event = "order", within = "1d", older = "2h" },
  { not = { event = "paid", within = "1d" } },
]
near.any = [
  { attribute = "$city", op = "equals", value = "Lisbon" },
  { attribute = "orders_30d", op = "at_least", value = 5 },
]
apple.all = [
  { device = "platform", op = "equals", value = "ios" },
  { event = "order", within = "90d" },
]
young.all = [{ profile = "first_seen", op = "within", value = "30d" }]
once.all = [{ event = "order", exactly = 1 }]
"""


def loads(count: int) -> list[Load]:
    """Return the load of each row, such that rows without such events share their records."""
    plain = replace(counted(0), name=REFERENCE, count=count)
    made = [plain]
    for name, share in SHARES.items():
        load = replace(counted(share), name=name, count=count, computes=True)
        shared = "" if share else REFERENCE
        made.append(replace(load, workspace=load.workspace + DEFINITIONS, same_as=shared))
    return made


def measure(stage: Stage, form: Form) -> Iterator[Measurement]:
    """Yield what a batch cost in each round, and what a profile takes in Redis after it."""
    found = loads(form.records(130_000, 600_000))
    plays = {one.name: Play(stage, IDSTREAM, one, form.rounds) for one in found}
    for one in in_turns(plays, form.rounds, form.seconds):
        size = profile_bytes(plays[one.subject])
        yield replace(one, values={**one.values, "profile_bytes": size})


def profile_bytes(play: Play) -> float:
    """Return what a profile takes in Redis: the mean of some of them."""
    redis = play.redis.client
    keys = islice(redis.scan_iter(match="*:p:*", count=1000), 200)
    return mean(redis.memory_usage(key) or 0 for key in keys)


def tables(measurements: list[Measurement]) -> list[Table]:
    """Return a row for each share."""
    profile = Column("a profile in Redis, bytes", "profile_bytes")
    return [table(measurements, "definitions", [*COSTS, *ratios(REFERENCE), profile])]


def plots(measurements: list[Measurement]) -> list[Plot]:
    """Return the CPU of a batch, by share."""
    series = cpu(measurements, "worker", "Redis")
    title = "With twenty definitions, by the batches that they are about"
    return [Plot("computed", title, "", "µs of CPU", series, bars=True)]
