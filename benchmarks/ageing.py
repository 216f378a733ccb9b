"""What do lifetimes cost, and what do batches feel while many profiles age at once?
``python -m benchmarks.ageing``

First known users, in a workspace with lifetimes and in one without, in turns. Then as many profiles
as are asked for, of whom nothing was heard for 31 days, under a lifetime of 30: as soon as live
batches come, the clock goes on, and all of them are due at once. Batches come at a steady rate,
and are looked at while the profiles age, and after they have all gone.
"""

import argparse
import re
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.latency import at_rate
from benchmarks.loads import Message, batch, events_of, known, with_events
from benchmarks.outside import load_average, machine, versions
from benchmarks.play import IDSTREAM, Play, Running
from benchmarks.rounds import in_turns
from benchmarks.stage import Stage
from benchmarks.table import COSTS, Column, Measurement, median, ratios, table

LIFETIMES = """
[workspaces.shop.retention]
anonymous_days = 30
known_days = 30
"""
CLOCK = """
[clock]
max_per_s = {most}
"""
OFF, ON = "lifetimes off", "lifetimes on"
SILENCE_MS = 31 * 86_400_000
AT_ONCE = 100_000
"""Profiles made between two looks at how long it takes."""
COLUMNS = [
    Column("batches/s", "rate"),
    Column("published p50, ms", "published_p50"),
    Column("p99", "published_p99"),
    Column("readable p50, ms", "readable_p50"),
    Column("p99", "readable_p99"),
    Column("processor, cores", "worker_cores", "{:.2f}"),
    Column("Redis, cores", "redis_cores", "{:.2f}"),
    Column("aged out/s", "aged_per_s"),
]


def hot_path(stage: Stage, count: int, rounds: int, seconds: float) -> list[Measurement]:
    """Return what a batch of a known user cost, with lifetimes and without, in turns."""
    off = replace(known(), name=OFF, count=count)
    on = replace(off, name=ON, workspace=off.workspace + LIFETIMES, computes=True, same_as=OFF)
    plays = {one.name: Play(stage, IDSTREAM, one, rounds) for one in (off, on)}
    return list(in_turns(plays, rounds, seconds))


def old(number: int) -> Message:
    """Return a batch of somebody of whom nothing else was ever heard."""
    user = 10_000_000 + number
    body = batch(number, user)
    del body["source_request_id"], body["timestamp_unixtime_ms"]
    return Message(b"user-%d" % user, with_events(body, events_of(number, 1)))


def send_old(play: Play, profiles: int) -> None:
    """Send a batch of each profile, received long ago."""
    producer, topic = play.stage.producer(linger_ms=20), play.input.first
    received_ms = int(time.time() * 1000) - SILENCE_MS
    for number in range(profiles):
        key, value = old(number)
        while True:
            try:
                producer.produce(topic, value, key, timestamp=received_ms)
                break
            except BufferError:
                producer.poll(0.05)
    assert producer.flush(120) == 0


def all_at_once(
    stage: Stage, profiles: int, rate: float, seconds: float, most: int
) -> Iterator[Measurement]:
    """Yield what batches felt while *profiles* aged, and after it."""
    workspace = known().workspace + LIFETIMES + CLOCK.format(most=most)
    load = replace(
        known(), name="ageing", count=10_000, prepared=0, workspace=workspace, computes=True
    )
    with Play(stage, IDSTREAM, load) as play:
        stage.kafka.alter_topic(play.input.first, retention_ms="-1")
        send_old(play, profiles)
        empty = used(play)
        with play.running(play.configuration(measured=False), [play.input.first]) as running:
            for done in range(0, profiles, AT_ONCE):
                running.wait(min(profiles, done + AT_ONCE))
        print(f"a profile in Redis: {(used(play) - empty) / profiles:,.0f} bytes", flush=True)
        with play.run() as running:
            began = time.monotonic()
            running.wait(load.count)
            yield from _while_they_age(play, running, profiles, rate, seconds)
            print(f"all {profiles:,} were gone after {time.monotonic() - began:,.0f} s", flush=True)
            print(f"after it: {(used(play) - empty) / profiles:,.0f} bytes each", flush=True)
            first = load.count + 10**9
            for number in range(3):
                values = at_rate(play, running, rate, first, seconds)
                first += int(values["sent"])
                yield Measurement("nobody ages", number, with_cores(values))


def _while_they_age(
    play: Play, running: Running, profiles: int, rate: float, seconds: float
) -> Iterator[Measurement]:
    first, number = play.load.count, 0
    before = aged(play)
    while before < profiles:
        began = time.monotonic()
        values = at_rate(play, running, rate, first, seconds)
        first += int(values["sent"])
        now = aged(play)
        values["aged_per_s"] = (now - before) / (time.monotonic() - began)
        before = now
        yield Measurement("while they age", number, with_cores(values))
        number += 1


def with_cores(values: dict[str, float]) -> dict[str, float]:
    """Return *values* with how many cores processor and Redis took."""
    used_up = {f"{who}_cores": values[f"{who}_us"] * values["rate"] / 1e6 for who in SERVERS}
    return {**values, **used_up}


SERVERS = ("worker", "redis")


def used(play: Play) -> int:
    """Return the bytes that Redis uses."""
    return int(play.redis.client.info("memory")["used_memory"])


def aged(play: Play) -> float:
    """Return how many profiles have aged out, as the processor counts."""
    address = f"http://127.0.0.1:{play.port}/metrics"
    with urllib.request.urlopen(address, timeout=10) as answer:
        text = answer.read().decode()
    pattern = r'^idstream_clock_swept_total\{[^}]*"aged_out"[^}]*\} (\S+)$'
    found = re.findall(pattern, text, re.MULTILINE)
    return sum(map(float, found))


def main(options: argparse.Namespace) -> None:
    """Measure, and print tables."""
    stage = Stage()
    before = load_average()
    try:
        rate = options.rate
        if not options.rate:
            hot = hot_path(stage, options.count, options.rounds, options.seconds)
            print(table(hot, "known users", [*COSTS, *ratios(OFF)]).markdown(), flush=True)
            rate = (median(hot, ON, "rate") or 0) / 2
        print(f"half the live load: {rate:,.0f} batches/s", flush=True)
        found = []
        for one in all_at_once(stage, options.profiles, rate, options.window, options.most):
            values = ", ".join(f"{key} {value:,.4g}" for key, value in one.values.items())
            print(f"  {one.subject}: {values}", flush=True)
            found.append(one)
        print(table(found, "batches", COLUMNS).markdown())
        print(f"{machine()}; {versions(stage.server)}; load average {before} to {load_average()}")
    finally:
        stage.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ageing", description=__doc__)
    parser.add_argument("--profiles", type=int, default=50_000, help="that age at once")
    parser.add_argument("--most", type=int, default=2000, help="clock.max_per_s")
    parser.add_argument("--rate", type=float, help="batches a second; measured where left out")
    parser.add_argument("--window", type=float, default=10.0, help="seconds of one look at them")
    parser.add_argument("--count", type=int, default=120_000, help="batches of the first part")
    parser.add_argument("--rounds", type=int, default=5, help="turns of the first part")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long a turn is looked at")
    main(parser.parse_args())
