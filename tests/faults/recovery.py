"""How long it takes until work goes on: after a kill, with a zombie, after an outage.

Nothing is judged here; these are numbers to be reported with the machine they were taken on.
"""

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from tests.faults.stage import SESSION_S, TRANSACTION_S, Servers, Stage, beside
from tests.servers.waiting import eventually

OUTAGE_S = 30.0
DEFAULTS = {"session_s": 10.0, "transaction_s": 10.0}
SHORT = {"session_s": SESSION_S, "transaction_s": TRANSACTION_S}


@contextmanager
def _stage(servers: Servers, names: tuple[str, ...], times: dict[str, float]) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="idstream-faults-") as folder:
        stage = Stage(servers, Path(folder), names)
        stage.configure(servers.redis_proxy.port, **times)
        stage.reader.start()
        try:
            yield stage
        finally:
            stage.close()


@contextmanager
def _load(stage: Stage, seed: int, rate: float) -> Iterator[None]:
    """Produce at *rate* until the block is left."""
    is_over = threading.Event()

    def produce() -> None:
        part = seed * 1000
        while not is_over.is_set():
            part += 1
            stage.produce(part, (int(rate * 0.8), int(rate * 0.2)), rate, bad=0.0)

    with beside(produce, is_over.set):
        yield


def after_a_kill(servers: Servers, seed: int, times: int = 7) -> list[float]:
    """Return the seconds from a kill (and start again at once) to the first new output."""
    found = []
    with _stage(servers, ("anna",), DEFAULTS) as stage, _load(stage, seed, 100):
        (processor,) = stage.processors
        processor.start()
        eventually(lambda: len(stage.reader.done) > 100, within=60)
        for _ in range(times):
            processor.kill()
            killed = time.monotonic()
            processor.start()
            eventually(lambda: processor.has_started, within=60, every=0.005)
            started = time.monotonic()
            eventually(lambda s=started: max(stage.reader.last.values()) > s, 60, every=0.005)
            found.append(max(stage.reader.last.values()) - killed)
            reached = len(stage.reader.done) + 200
            eventually(lambda r=reached: len(stage.reader.done) > r, within=60)
    return found


def with_a_zombie(servers: Servers, seed: int, times: dict[str, float]) -> float:
    """Return the longest silence of a partition when its owner freezes with offsets pending."""
    with _stage(servers, ("anna", "bert"), times) as stage, _load(stage, seed, 100):
        zombie, other = stage.processors
        other.start()
        eventually(lambda: len(stage.reader.done) > 100, within=60)
        zombie.start(IDSTREAM_STOP_AT="before_kafka_commit:20")
        eventually(lambda: zombie.state == "T", within=60, every=0.01)
        frozen = time.monotonic()
        every = len(stage.reader.last)
        eventually(
            lambda: sum(at > frozen + 1 for at in stage.reader.last.values()) == every, within=90
        )
        zombie.thaw()  # it ends, or comes back as a member that has nothing
        return max(s for s, end in stage.reader.silences if end > frozen)


def after_an_outage(servers: Servers, seed: int, backlog: int = 30_000) -> dict[str, float]:
    """Return full load, and what half of it leaves behind after an outage of 30 s."""
    with _stage(servers, ("anna",), DEFAULTS) as stage:
        (processor,) = stage.processors
        stage.produce(seed, (backlog * 8 // 10, backlog * 2 // 10), 1e9, bad=0.0)
        processor.start()
        eventually(lambda: stage.reader.done, within=60, every=0.01)
        began, first = time.monotonic(), len(stage.reader.done)
        eventually(lambda: len(stage.reader.done) >= stage.sent, within=300, every=0.01)
        full = (stage.sent - first) / (time.monotonic() - began)
        with _load(stage, seed, full / 2):
            eventually(lambda: stage.sent - len(stage.reader.done) < full, within=60)
            processor.kill()
            time.sleep(OUTAGE_S)  # this is the outage
            lag = stage.sent - len(stage.reader.done)
            processor.start()
            back = time.monotonic()
            eventually(
                lambda: stage.sent - len(stage.reader.done) < full / 2, within=300, every=0.05
            )
            caught_up = time.monotonic() - back
        return {"full load": full, "lag": lag, "caught up after": caught_up}


def report(servers: Servers, seed: int) -> Iterator[str]:
    """Yield all of it as lines, each as soon as it is measured."""
    kills = after_a_kill(servers, seed)
    yield f"kill to first new output: median {median(kills):.1f} s, most {max(kills):.1f} s"
    yield "owner frozen with offsets pending, longest silence of a partition:"
    for times in (DEFAULTS, SHORT):
        silence = with_a_zombie(servers, seed, times)
        session, transaction = times["session_s"], times["transaction_s"]
        yield f"    {silence:.1f} s (session {session:.0f} s, transaction {transaction:.0f} s)"
    outage = after_an_outage(servers, seed)
    yield f"outage of {OUTAGE_S:.0f} s at half of full load ({outage['full load']:.0f} a second):"
    yield f"    lag {outage['lag']:.0f} records, gone after {outage['caught up after']:.1f} s"
