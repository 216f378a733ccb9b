"""What does the profile API cost, alone and beside a processor at half load?

`python -m benchmarks.serve` asks for profiles of the load `known`: 16 connections, one profile a
request, MPIDs at random. Alone: as fast as it goes, then at shares of that rate; what counts is the
CPU time of a request, as sender, server and Valkey share the machine. Beside: a processor gets half
of what it can do, and
the API is asked, and left alone, in turns.
"""

import argparse
import asyncio
import random
import re
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.feed import feeding
from benchmarks.loads import again, known
from benchmarks.outside import ROOT, cpu_seconds, redis_cpu_seconds
from benchmarks.play import IDSTREAM, Play
from benchmarks.stage import PARTITIONS, Stage
from processor.serve.credentials import mint, table
from tests.servers.ports import free_port
from tests.servers.waiting import eventually

CONNECTIONS = 16
SHARES = (0.25, 0.5, 0.75)
"""Of the rate at which requests go as fast as they can."""
TOKEN = mint(b"benchmark".ljust(20, b"."))
SERVE = """
[serve]
tokens_file = "{tokens}"
port = {port}
ui = false
redis_timeout_ms = 5000
timeout_ms = 10000
"""
STATUS = re.compile(rb"HTTP/1\.1 (\d+) ")
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass
class Asked:
    """What a run of requests took."""

    seconds: list[float]
    elapsed: float
    server: float
    redis: float

    def line(self) -> str:
        """Return the run in a line."""
        ordered, count = sorted(self.seconds), len(self.seconds)
        p50, p99 = (1000 * ordered[int(count * share)] for share in (0.5, 0.99))
        server, valkey = (1e6 * used / count for used in (self.server, self.redis))
        return (
            f"{count / self.elapsed:7.0f} requests/s, p50 {p50:5.1f} ms, p99 {p99:6.1f} ms;"
            f" CPU a request: API {server:4.0f} us ({1e6 / server:.0f} a core),"
            f" Valkey {valkey:3.0f} us"
        )


class Api:
    """An API process over the index of a play."""

    def __init__(self, play: Play, process: subprocess.Popen, port: int) -> None:
        self.play, self.process, self.port = play, process, port
        keys = play.redis.client.scan_iter("idstream:1:{shop/production}:1:p:*", 1000)
        digits = [key.rpartition(b":")[2] for key in keys]
        self.mpids = [int(one, 16) - (2**64 if int(one, 16) >= 2**63 else 0) for one in digits]

    def ask(self, seconds: float, rate: float = 0) -> Asked:
        """Ask for *seconds*, at *rate* a second or as fast as it goes."""
        client, began = self.play.redis.client, time.monotonic()
        server, redis = cpu_seconds(self.process.pid), redis_cpu_seconds(client)
        taken = asyncio.run(self._ask(seconds, rate))
        elapsed = time.monotonic() - began
        server = cpu_seconds(self.process.pid) - server
        return Asked(taken, elapsed, server, redis_cpu_seconds(client) - redis)

    async def _ask(self, seconds: float, rate: float) -> list[float]:
        taken: list[float] = []
        ends = time.monotonic() + seconds
        pause = CONNECTIONS / rate if rate else 0
        await asyncio.gather(*(self._one(ends, pause, n, taken) for n in range(CONNECTIONS)))
        return taken

    async def _one(self, ends: float, pause: float, number: int, taken: list[float]) -> None:
        chance = random.Random(number)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        due = time.monotonic() + pause * chance.random()
        while (now := time.monotonic()) < ends:
            if now < due:
                await asyncio.sleep(due - now)
            began = time.monotonic()
            path = f"/v1/shop/profiles/{chance.choice(self.mpids)}"
            head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
            writer.write(head.encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            status = STATUS.match(answer)
            assert status is not None
            assert status[1] == b"200", answer
            await reader.readexactly(int(LENGTH.search(answer)[1]))
            taken.append(time.monotonic() - began)
            due += pause
        writer.close()


@contextmanager
def serving(play: Play) -> Iterator[Api]:
    """Run the API over the index of *play*."""
    tokens = play.stage.folder / "tokens.toml"
    tokens.write_text(table("bench", TOKEN, ["shop"], ["profiles:read"]) + "rate = 1e9\n")
    tokens.chmod(0o600)
    port, admin = free_port(), free_port()
    text = play.configuration(measured=True).read_text()
    text = re.sub(r"^port = \d+", f"port = {admin}", text, flags=re.MULTILINE)
    config = play.stage.folder / "serve.toml"
    config.write_text(text + SERVE.format(tokens=tokens, port=port))
    command = [str(Path(sys.executable).with_name("idstream")), "serve", "-c", str(config)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)

    def ready() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    try:
        eventually(ready, within=60)
        yield Api(play, process, port)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def alone(api: Api, rounds: int, seconds: float) -> None:
    """Print what requests take as fast as they go, and at shares of that rate."""
    rates = []
    for _ in range(rounds):
        asked = api.ask(seconds)
        rates.append(len(asked.seconds) / asked.elapsed)
        print(f"  alone:  {asked.line()}", flush=True)
    for share in SHARES:
        asked = api.ask(seconds, statistics.median(rates) * share)
        print(f"  {share:4.0%}:   {asked.line()}", flush=True)


def beside(play: Play, api: Api, rounds: int, seconds: float, rate: float) -> None:
    """Print what the processor takes at half load while the API is asked, and while it is not."""
    costs: dict[str, list[float]] = {"left alone": [], "asked": []}
    with play.run() as running:
        running.settle([0] * PARTITIONS, play.load.count * 0.8)
        full = running.window(seconds, play.load.count * 0.97)["rate"]
        running.wait(play.load.count)
        half = full / 2
        print(f"full load {full:.0f} records/s; half of it from here on", flush=True)
        batches = again(play.load, play.load.prepared + play.load.count)
        with feeding(play, half, batches):
            time.sleep(3)
            for _ in range(rounds):
                for name, its in costs.items():
                    began = running.moment()
                    if name == "asked":
                        print(f"  beside: {api.ask(seconds, rate).line()}", flush=True)
                    else:
                        time.sleep(seconds)
                    now = running.moment()
                    its.append(1e6 * (now.worker - began.worker) / (now.done - began.done))
    alone, asked = (statistics.median(its) for its in costs.values())
    price = 100 * (asked / alone - 1)
    print(f"processor: {alone:.0f} us of CPU a record, {asked:.0f} beside the API ({price:+.1f} %)")


def main(given: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serve")
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--records", type=int, default=100_000, help="at full load")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=500.0, help="requests a second beside")
    options = parser.parse_args(given)
    load = replace(known(options.people), name="serve", count=options.records)
    stage = Stage()
    try:
        with Play(stage, IDSTREAM, load) as play:
            play.prepare()
            with serving(play) as api:
                print(f"{len(api.mpids)} profiles", flush=True)
                alone(api, options.rounds, options.seconds)
                beside(play, api, options.rounds, options.seconds, options.rate)
    finally:
        stage.close()


if __name__ == "__main__":
    main()
