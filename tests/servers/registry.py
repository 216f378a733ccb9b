"""One real schema registry: Apicurio, whose Confluent interface is what the processor speaks.

Its archive comes from Maven and is kept in the user's cache; ``IDSTREAM_TEST_REGISTRY_URL`` names
another registry. It keeps its schemas in memory.
"""

import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.freezing import freeze
from tests.servers.kafka_node import Unavailable
from tests.servers.missing import missing
from tests.servers.ports import free_port

VERSION = "3.0.9"
ARTIFACT = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
START_S = 90


class Registry:
    """A running registry; *process* is None where it is somebody else's."""

    def __init__(self, url: str, process: subprocess.Popen[bytes] | None) -> None:
        self.url = url
        self._process = process

    def register(self, subject: str, schema: object, **more: object) -> int:
        """Register *schema* under *subject* and return its id; *more* as the interface has it."""
        body = {"schema": json.dumps(schema), **more}
        found = self._ask("POST", f"/subjects/{subject}/versions", body)
        assert isinstance(found["id"], int)
        return found["id"]

    def writer(self, schema_id: int) -> str:
        """Return the schema with this id."""
        found: str = self._ask("GET", f"/schemas/ids/{schema_id}")["schema"]
        return found

    def hold(self, subject: str, level: str) -> None:
        """Let *subject* take only schemas that are compatible by *level*."""
        self._ask("PUT", f"/config/{subject}", {"compatibility": level})

    def accepts(self, subject: str, schema: object) -> bool:
        """Return whether *schema* is compatible with the latest one of *subject*."""
        path = f"/compatibility/subjects/{subject}/versions"
        answer = self._ask("POST", path, {"schema": json.dumps(schema)})
        return bool(answer["is_compatible"])

    def stop(self) -> None:
        """Let it stop answering, its connections open."""
        freeze(self._pid)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self._pid, signal.SIGCONT)

    @property
    def _pid(self) -> int:
        if self._process is None:
            pytest.skip("the registry is not ours to stop")
        return self._process.pid

    def _ask(self, method: str, path: str, body: object = None) -> dict:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/vnd.schemaregistry.v1+json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


def _archive() -> Path:
    """Return the folder of the registry, filled by Maven the first time."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "idstream" / f"apicurio-{VERSION}"
    if home.exists():
        return home
    if shutil.which("java") is None or shutil.which("mvn") is None:
        raise Unavailable("it needs Java 17 and Maven")
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as work:
        _maven("dependency:get", f"-Dartifact={ARTIFACT}", "-Dtransitive=false")
        _maven("dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={work}")
        (archive,) = Path(work).glob("*.tar.gz")
        fresh = Path(work) / uuid.uuid4().hex
        with tarfile.open(archive) as tar:
            tar.extractall(fresh, filter="data")
        if not home.exists():  # another session may have been quicker
            fresh.rename(home)
    return home


def _maven(*arguments: str) -> None:
    done = subprocess.run(["mvn", "-B", "-q", *arguments], capture_output=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"Maven could not get {ARTIFACT}")


def start_registry() -> Registry:
    """Start one in a process of its own and wait until it answers."""
    home, port = _archive(), free_port()
    (jar,) = home.glob("*-runner.jar")
    options = {
        "quarkus.http.port": port,
        "quarkus.http.host": "127.0.0.1",
        "quarkus.log.level": "ERROR",
        "quarkus.otel.sdk.disabled": "true",
        "java.io.tmpdir": tempfile.gettempdir(),
    }
    process = subprocess.Popen(
        [
            *("java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
            *(f"-D{name}={value}" for name, value in options.items()),
            *("-jar", str(jar)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    registry = Registry(f"http://127.0.0.1:{port}/apis/ccompat/v7", process)
    deadline = time.monotonic() + START_S
    while True:
        try:
            registry._ask("GET", "/schemas/types")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if process.poll() is not None or time.monotonic() > deadline:
                stop_registry(registry)
                raise Unavailable("the registry did not start") from None
            time.sleep(0.1)
        else:
            return registry


def stop_registry(registry: Registry) -> None:
    """End a registry of ours."""
    if registry._process is not None:
        registry._process.kill()
        registry._process.wait()


@pytest.fixture(scope="session")
def registry() -> Iterator[Registry]:
    """One real schema registry for the session."""
    if url := os.environ.get("IDSTREAM_TEST_REGISTRY_URL"):
        yield Registry(url, None)
        return
    try:
        running = start_registry()
    except Unavailable as reason:
        missing(f"no schema registry: {reason}")
    yield running
    stop_registry(running)
