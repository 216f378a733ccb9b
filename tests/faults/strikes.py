"""The faults by name: against one processor, or against what all of them need.

A strike returns whether it hit: a processor that does not come past a crash point in time did not
die there.
"""

import random
import time
from collections.abc import Callable
from typing import NamedTuple

import redis
from confluent_kafka import KafkaException, Producer

from processor.crash import POINTS
from tests.faults.processors import Processor
from tests.faults.stage import SESSION_S, TRANSACTION_S, Stage, Supervisor

PASS_S = 12.0
"""How long a processor may take to come past a point."""
STARTED_S = 20.0
LATE = {"before_revoke", "after_revoke"}
"""Points that a processor passes when it leaves."""
ONCE = {"before_claim", "after_claim", "before_start"}
"""Points that it passes when it starts."""


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


def crash_at(point: str) -> Strike:
    """Return the strike that kills a processor at a named point."""

    def strike(struck: Struck) -> bool:
        nth = 1 if point in ONCE | LATE else struck.chance.randrange(1, 5)
        _restarted(struck, IDSTREAM_CRASH_AT=f"{point}:{nth}")
        if point in LATE and _wait(_has_started(struck), STARTED_S):
            struck.processor.terminate()
        if point == "in_rewind" and _wait(_has_started(struck), STARTED_S):
            _disturb_until_it_ends(struck)
        if _ended(struck, PASS_S):
            return struck.processor.status == -9
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


def _kill(struck: Struck) -> bool:
    struck.processor.kill()
    return True


def _terminate(struck: Struck) -> bool:
    if not struck.processor.has_started:
        _wait(_has_started(struck), STARTED_S)
    struck.processor.terminate()
    if not _ended(struck, 40):
        raise AssertionError("it did not leave within 40 s of SIGTERM")
    return True


def _freeze(struck: Struck) -> bool:
    struck.processor.freeze()
    time.sleep(SESSION_S + struck.chance.uniform(0.5, 2.0))  # the session's end is the fault
    struck.processor.thaw()
    return True


def freeze_at(point: str, seconds: float) -> Strike:
    """Return the strike that stops a processor at a named point, until others have its work."""

    def strike(struck: Struck) -> bool:
        nth = 1 if point in ONCE else struck.chance.randrange(1, 4)
        _restarted(struck, IDSTREAM_STOP_AT=f"{point}:{nth}")
        if not _wait(lambda: _is_stopped(struck.processor), PASS_S):
            return False
        time.sleep(seconds)  # sessions and transactions end meanwhile: that is the fault
        struck.processor.thaw()
        return True

    return strike


def _is_stopped(processor: Processor) -> bool:
    return processor.state == "T"


def _fence(struck: Struck) -> bool:
    """Take its transactional id away, as a twin would that somebody starts by mistake."""
    if not struck.processor.is_static:
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
    return _ended(struck, PASS_S)


RUN_POINTS = [p for p in POINTS if not {"restore", "replay"} & set(p.split("_"))]
"""Points of the main job; those of other commands are struck where these are tested."""
CRASHES: dict[str, Strike] = {f"crash {point}": crash_at(point) for point in RUN_POINTS}
AGAINST_ONE: dict[str, Strike] = {
    "SIGKILL": _kill,
    "SIGTERM": _terminate,
    "SIGSTOP past the session": _freeze,
    "SIGSTOP before the index commit": freeze_at("before_index_commit", SESSION_S + 1),
    "SIGSTOP after the index commit": freeze_at("after_index_commit", SESSION_S + 1),
    "SIGSTOP briefly after the index commit": freeze_at("after_index_commit", SESSION_S / 3),
    "SIGSTOP after the claim": freeze_at("after_claim", SESSION_S + 1),
    "SIGSTOP past the transaction": freeze_at("before_kafka_commit", TRANSACTION_S + 2),
    "producer fenced": _fence,
}


# ---- against all ------------------------------------------------------------------------------


def _client(struck: Struck) -> redis.Redis:
    return struck.stage.servers.redis.client


def _redis_restart(struck: Struck) -> bool:
    struck.stage.servers.redis.restart()
    return True


def _redis_stop(struck: Struck) -> bool:
    redis_node = struck.stage.servers.redis
    redis_node.pause()
    time.sleep(struck.chance.choice([1.0, 4.0, 11.0]))  # the last one is past the reply timeout
    redis_node.resume()
    return True


def _script_flush(struck: Struck) -> bool:
    return bool(_client(struck).script_flush())


def _client_kill(struck: Struck) -> bool:
    return any(_client(struck).execute_command("CLIENT", "KILL", "TYPE", "normal") for _ in "abc")


def _out_of_memory(struck: Struck) -> bool:
    client = _client(struck)
    client.config_set("maxmemory", "1")
    time.sleep(1.5)  # the server is full for so long
    client.config_set("maxmemory", "0")
    return True


def _read_only(struck: Struck) -> bool:
    client = _client(struck)
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    time.sleep(1.5)  # it is a replica for so long
    client.execute_command("REPLICAOF", "NO", "ONE")
    return True


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
        proxy.heal()
        return True

    return strike


def _broker_kill(struck: Struck) -> bool:
    broker = struck.stage.servers.broker
    broker.kill()
    broker.start()
    return True


def _broker_stop(struck: Struck) -> bool:
    broker = struck.stage.servers.broker
    broker.pause()
    time.sleep(struck.chance.choice([1.0, 5.0]))  # the broker stands still for so long
    broker.resume()
    return True


KINDS = ("slow", "stalled", "half-open", "reset", "cut")
AGAINST_ALL: dict[str, Strike] = {
    "Redis killed and restarted": _redis_restart,
    "Redis SIGSTOP": _redis_stop,
    "SCRIPT FLUSH": _script_flush,
    "CLIENT KILL": _client_kill,
    "Redis out of memory": _out_of_memory,
    "Redis read-only": _read_only,
    "broker killed and restarted": _broker_kill,
    "broker SIGSTOP": _broker_stop,
    **{f"Redis connection {kind}": _network("redis", kind) for kind in KINDS},
    **{f"broker connection {kind}": _network("broker", kind) for kind in KINDS},
}
EVERY: dict[str, Strike] = {**CRASHES, **AGAINST_ONE, **AGAINST_ALL}
