"""What does it take to erase a person with a long history, and to prove it?

`python -m benchmarks.erasure` lets a processor make one profile of a hundred, with ten thousand
records, beside other people; erases it by `idstream privacy submit`, waits for the receipts, and
has `idstream privacy verify` search for every value before and after; then everything of the
person is sent again, as it was.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from benchmarks.outside import cpu_seconds, redis_cpu_seconds
from benchmarks.stage import Stage
from tests.servers.ports import free_port

CONFIG = """\
[kafka]
bootstrap_servers = "{bootstrap}"
group_id = "erasure"
[kafka.topics]
privacy = "privacy-requests"
[privacy]
waiting_days = 0
[clock]
grace_s = 0
[redis]
url = "{redis}"
[observability]
host = "127.0.0.1"
port = {port}
log_level = "warning"
[inputs.default]
workspace = "shop"
[inputs.office]
workspace = "shop"
topics = ["privacy-requests"]
[workspaces.shop]
strategy = "flat_matching"
[workspaces.shop.identifiers]
user_id = {{ priority = 1, limit = 1 }}
anonymous_id = {{ limit = 500 }}
device = {{ limit = 500 }}
"""
PARTITIONS = 4
PATIENCE_S = 600.0
REQUEST = "the-erasure"


@dataclass(frozen=True)
class Size:
    """How much there is of the person, and of others."""

    merges: int
    records: int
    others: int


def batch(**identities: str) -> bytes:
    event = {"event_type": "custom_event", "data": {"event_name": "seen"}}
    body = {"user_identities": identities, "events": [event], "user_attributes": {"plan": "gold"}}
    return json.dumps(body).encode()


def visitor(number: int) -> dict[str, str]:
    return {"anonymous_id": f"visitor-{number:04d}-ada", "device": f"phone-{number:04d}-ada"}


def history(size: Size) -> Iterator[bytes]:
    """Yield the person's records: visitors, then that they are one user, then what the user did."""
    for number in range(size.merges + 1):
        yield batch(**visitor(number))
    sent = size.merges + 1
    for number in range(size.merges + 1):
        yield batch(user_id="ada-lovelace", **visitor(number))
        sent += 1
    for number in range(max(0, size.records - sent)):
        yield batch(user_id="ada-lovelace", **visitor(number % (size.merges + 1)))


def person(size: Size) -> str:
    named = [("user_id", "ada-lovelace")]
    named += [pair for number in range(size.merges + 1) for pair in visitor(number).items()]
    return "".join(f"{name}={value}\n" for name, value in named)


class Run:
    """A processor on servers of its own, and the commands beside it."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage, self.folder = stage, folder
        self.redis = stage.start_redis()
        self.config = folder / "idstream.toml"
        self.config.write_text(
            CONFIG.format(bootstrap=stage.kafka.bootstrap, redis=self.redis.url, port=free_port())
        )
        self.call("check", "--create", "--partitions", str(PARTITIONS), fails=None)
        command = [sys.executable, "-m", "processor", "run", "-c", str(self.config)]
        self.process = subprocess.Popen(command)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(60)
        self.redis.close()

    def call(self, *words: str, fails: bool | None = False) -> str:
        """Run a command; *fails* says whether it has to (None: it may)."""
        at = 2 if words[0] == "privacy" else 1
        given = [*words[:at], "-c", str(self.config), *words[at:]]
        done = subprocess.run(
            [sys.executable, "-m", "processor", *given], capture_output=True, text=True, check=False
        )
        if fails is not None:
            assert (done.returncode != 0) == fails, (given, done.stdout, done.stderr)
        return done.stdout

    def lag(self) -> int:
        """Return how many offsets of the inputs the group has not committed."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.stage.kafka.bootstrap,
                "group.id": "erasure",
                "log_level": 0,
            }
        )
        places = [TopicPartition("event-batches", p) for p in range(PARTITIONS)]
        try:
            found = {one.partition: one.offset for one in consumer.committed(places, 30)}
            ends = [consumer.get_watermark_offsets(place, 30)[1] for place in places]
        except KafkaException:  # it has no coordinator yet
            return 1
        finally:
            consumer.close()
        return sum(end - max(0, found[p]) for p, end in enumerate(ends))

    def states(self) -> list[str]:
        done = self.call("privacy", "show", "--json", REQUEST, fails=None)
        return [one["state"] for one in json.loads(done)["receipts"]] if done else []


def until(is_so: Callable[[], bool], every_s: float = 0.5) -> float:
    """Wait until something is so; return for how many seconds."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() < began + PATIENCE_S
        time.sleep(every_s)
    return time.monotonic() - began


def timed(run: Run, said: str, *words: str, fails: bool = False) -> str:
    began, before = time.monotonic(), os.times()
    done = run.call(*words, fails=fails)
    cpu = sum(os.times()[2:4]) - sum(before[2:4])
    print(f"{said}: {time.monotonic() - began:.1f} s, {cpu:.1f} s of CPU", flush=True)
    return done


def told(text: str) -> None:
    """Print what a search found, by place and verdict."""
    found = json.loads(text)
    print("  searched: " + ", ".join(f"{n:,} in {w}" for w, n in found["searched"].items()))
    for row in found["found"]:
        print(f"  {row['verdict']:8} {row['count']:7,} in {row['where']}: {', '.join(row['what'])}")


def measure(run: Run, size: Size) -> None:
    """Let everything happen, and say how long it took."""
    mine, values = list(history(size)), run.folder / "ada.txt"
    values.write_text(person(size))
    others = [batch(user_id=f"other-{n:06d}") for n in range(size.others)]
    sent_ms = round(time.time() * 1000)
    run.stage.send("event-batches", [(b"ada", value) for value in mine])
    run.stage.send("event-batches", [(b"%d" % n, value) for n, value in enumerate(others)])
    until(lambda: run.lag() == 0)
    search = ("privacy", "verify", "--json", "--person", str(values))
    told(timed(run, "a search while the person is there", *search, fails=True))

    before = cpu_seconds(run.process.pid), redis_cpu_seconds(run.redis.client)
    began = time.monotonic()
    run.call("privacy", "submit", "--id", REQUEST, "--mpid", mpid_of(run), "--skip-waiting")
    until(lambda: "in_progress" in run.states(), 0.1)
    print(f"sent, erased and told: {time.monotonic() - began:.1f} s, of which commands most")
    print(
        f"  CPU of the processor {cpu_seconds(run.process.pid) - before[0]:.2f} s,"
        f" of Redis {redis_cpu_seconds(run.redis.client) - before[1]:.2f} s meanwhile"
    )
    until(lambda: "completed" in run.states(), 2.0)
    print(f"completed after {time.monotonic() - began:.0f} s (sweeps look each minute)", flush=True)
    proof = (*search, "--request", REQUEST)
    told(timed(run, "the proof", *proof))

    again(run, mine, sent_ms)
    until(lambda: run.lag() == 0)
    told(timed(run, "the proof after all of it was sent again, as it was", *proof))


def again(run: Run, values: Sequence[bytes], at_ms: int) -> None:
    """Send records anew as of an instant, as who puts back dead letters does."""
    producer = run.stage.producer(linger_ms=20)
    for value in values:
        headers = [("replay-time", str(at_ms).encode())]
        producer.produce("event-batches", value, b"ada", headers=headers)
    assert producer.flush(120) == 0


def mpid_of(run: Run) -> str:
    found = run.call("profile", "--json", "shop", "user_id=ada-lovelace")
    return str(json.loads(found.splitlines()[0])["mpid"])


def main(given: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.erasure")
    parser.add_argument("--merges", type=int, default=100)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--others", type=int, default=10_000)
    options = parser.parse_args(given)
    stage, folder = Stage(), Path(tempfile.mkdtemp(prefix="idstream-erasure-"))
    try:
        run = Run(stage, folder)
        try:
            measure(run, Size(options.merges, options.records, options.others))
        finally:
            run.close()
    finally:
        stage.close()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
