"""What can be seen of processes and servers from outside: CPU, memory, Redis's own counts, the
machine."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import confluent_kafka
import redis

from processor.pipeline.native import recall
from tests.servers.kafka_node import VERSION as KAFKA_VERSION

TICKS = os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).parent.parent
BESIDE = Path(sys.prefix) / "bench" / "bin" / "python"
"""The Python of the environment that ``./dev bench`` makes beside ours, for the peer and plots."""
SCRIPTS = ("eval", "fcall")


def family(pid: int) -> Iterator[int]:
    """Yield the process *pid* and those it has started, as far down as they go."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from family(int(child))


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process and its children have used, all threads together."""
    total = 0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def resident_mib(pid: int) -> float:
    """Return the memory in which a process and its children stand now, MiB."""
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in family(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def redis_cpu_seconds(client: redis.Redis) -> float:
    """Return the CPU time that the server has used, with what its append-only file took."""
    info = client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def redis_script_seconds(client: redis.Redis) -> float:
    """Return how long scripts and functions have run."""
    stats = client.info("commandstats")
    return sum(
        float(of["usec"]) / 1e6
        for command, of in stats.items()
        if command.removeprefix("cmdstat_").startswith(SCRIPTS)
    )


def machine() -> str:
    """Return what the figures were measured on, one line."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} x {model}, {memory:.0f} GiB, {platform.system()}"


def server_name(client: redis.Redis) -> str:
    """Return what the server is, with its version."""
    info = client.info("server")
    version = info.get("valkey_version", info["redis_version"])
    return f"{info.get('server_name', 'redis')} {version}"


def versions(server: str) -> str:
    """Return the versions of what took part beside the Redis *server*, one line."""
    native = "without native code" if recall is None else "with native code"
    return (
        f"Python {platform.python_version()} {native}, confluent-kafka {confluent_kafka.version()},"
        f" redis-py {redis.__version__}, Kafka {KAFKA_VERSION}, {server}"
    )


def commit() -> str:
    """Return the commit that last changed the processor, with a mark where it has changed since."""
    last = git("log", "-1", "--format=%h", "--abbrev=9", "--", "processor")
    changed = git("status", "--porcelain", "--", "processor")
    return f"{last or 'unknown'}{' and changes' if changed else ''}"


def git(*command: str) -> str:
    """Return what git says, nothing where this is no repository."""
    done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def load_average() -> float:
    """Return how many processes of the whole machine wanted to run over the last minute."""
    return os.getloadavg()[0]
