"""Runs in which Redis loses what it acknowledged, and runs in which it only seems so."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.faults.processors import Processor
from tests.faults.stage import EXPECTED_ENDS, RARE, Servers, Stage, beside
from tests.faults.storm import check, owes_nothing
from tests.servers.redis import Node, find_binary
from tests.servers.waiting import eventually

RESTORE = "`idstream restore`"
NOTICED_S = 40.0
LOST = 200
"""Records to be done and then lost: enough that some of them have changed the index."""


@contextmanager
def produced(stage: Stage, seed: int, records: int, rate: float) -> Iterator[None]:
    """Produce beside what happens inside what a restore brings back whole.

    No request ids, whose memory is not restored. And all in one space: a loss that strikes between
    the commits of one poll batch to two spaces is what docs/operations.md says nothing mends.
    """
    counts = records * 4 // 5, records // 5
    with beside(lambda: stage.produce(seed, counts, rate, bad=0.05, repeats=0.0)):
        yield


def lose_and_restore(
    stage: Stage, lose: Callable[[], None], records: int = 2400, times: int = 1, seed: int = 1
) -> list[str]:
    """Let *lose* happen under load; everybody must stop, and restore must mend it all."""
    stage.reader.start()
    _start(stage.processors)
    # What was sent to nobody would be done in one go, and nothing be left for a loss to strike.
    eventually(lambda: any(p.has_started for p in stage.processors), within=60)
    with produced(stage, seed, records, rate=400):
        for _ in range(times):
            reached = len(stage.reader.done) + records // 5
            eventually(lambda reached=reached: len(stage.reader.done) >= reached, within=90)
            lose()
            if unnoticed := [told for p in stage.processors if (told := _does_not_notice(p))]:
                return [f"the loss was not noticed by {one}" for one in unnoticed]
            done = stage.command("restore", "--wait")
            if done.returncode != 0:
                return [f"restore: {done.stderr}"]
            _start(stage.processors)
    return _ending(stage)


def seem_to_lose(stage: Stage, disturb: Callable[[], None], seed: int = 1) -> list[str]:
    """Let *disturb* happen after a time of known users only: nobody may say that it lost anything.

    Known users move no cursor, so the index stands behind what the group has committed.
    """
    stage.reader.start()
    _start(stage.processors)
    with produced(stage, seed, 400, rate=400):
        pass
    stage.wait_for_all()
    for _ in range(2):
        stage.produce_known_users(200, since=RARE)
        stage.wait_for_all()
        disturb()
        stop(stage.processors)
        _start(stage.processors)
    stage.produce_known_users(200, since=RARE)
    return _ending(stage)


def _does_not_notice(processor: Processor) -> str:
    """Return what *processor* does instead of ending because of a loss and saying what to do.

    One that ends because others have what it had, as a stall may make it, is started again.
    """
    deadline = time.monotonic() + NOTICED_S
    while True:
        try:
            status = processor.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return f"{processor.name}: it runs"
        line = processor.last_line
        if status == 1 and RESTORE in line:
            return ""
        if not any(words in line for words in EXPECTED_ENDS):
            return f"{processor.name}: status {status}, {line[:500]}"
        processor.start()


def _start(processors: list[Processor]) -> None:
    for processor in processors:
        processor.start()


def stop(processors: list[Processor]) -> None:
    """Ask *processors* to leave, and see that they do in peace.

    Where one has all the work, another may still be loading: the signal would end it at once.
    """
    for processor in processors:
        eventually(lambda p=processor: p.has_started or not p.is_running, within=60)
        processor.terminate()
    for processor in processors:
        status = processor.wait()
        assert status == 0, processor.last_line


def _ending(stage: Stage) -> list[str]:
    stage.wait_for_all()
    eventually(lambda: owes_nothing(stage), within=60, every=0.2)
    stop(stage.processors)
    found = check(stage, stage.published())
    return [f"{name}: {one}" for name, wrong in found.items() for one in wrong]


# ---- ways to lose, or not -----------------------------------------------------------------------


def flush(servers: Servers) -> None:
    """FLUSHALL: somebody empties the server."""
    servers.redis.client.flushall()


def flush_between_lives(stage: Stage) -> None:
    """The server is emptied while no processor lives that could remember anything.

    They end in peace, one after the other: what is left under way by one that ends in a rebalance
    the next ones settle. What dies in flight together with the journal may be decided anew, which
    docs/operations.md says and no restore can mend.
    """
    for processor in stage.processors:
        stop([processor])
    flush(stage.servers)
    _start(stage.processors)


def restart_without_data(servers: Servers) -> None:
    """The server comes back empty, as one does that keeps nothing on disk."""
    servers.redis.restart(with_data=False)


def restart(servers: Servers) -> None:
    """The server is killed and comes back with all that it had acknowledged.

    Under ``everysec`` it answers before it has written where its disk is slow to sync, and then a
    kill does lose writes. So it is told to write first.
    """
    servers.redis.client.config_set("appendfsync", "always")
    servers.redis.restart()


def reset(servers: Servers) -> None:
    """Every connection to the server is reset."""
    servers.redis_proxy.reset()


@contextmanager
def failover(stage: Stage) -> Iterator[Callable[[], None]]:
    """Give a failover to a replica that really misses acknowledged writes.

    Small writes survive in socket buffers, so large ones are written behind the replica's back.
    """
    servers = stage.servers
    binary = find_binary()
    assert binary is not None
    primary = servers.redis
    replica = Node(binary, "--replicaof", "127.0.0.1", str(primary.port)).start()

    def lose() -> None:
        eventually(lambda: replica.client.info("replication")["master_link_status"] == "up")
        replica.pause()
        for number in range(500):
            primary.client.set(f"filler:{number}", b"x" * 65_536)
        # What is decided now, the replica will not have. A machine may stand still for seconds.
        reached = len(stage.reader.done) + LOST
        eventually(lambda: len(stage.reader.done) >= reached)
        primary.kill()
        replica.resume()
        replica.client.execute_command("REPLICAOF", "NO", "ONE")
        servers.redis = replica
        servers.redis_proxy.target = replica.port
        servers.redis_proxy.reset()

    try:
        yield lose
    finally:
        servers.redis = primary
        servers.redis_proxy.target = primary.port
        replica.close()
        primary.restart()
