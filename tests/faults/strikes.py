"""The faults by name: against one processor, or against what all of them need.

A strike returns whether it hit, by what came of it and not by what was asked for: a processor that
does not come past a crash point in time did not die there, a cut that no byte reached cut nothing.
"""

import random
import signal
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import redis
from confluent_kafka import KafkaException, Producer

from processor.crash import POINTS
from tests.faults.processors import Processor
from tests.faults.stage import EXPECTED_ENDS, SESSION_S, TRANSACTION_S, Stage, Supervisor

PASS_S = 12.0
"""How long a processor may take to come past a point."""
STARTED_S = 20.0
LATE = {"before_revoke", "after_revoke"}
"""Points that a processor passes when it leaves."""
ONCE = {"before_claim", "after_claim", "before_start"}
"""Points that it passes when it starts."""
SWEEPS = {"sweep_appended", "before_sweep_commit", "after_sweep_commit"}
"""Points that it passes when a minute is over in which somebody was due."""
SWEPT_S = 100.0
"""How long it may take to come past those: until it has started, and for a minute and more."""


class Struck(NamedTuple):
    """Whom a strike is against, and what it may use."""

    processor: Processor
    stage: Stage
    supervisor: Supervisor
    chance: random.Random


Strike = Callable[[Struck], bool]


def _wait(probe: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not probe():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _restarted(struck: Struck, **environ: str) -> None:
    if struck.processor.is_running:
        struck.processor.kill()
    struck.supervisor.bring_up(struck.processor, **environ)


def _ended(struck: Struck, within: float) -> bool:
    return _wait(lambda: not struck.processor.is_running, within)


def _comes_past(struck: Struck, point: str, is_seen: Callable[[], bool]) -> bool:
    """Whether it *is_seen* in time that a processor, just started, came past *point*."""
    has_started = _has_started(struck)
    _wait(lambda: is_seen() or has_started(), STARTED_S)
    return _wait(is_seen, SWEPT_S if point in SWEEPS else PASS_S)


def crash_at(point: str) -> Strike:
    """Return the strike that kills a processor at a named point."""

    def strike(struck: Struck) -> bool:
        nth = 1 if point in ONCE | LATE | SWEEPS else struck.chance.randrange(1, 5)
        _restarted(struck, IDSTREAM_CRASH_AT=f"{point}:{nth}")
        if point in LATE and _wait(_has_started(struck), STARTED_S):
            struck.processor.terminate()
        if point == "in_rewind" and _wait(_has_started(struck), STARTED_S):
            _disturb_until_it_ends(struck)
        if _comes_past(struck, point, lambda: not struck.processor.is_running):
            return struck.processor.status == -signal.SIGKILL
        struck.processor.kill()
        return False

    return strike


def _has_started(struck: Struck) -> Callable[[], bool]:
    return lambda: struck.processor.has_started or not struck.processor.is_running


def _disturb_until_it_ends(struck: Struck) -> None:
    """Reset the connections to Redis until a reset meets a request: that makes it start again."""
    for _ in range(200):
        struck.stage.servers.redis_proxy.reset()
        if _ended(struck, 0.05):
            return


def _is_up(struck: Struck) -> bool:
    """Whether the processor runs; one that does not is started first, until it processes."""
    if not struck.processor.is_running:
        struck.supervisor.bring_up(struck.processor)
        _wait(_has_started(struck), STARTED_S)
    return struck.processor.is_running


def _kill(struck: Struck) -> bool:
    return _is_up(struck) and struck.processor.kill()


def _terminate(struck: Struck) -> bool:
    if not _is_up(struck) or not _wait(_has_started(struck), STARTED_S):
        return False
    was_sent = struck.processor.terminate()
    if not _ended(struck, 40):
        raise AssertionError("it did not leave within 40 s of SIGTERM")
    return was_sent and struck.processor.status == 0


def _freeze(struck: Struck) -> bool:
    if not _is_up(struck) or not struck.processor.freeze():
        return False
    return _thawed_too_late(struck, SESSION_S + struck.chance.uniform(0.5, 2.0))


def freeze_at(point: str, seconds: float, *told_by: str) -> Strike:
    """Return the strike that stops a processor at a named point, until others have its work.

    *told_by* are its clients one of which must have told it so, see ``_is_told``.
    """

    def strike(struck: Struck) -> bool:
        return _stopped_at(struck, point) and _thawed_too_late(struck, seconds, *told_by)

    return strike


def freeze_briefly_at(point: str) -> Strike:
    """Return the strike that stops a processor at a named point, and nobody has its work."""

    def strike(struck: Struck) -> bool:
        if not _stopped_at(struck, point):
            return False
        time.sleep(SESSION_S / 3)  # it is away for so long
        return struck.processor.thaw()

    return strike


def _stopped_at(struck: Struck, point: str) -> bool:
    nth = 1 if point in ONCE | SWEEPS else struck.chance.randrange(1, 4)
    _restarted(struck, IDSTREAM_STOP_AT=f"{point}:{nth}")
    if _comes_past(struck, point, lambda: struck.processor.state == "T"):
        return True
    struck.processor.kill()  # or it would stop when nobody is there to let it go on
    return False


def _thawed_too_late(struck: Struck, seconds: float, *told_by: str) -> bool:
    """Let what was stopped go on after *seconds*; return whether others had its work by then."""
    said = len(struck.processor.log())
    time.sleep(seconds)  # sessions and transactions end meanwhile: that is the fault
    struck.processor.thaw()
    return _wait(lambda: _is_told(struck.processor, said, told_by), STARTED_S)


def _is_told(processor: Processor, said: int, clients: Sequence[str]) -> bool:
    """Whether the consumer or the producer told it, after so much of its log, that it is out.

    The consumer when its partitions are lost, the producer when a transaction is not its own.
    """
    if not processor.is_running:
        return any(words in processor.last_line for words in EXPECTED_ENDS)
    undone = [line for line in processor.log()[said:].splitlines() if '"rewound"' in line]
    who = clients or ("consumer", "producer")
    return any(f'"source":"{client}"' in line for client in who for line in undone)


def _says_fenced(processor: Processor) -> bool:
    last = processor.last_line
    return "fenced" in last.lower() or "old epoch" in last


def _fence(struck: Struck) -> bool:
    """Take its transactional id away, as a twin would that somebody starts by mistake."""
    assert struck.processor.is_static, "its transactional id is not known"
    if not _is_up(struck) or not _wait(_has_started(struck), STARTED_S):
        return False
    usurper = Producer(
        {
            "bootstrap.servers": struck.stage.servers.kafka.bootstrap,
            "transactional.id": f"{struck.stage.group}-{struck.processor.name}",
            "log_level": 0,
        }
    )
    try:
        usurper.init_transactions(20)
    except KafkaException:
        return False
    return _ended(struck, PASS_S) and _says_fenced(struck.processor)


FENCED = "producer fenced"
"""Is struck against processors whose transactional id is known: those with a name of their own."""
_ELSEWHERE = {"restore", "replay", "recompute", "import"}
RUN_POINTS = [p for p in POINTS if not _ELSEWHERE & set(p.split("_"))]
"""Points that the load passes; those of other commands are struck by tests of these."""
CRASHES: dict[str, Strike] = {f"crash {point}": crash_at(point) for point in RUN_POINTS}
AGAINST_ONE: dict[str, Strike] = {
    "SIGKILL": _kill,
    "SIGTERM": _terminate,
    "SIGSTOP past the session": _freeze,
    "SIGSTOP before the index commit": freeze_at("before_index_commit", SESSION_S + 1),
    "SIGSTOP after the index commit": freeze_at("after_index_commit", SESSION_S + 1),
    "SIGSTOP briefly after the index commit": freeze_briefly_at("after_index_commit"),
    "SIGSTOP with a sweep in hand": freeze_at("before_sweep_commit", SESSION_S + 1),
    "SIGSTOP after the claim": freeze_at("after_claim", SESSION_S + 1),
    "SIGSTOP past the transaction": freeze_at("before_kafka_commit", TRANSACTION_S + 2, "producer"),
    FENCED: _fence,
}


# ---- against all ------------------------------------------------------------------------------


def _client(struck: Struck) -> redis.Redis:
    return struck.stage.servers.redis.client


def _redis_restart(struck: Struck) -> bool:
    is_used = struck.stage.servers.redis_proxy.is_used
    # A server that syncs each second answers before it has written where its disk is slow.
    _client(struck).config_set("appendfsync", "always")
    struck.stage.servers.redis.restart()
    return is_used


def _redis_bounce(struck: Struck) -> bool:
    is_used = struck.stage.servers.redis_proxy.is_used
    struck.stage.servers.redis.stop()
    struck.stage.servers.redis.start()
    return is_used


def _redis_stop(struck: Struck) -> bool:
    redis_node, is_used = struck.stage.servers.redis, struck.stage.servers.redis_proxy.is_used
    redis_node.pause()
    time.sleep(struck.chance.choice([1.0, 4.0, 11.0]))  # the last one is past the reply timeout
    redis_node.resume()
    return is_used


def _script_flush(struck: Struck) -> bool:
    before = _refusals(struck, "NOSCRIPT")
    _client(struck).script_flush()
    return _wait(lambda: _refusals(struck, "NOSCRIPT") > before, PASS_S)


def _client_kill(struck: Struck) -> bool:
    is_used = struck.stage.servers.redis_proxy.is_used
    return bool(_client(struck).execute_command("CLIENT", "KILL", "TYPE", "normal")) and is_used


def _refusals(struck: Struck, kind: str) -> int:
    """Return how many commands the server has refused with an error of this *kind*."""
    found = _client(struck).info("errorstats").get(f"errorstat_{kind}")
    return int(found["count"]) if found else 0


def _out_of_memory(struck: Struck) -> bool:
    client, before = _client(struck), _refusals(struck, "OOM")
    client.config_set("maxmemory", "1")
    time.sleep(1.5)  # the server is full for so long
    client.config_set("maxmemory", "0")
    return _refusals(struck, "OOM") > before


def _read_only(struck: Struck) -> bool:
    client, before = _client(struck), _refusals(struck, "READONLY")
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    time.sleep(1.5)  # it is a replica for so long
    client.execute_command("REPLICAOF", "NO", "ONE")
    return _refusals(struck, "READONLY") > before


def _network(server: str, kind: str) -> Strike:
    def strike(struck: Struck) -> bool:
        servers = struck.stage.servers
        proxy = servers.redis_proxy if server == "redis" else servers.broker_proxy
        if kind == "slow":
            proxy.delay(0.05)
        elif kind == "stalled":
            proxy.stall()
        elif kind == "half-open":
            proxy.half_open()
        elif kind == "reset":
            proxy.reset()
        else:
            proxy.cut_after(struck.chance.randrange(1, 100_000))
        time.sleep(struck.chance.uniform(0.5, 4.0))  # the network is so for so long
        has_hit = _wait(lambda: proxy.met > 0, PASS_S)
        proxy.heal()
        return has_hit

    return strike


def _broker_kill(struck: Struck) -> bool:
    broker, is_used = struck.stage.servers.broker, struck.stage.servers.broker_proxy.is_used
    broker.kill()
    broker.start()
    return is_used


def _broker_bounce(struck: Struck) -> bool:
    broker, is_used = struck.stage.servers.broker, struck.stage.servers.broker_proxy.is_used
    broker.stop()
    broker.start()
    return is_used


def _broker_stop(struck: Struck) -> bool:
    broker, is_used = struck.stage.servers.broker, struck.stage.servers.broker_proxy.is_used
    broker.pause()
    time.sleep(struck.chance.choice([1.0, 5.0]))  # the broker stands still for so long
    broker.resume()
    return is_used


KINDS = ("slow", "stalled", "half-open", "reset", "cut")
AGAINST_ALL: dict[str, Strike] = {
    "Redis killed and restarted": _redis_restart,
    "Redis SIGTERM": _redis_bounce,
    "Redis SIGSTOP": _redis_stop,
    "SCRIPT FLUSH": _script_flush,
    "CLIENT KILL": _client_kill,
    "Redis out of memory": _out_of_memory,
    "Redis read-only": _read_only,
    "broker killed and restarted": _broker_kill,
    "broker SIGTERM": _broker_bounce,
    "broker SIGSTOP": _broker_stop,
    **{f"Redis connection {kind}": _network("redis", kind) for kind in KINDS},
    **{f"broker connection {kind}": _network("broker", kind) for kind in KINDS},
}
EVERY: dict[str, Strike] = {**CRASHES, **AGAINST_ONE, **AGAINST_ALL}
SLOW = frozenset({"SIGSTOP with a sweep in hand", *(f"crash {point}" for point in SWEEPS)})
"""Strikes that wait until a minute is over."""
NAMED = SLOW | {FENCED}
"""Strikes against processors with a name of their own only: such a one keeps its partitions over a
restart, where a new member of the group may be given none of the clock's, and meets no sweep.
"""
FREEZES = frozenset(name for name in AGAINST_ONE if "SIGSTOP" in name and "briefly" not in name)
OF_A_MOMENT = {"SCRIPT FLUSH", "CLIENT KILL"}
PROVOKING = FREEZES | {FENCED} | (AGAINST_ALL.keys() - OF_A_MOMENT)
"""Faults after which others may have what a processor had: it then ends by itself."""
