"""What do people who are due at one midnight cost the batches that come in meanwhile?

Everybody's membership ends at the same instant by time alone, while batches of other, known users
come in at half of the full load. One processor may tell 5,000 of them a second (`clock.max_per_s`).
*Told* is from that instant to the message on `audience-changes`: the first, the median and the
last. The clock opens a minute when it is over, and gives records a grace of 10 seconds, so at a
full minute the first comes late; and those who are due in each second of a minute are told at the
pace of as many who are due at once. Sender and reader share the machine with Kafka, Redis and the
processor. It takes ten minutes, most of them until all are members and until all are told.
"""

import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace

from confluent_kafka import Consumer, TopicPartition

from benchmarks.feed import Reader, feeding
from benchmarks.form import Form
from benchmarks.latency import FULL, at_rate, waits
from benchmarks.loads import Message, again, batch, encoded, known
from benchmarks.play import IDSTREAM, Play, Running
from benchmarks.stage import PARTITIONS, Stage
from benchmarks.table import WORKER, Column, Measurement, Plot, Table, points, table

QUIET = "nobody is due"
SHARE = 0.5
"""Of the full load, what comes in meanwhile."""
MEMBERS_PER_S = 1200
"""At least so many people a second can be taken in before their midnight."""
LEAD_S = 20
PATIENCE_S = 3600
"""A million are told at a thousand a second or less where batches leave no more room."""
DEFINITIONS = """
[workspaces.shop.audiences]
subscribed.all = [{ attribute = "until", op = "ahead", value = "30d" }]

[clock]
max_per_s = 5000
"""


def member(number: int, until_ms: int) -> Message:
    """Return the batch of somebody who is a member until an instant."""
    user = 1_000_000_000 + number
    body = batch(user, user)
    body["user_attributes"]["until"] = until_ms
    return Message(b"user-%d" % user, encoded(body | {"events": []}))


class Told:
    """When everybody's end was told: reads the topic as it grows."""

    def __init__(self, play: Play, until_ms: int) -> None:
        """Begin at the end of the topic; *until_ms* is when all memberships end."""
        self.times: list[int] = []
        """Of each message, ms."""
        self._until_ms = until_ms
        self._consumer = Consumer(
            {
                "bootstrap.servers": play.stage.kafka.bootstrap,
                "group.id": f"{play.group}-told",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        topic = play.topic("audience-changes")
        ends = play.stage.ends(topic)
        self._consumer.assign([TopicPartition(topic, p, ends[p]) for p in range(PARTITIONS)])

    def close(self) -> None:
        """Leave."""
        self._consumer.close()

    def read(self) -> None:
        """Read what has come."""
        for message in self._consumer.consume(2000, 0.005):
            value = json.loads(message.value() or b"{}")
            assert (value["change"], value["timestamp_ms"]) == ("left", self._until_ms), value
            self.times.append(message.timestamp()[1])

    def summary(self) -> dict[str, float]:
        """Return when people were told, and how many a second."""
        after_s = [(at - self._until_ms) / 1000 for at in self.times]
        first, last = min(after_s), max(after_s)
        return {
            "flips": len(after_s) / max(last - first, 0.001),
            "told_first": first,
            "told_p50": statistics.median(after_s),
            "told_last": last,
        }


def measure(stage: Stage, form: Form) -> Iterator[Measurement]:
    """Yield the full rate, then what batches wait at half of it without and with people due."""
    people = form.records(200_000, 1_000_000)
    load = known()
    load = replace(
        load,
        name="midnight",
        count=form.records(120_000, 200_000),
        workspace=load.workspace + DEFINITIONS,
        computes=True,
    )
    with Play(stage, IDSTREAM, load) as play:
        play.prepare()
        with play.run() as running:
            running.settle([0] * PARTITIONS, load.count * 0.8)
            full = running.window(form.seconds, load.count * 0.97)
            yield Measurement(FULL, 0, full)
            running.wait(load.count)
            rate, first = full["rate"] * SHARE, load.prepared + load.count
            values = at_rate(play, running, rate, first, 3 * form.seconds)
            first += int(values.pop("sent"))
            yield Measurement(QUIET, 0, values)
            until_ms = enter(play, running, people)
            values = midnight(play, running, people, until_ms, (rate, again(load, first)))
            yield Measurement(f"{people:,} people are due", 0, values)


def enter(play: Play, running: Running, people: int) -> int:
    """Let *people* become members, and return until when: a full minute from now on."""
    done = running.done()
    soon_s = time.time() + people / MEMBERS_PER_S + LEAD_S
    until_ms = int(soon_s // 60 + 1) * 60_000
    play.stage.send(play.input.then, (member(n, until_ms) for n in range(people)))
    running.wait(done + people, until_ms / 1000 - time.time())
    assert time.time() * 1000 < until_ms, "it was midnight before everybody was a member"
    return until_ms


def midnight(
    play: Play,
    running: Running,
    people: int,
    until_ms: int,
    live: tuple[float, Iterator[Message]],
) -> dict[str, float]:
    """Return what the batches wait of a *live* load (its rate, and itself) in the meantime."""
    time.sleep(max(0.0, until_ms / 1000 - time.time() - 1))
    reader, told = Reader(play, play.topic("enriched")), Told(play, until_ms)
    published: dict[tuple[int, int], int] = {}
    readable: dict[tuple[int, int], float] = {}

    def read() -> None:
        running.check()
        assert time.monotonic() < deadline, f"{len(told.times)} of {people} were told in time"
        told.read()
        for place, at, now in reader.seen():
            published[place], readable[place] = at, now

    deadline = time.monotonic() + PATIENCE_S
    with feeding(play, *live) as feed:
        while not told.times:
            read()
        began = running.moment()
        while len(told.times) < people:
            read()
        cost = running.cost_since(began)
    while not feed.sent.keys() <= readable.keys():
        read()
    reader.close()
    told.close()
    since, until = min(told.times), max(told.times)
    counted = {place: at for place, at in feed.sent.items() if since <= at <= until}
    return {
        **cost,
        **waits(counted, published, readable),
        **told.summary(),
    }


def tables(measurements: list[Measurement]) -> list[Table]:
    """Return a row for each state."""
    columns = [
        Column("batches/s", "rate"),
        Column("published p50, ms", "published_p50"),
        Column("p99", "published_p99"),
        Column("readable p50, ms", "readable_p50"),
        Column("p99", "readable_p99"),
        WORKER,
        Column("told, a second", "flips"),
        Column("first told after s", "told_first"),
        Column("half", "told_p50"),
        Column("all", "told_last"),
    ]
    return [table(measurements, "meanwhile", columns)]


def plots(measurements: list[Measurement]) -> list[Plot]:
    """Return what batches wait, without and with people due."""
    shown = [one for one in measurements if one.subject != FULL]
    series = {f"readable {rank}": points(shown, f"readable_{rank}") for rank in ("p50", "p99")}
    return [Plot("midnight", "From record to output", "", "ms", series, bars=True)]
