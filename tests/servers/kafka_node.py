"""One real Kafka broker in a process of its own: to be started, killed, stopped and restarted.

The jars come from Maven and are kept in the user's cache, one folder a version. Where there is no
Java, the same configuration runs in a container.
"""

import base64
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from processor.kafka.asking import close
from tests.servers.freezing import freeze, state_of
from tests.servers.ports import free_port

VERSION = "4.1.2"
LOG4J_VERSION = "2.25.1"
IMAGE = f"apache/kafka:{VERSION}"

POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>idstream.tests</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>{LOG4J_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-core</artifactId>
      <version>{LOG4J_VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""

LOG4J = """\
rootLogger.level = WARN
rootLogger.appenderRef.stdout.ref = STDOUT
appender.stdout.type = Console
appender.stdout.name = STDOUT
appender.stdout.layout.type = PatternLayout
appender.stdout.layout.pattern = %d %p %c: %m%n
"""


MEMORY = Path("/dev/shm")
ENOUGH = 8 * 2**30
"""So much must be free in MEMORY for brokers of several workers."""


class Unavailable(Exception):
    """A Kafka of this kind cannot be had on this machine."""


def in_memory() -> Path | None:
    """Return a folder in memory, if this machine has one that is large enough.

    Every change of metadata is synced, and on a disk that others write to a sync takes seconds:
    then the broker is late with its heartbeat, and fenced.
    """
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ENOUGH:
        return MEMORY
    return None


class Listener(NamedTuple):
    """One more listener of a broker, under a security protocol of its own."""

    name: str
    port: int
    protocol: str


class Proxied(NamedTuple):
    """A second listener, which clients that ask for it are told to find at a proxy."""

    port: int
    advertised: int


def server_properties(
    port: int, controller: int, logs: str, host: str, proxied: Proxied | None = None
) -> dict[str, str]:
    """Return the configuration of one node that is broker and controller."""
    properties = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://{host}:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": logs,
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "5",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "5",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        # Tests want sessions that end soon, and expired transactions noticed soon.
        "group.min.session.timeout.ms": "1000",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
        "log.cleaner.backoff.ms": "500",
        # Records of tests are of any time, and what is older than a week would be deleted.
        "log.retention.check.interval.ms": "86400000",
        # A killed broker is refused its registration for the rest of its session.
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "500",
    }
    if proxied is not None:
        properties |= {
            "listeners": f"{properties['listeners']},PROXIED://{host}:{proxied.port}",
            "advertised.listeners": f"{properties['advertised.listeners']}"
            f",PROXIED://127.0.0.1:{proxied.advertised}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,"
            "CONTROLLER:PLAINTEXT",
        }
    return properties


def with_listeners(properties: dict[str, str], more: Sequence[Listener]) -> dict[str, str]:
    """Return *properties* with *more* listeners beside the plain ones."""
    # Under names and addresses of this machine: certificates are for some of them.
    listening = ",".join(f"{one.name}://0.0.0.0:{one.port}" for one in more)
    told = ",".join(f"{one.name}://localhost:{one.port}" for one in more)
    kinds = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
    kinds |= {one.name: one.protocol for one in more}
    return {
        **properties,
        "listeners": f"{properties['listeners']},{listening}",
        "advertised.listeners": f"{properties['advertised.listeners']},{told}",
        "listener.security.protocol.map": ",".join(f"{n}:{kind}" for n, kind in kinds.items()),
    }


def jars() -> Path:
    """Return the folder of Kafka's jars, filled by Maven the first time."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    libs = cache / "idstream" / f"kafka-{VERSION}"
    if libs.exists():
        return libs
    if shutil.which("java") is None or shutil.which("mvn") is None:
        raise Unavailable("neither Java nor Maven, or only one of them, is installed")
    libs.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=libs.parent) as folder:
        (Path(folder) / "pom.xml").write_text(POM)
        command = ["mvn", "-B", "-q", "dependency:copy-dependencies", "-DoutputDirectory=libs"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Unavailable(f"Maven could not fetch Kafka's jars: {done.stdout[-500:]}")
        try:
            (Path(folder) / "libs").rename(libs)  # at once, so a run beside us sees all or nothing
        except OSError:
            assert libs.exists()
    return libs


class Node(Protocol):
    """A broker whose life the tests control."""

    bootstrap: str

    def start(self) -> None: ...
    def kill(self) -> None: ...
    def stop(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def ailing(self) -> str: ...
    def told(self) -> str: ...
    def close(self) -> None: ...


class JavaNode:
    """Kafka in a JVM of this machine."""

    def __init__(
        self,
        *java: str,
        folder: Path | None = None,
        proxied: Proxied | None = None,
        listeners: Sequence[Listener] = (),
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Prepare a broker; *java* are options for the JVM instead of those that start it fast.

        Its data are on disk, or else in *folder*. *more* are properties beside our own, such as
        those that its *listeners* need.
        """
        self._libs = jars()
        self._options = java or ("-Xms256m", "-Xmx512m", "-XX:TieredStopAtLevel=1")
        self._home = Path(tempfile.mkdtemp(prefix="idstream-kafka-", dir=folder))
        port, controller = free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{port}"
        data = str(self._home / "data")
        properties = server_properties(port, controller, data, "127.0.0.1", proxied)
        if listeners:
            properties = with_listeners(properties, listeners)
        properties |= more
        self._properties = self._home / "server.properties"
        self._properties.write_text("".join(f"{k}={v}\n" for k, v in properties.items()))
        (self._home / "log4j2.properties").write_text(LOG4J)
        self._process: subprocess.Popen[bytes] | None = None
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        self._java(
            "kafka.tools.StorageTool",
            "format",
            f"--cluster-id={cluster}",
            "-c",
            str(self._properties),
        )

    def _command(self, *arguments: str) -> list[str]:
        return [
            "java",
            *self._options,
            "-XX:+UseSerialGC",
            f"-Dlog4j2.configurationFile={self._home / 'log4j2.properties'}",
            "-cp",
            f"{self._libs}/*",
            *arguments,
        ]

    def _java(self, *arguments: str) -> None:
        done = subprocess.run(
            self._command(*arguments), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @property
    def log(self) -> Path:
        return self._home / "broker.log"

    def told(self) -> str:
        """Return the end of the broker's log."""
        return self.log.read_text()[-3000:]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the broker, and return when it answers."""
        assert self._process is None
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command("kafka.Kafka", str(self._properties)),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until_it_answers(self.bootstrap, 60, self._still_runs)

    def _still_runs(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, self.told()

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """SIGTERM: it shuts down in order."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)
        self._process = None

    def pause(self) -> None:
        freeze(self.pid)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def ailing(self) -> str:
        """Return what is wrong with the process; '' if nothing is."""
        if self._process is None:
            return "killed"
        if (code := self._process.poll()) is not None:
            return f"dead ({code}): {self.told()}"
        return "frozen" if state_of(self.pid) == "T" else ""

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._home, ignore_errors=True)


class ContainerNode:
    """Kafka in a container, its data inside it: it survives a kill, not a removal."""

    def __init__(self, proxied: Proxied | None = None) -> None:
        if not docker_listens():
            raise Unavailable("no Docker daemon listens")
        try:
            from testcontainers.core.container import DockerContainer

            port = free_port()
            properties = server_properties(port, 9093, "/tmp/kafka-data", "0.0.0.0", proxied)
            container = DockerContainer(IMAGE).with_bind_ports(port, port)
            if proxied is not None:
                container = container.with_bind_ports(proxied.port, proxied.port)
            for name, value in properties.items():
                container.with_env("KAFKA_" + name.upper().replace(".", "_"), value)
            container.start()
        except Exception as error:  # noqa: BLE001 - whatever it is, there is no container
            raise Unavailable(f"no Docker: {error}") from None
        self._container = container
        self.bootstrap = f"127.0.0.1:{port}"
        wait_until_it_answers(self.bootstrap, 60, lambda: None)

    def start(self) -> None:
        self._container.get_wrapped_container().start()
        wait_until_it_answers(self.bootstrap, 60, lambda: None)

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def stop(self) -> None:
        self._container.get_wrapped_container().stop()

    def pause(self) -> None:
        self._container.get_wrapped_container().pause()

    def resume(self) -> None:
        self._container.get_wrapped_container().unpause()

    def ailing(self) -> str:
        container = self._container.get_wrapped_container()
        container.reload()
        return "" if container.status == "running" else str(container.status)

    def told(self) -> str:
        return str(self._container.get_wrapped_container().logs(tail=30))

    def close(self) -> None:
        self._container.stop()


def docker_listens() -> bool:
    """Return whether there is a daemon to ask: its client leaks a socket where there is none."""
    if os.environ.get("DOCKER_HOST"):
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex("/var/run/docker.sock") == 0


def start_node(proxied: Proxied | None = None) -> Node:
    """Start a broker of the first kind that this machine offers; raise Unavailable if none."""
    try:
        node = JavaNode(folder=in_memory(), proxied=proxied)
    except Unavailable as no_java:
        try:
            return ContainerNode(proxied)
        except Unavailable as no_docker:
            raise Unavailable(f"{no_java}; {no_docker}") from None
    node.start()
    return node


def wait_until_it_answers(bootstrap: str, within: float, check) -> None:
    """Return when the broker at *bootstrap* answers and knows itself as controller."""
    deadline = time.monotonic() + within
    while not _knows_itself(bootstrap):
        check()
        assert time.monotonic() < deadline, f"no broker at {bootstrap} within {within} s"


def _knows_itself(bootstrap: str) -> bool:
    """Ask with a client of its own: one that is told of no brokers may ask none any more."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        return bool(admin.list_topics(timeout=2).brokers)
    except KafkaException:
        return False
    finally:
        close(admin)
