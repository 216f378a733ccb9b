"""The broker is away for longer than a transaction may stay open, at each point of a commit.

And for minutes, beside a Prometheus with the rules that we deliver: what an operator sees of it.
"""

import json
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.faults.stage import Servers, Stage, Work
from tests.faults.storm import check, owes_nothing
from tests.servers.logs import events_of
from tests.servers.ports import free_port
from tests.servers.waiting import eventually

POINTS = (
    "after_consume",
    "before_index_commit",
    "after_index_commit",
    "before_produce",
    "after_produce",
    "before_send_offsets",
    "before_kafka_commit",
    "after_kafka_commit",
    "after_trim",
)
"""Where a processor may be in a commit when the broker goes."""
ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus"
TRANSACTION_S = 10.0
"""The default of the product."""
READY_S = 15.0
MOST_LINES = 20
CALM_S = 20.0
"""How long all is well before the broker goes."""


class Away(NamedTuple):
    """What an outage did to a processor that was at *point*."""

    point: str
    end: str
    """The line that it ended with; empty where it waited and went on."""
    rewinds: Sequence[str]
    """Sources and kinds of its rewinds."""
    back_s: float
    """How long after the broker's return the first new outcome was seen."""
    wrong: Sequence[str]


# ---- at each point of a commit ------------------------------------------------------------------


def away(
    servers: Servers, seconds: float, points: Sequence[str] = POINTS, *, transaction_s: float
) -> list[Away]:
    """Let the broker be away for *seconds*, a processor at each of *points* when it goes.

    Each has topics and a group of its own, and is judged by all that the storm is judged by.
    """
    with ExitStack() as open_:
        stages = {point: open_.enter_context(_stage(servers, point)) for point in points}
        for point, stage in stages.items():
            stage.configure(servers.redis_proxy.port, transaction_s=transaction_s)
            _stop_at(stage, point)
        servers.broker.kill()
        for stage in stages.values():
            stage.processors[0].thaw()
        time.sleep(seconds)  # this is the outage
        servers.broker.start()
        back = time.monotonic()
        return [_afterwards(stage, point, back) for point, stage in stages.items()]


@contextmanager
def _stage(servers: Servers, name: str) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="idstream-outage-") as folder:
        stage = Stage(servers, Path(folder), (name,), partitions=1)
        try:
            yield stage
        finally:
            stage.close()


def _stop_at(stage: Stage, point: str) -> None:
    """Bring the processor of *stage* to *point* of its third commit, with more to do, frozen."""
    (processor,) = stage.processors
    stage.reader.start()
    processor.start(IDSTREAM_STOP_AT=f"{point}:3")
    eventually(lambda: processor.has_started, within=60)
    stage.produce(1, (160, 40), rate=200, bad=0.05)
    eventually(lambda: processor.state == "T", within=30)


def _afterwards(stage: Stage, point: str, back: float) -> Away:
    (processor,) = stage.processors
    stage.produce(2, (80, 20), rate=200, bad=0.05)
    try:
        eventually(lambda: not processor.is_running or _is_done(stage), within=60, every=0.2)
    except AssertionError:
        missing = stage.sent - len(stage.reader.done)
        return Away(point, "", _rewinds(stage), -1.0, [f"{missing} records without an outcome"])
    end = "" if processor.is_running else processor.last_line
    if end:
        processor.start()
    stage.wait_for_all()
    # The silence that the outage was; none where the last commit before it was read after it.
    back_s = min((at - back for _, at in stage.reader.silences if at > back), default=0.0)
    eventually(lambda: owes_nothing(stage), within=60, every=0.2)
    processor.terminate()
    status = processor.wait()
    wrong = [f"ended with status {status}"] if status else []
    return Away(point, end, _rewinds(stage), back_s, [*wrong, *_wrong(stage)])


def _wrong(stage: Stage) -> list[str]:
    found = check(stage, stage.published())
    return [f"{name}: {one}" for name, wrong in found.items() for one in wrong]


def _is_done(stage: Stage) -> bool:
    return len(stage.reader.done) >= stage.sent


def _rewinds(stage: Stage) -> list[str]:
    events = (one for p in stage.processors for one in events_of(p.log()))
    return [f"{one['source']}: {one['kind']}" for one in events if one["event"] == "rewound"]


def told(outcomes: Sequence[Away], seconds: float) -> Iterator[str]:
    """Yield what was seen as lines of a table."""
    head = f"broker away {seconds:.0f} s at"
    yield f"{head:<24}{'the processor':<18}{'goes on after':>14}  rewound"
    for one in outcomes:
        what = "ended" if one.end else "went on"
        yield f"{one.point:<24}{what:<18}{one.back_s:>12.1f} s  {', '.join(one.rewinds)}"
        yield from (f"    {text}" for text in (one.end, *one.wrong) if text)


# ---- beside a Prometheus ------------------------------------------------------------------------


class Sight(NamedTuple):
    """What was seen from outside of a long outage; times in seconds from its beginning."""

    unready_s: float
    """When readiness was 503 first."""
    pending_s: float
    firing_s: float
    """When the alert fired first."""
    alerts: Sequence[str]
    """All alerts that fired meanwhile."""
    lines: Sequence[str]
    """Everything that the processor logged, from the broker's end to its return."""
    ready_s: float
    """When readiness was 200 again, from the broker's return."""
    resolved_s: float
    """When no alert was left, from the broker's return."""
    wrong: Sequence[str]


def watched(servers: Servers, seconds: float) -> Sight:
    """Stop the broker for *seconds* under load, and look at it as an operator would."""
    with ExitStack() as open_:
        stage = open_.enter_context(_stage(servers, "anna"))
        stage.configure(servers.redis_proxy.port, session_s=10.0, transaction_s=10.0)
        (processor,) = stage.processors
        admin = free_port()
        stage.reader.start()
        processor.start(IDSTREAM_OBSERVABILITY__PORT=str(admin))
        alerts = open_.enter_context(_prometheus(Path(stage.config.parent), admin))
        eventually(lambda: _status(admin) == 200, within=60)
        load = Work(
            lambda: stage.produce(1, (int((seconds + 60) * 8), int((seconds + 60) * 2)), 10)
        )
        load.start()
        time.sleep(CALM_S)  # nothing may fire in peace
        assert not alerts("firing"), alerts("firing")
        return _through(stage, seconds, admin, alerts, load)


def _through(
    stage: Stage, seconds: float, admin: int, alerts: Callable[[str], set[str]], load: Work
) -> Sight:
    (processor,) = stage.processors
    said = len(processor.log())
    stage.servers.broker.stop()
    began = time.monotonic()
    first: dict[str, float] = {}
    fired: set[str] = set()
    while time.monotonic() < began + seconds:
        now = time.monotonic() - began
        if _status(admin) == 503:
            first.setdefault("unready", now)
        if "IdstreamDisconnected" in alerts("pending"):
            first.setdefault("pending", now)
        if "IdstreamDisconnected" in (found := alerts("firing")):
            first.setdefault("firing", now)
        fired |= found
        time.sleep(0.5)  # a look at a time
    stage.servers.broker.start()
    back = time.monotonic()
    lines = processor.log()[said:].splitlines()
    eventually(lambda: _status(admin) == 200, within=120, every=0.2)
    ready_s = time.monotonic() - back
    eventually(lambda: not alerts("firing"), within=400, every=1)
    resolved_s = time.monotonic() - back
    load.finish()
    stage.wait_for_all()
    eventually(lambda: owes_nothing(stage), within=60, every=0.2)
    processor.terminate()
    wrong = [f"ended with status {status}"] if (status := processor.wait()) else []
    wrong += _wrong(stage)
    times = (first.get(name, -1.0) for name in ("unready", "pending", "firing"))
    return Sight(*times, sorted(fired), lines, ready_s, resolved_s, wrong)


def _status(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@contextmanager
def _prometheus(folder: Path, target: int) -> Iterator[Callable[[str], set[str]]]:
    """Run a Prometheus with our rules; yield what tells which alerts are in a state."""
    text = (RULES / "prometheus.yml").read_text()
    text = text.replace("/etc/prometheus/rules.yml", str(RULES / "rules.yml"))
    (folder / "prometheus.yml").write_text(text.replace("processor:9464", f"127.0.0.1:{target}"))
    port = free_port()
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]

    def alerts(state: str) -> set[str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/alerts", timeout=5) as answer:
            found = json.load(answer)["data"]["alerts"]
        return {one["labels"]["alertname"] for one in found if one["state"] == state}

    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        eventually(lambda: _answers(alerts), within=60)
        yield alerts
    finally:
        process.terminate()
        process.wait(30)


def _answers(alerts: Callable[[str], set[str]]) -> bool:
    try:
        return alerts("firing") is not None
    except OSError:
        return False


def seen(sight: Sight, seconds: float) -> Iterator[str]:
    """Yield what was seen as lines, those that break a promise marked."""
    yield f"broker stopped for {seconds:.0f} s under load, rules of deploy/prometheus:"
    yield f"    /readyz is 503 after {sight.unready_s:.1f} s"
    yield f"    IdstreamDisconnected pends after {sight.pending_s:.0f} s"
    yield f"    and fires after {sight.firing_s:.0f} s; fired in all: {', '.join(sight.alerts)}"
    yield f"    {len(sight.lines)} log lines"
    yield f"    after its return /readyz is 200 after {sight.ready_s:.1f} s"
    yield f"    and no alert is left after {sight.resolved_s:.0f} s"
    yield f"    {sight.wrong or 'nothing lost, nothing doubled'}"


def broken(sight: Sight) -> list[str]:
    """Return the promises that *sight* breaks."""
    promises = {
        f"/readyz is 503 within {READY_S:.0f} s": 0 <= sight.unready_s <= READY_S,
        "IdstreamDisconnected fires": sight.firing_s >= 0,
        f"at most {MOST_LINES} log lines": len(sight.lines) <= MOST_LINES,
        "nothing is lost": not sight.wrong,
    }
    return [promise for promise, is_kept in promises.items() if not is_kept]
