"""The processor as a process, and batches that go through it."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Message

from tests.servers.kafka import Kafka
from tests.servers.waiting import eventually

BATCH = (
    b'{"user_identities": {"email": "ed@example.com"}, "events": [{"event_type": "session_start"}]}'
)


class Idstream:
    """The program, with one configuration file."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.log = config.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    def command(self, word: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "processor", word, "-c", str(self.config), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=55,
        )

    def start(self) -> None:
        """Start ``run`` beside the test."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "processor", "run", "-c", str(self.config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def says(self, words: str) -> bool:
        """Return whether the log of ``run`` has *words*."""
        return words in self.log.read_text()

    def ended(self) -> bool:
        """Return whether ``run`` has ended by itself."""
        assert self._process is not None
        return self._process.poll() is not None

    def stop(self) -> None:
        """End ``run`` by SIGTERM, as a supervisor does; it has to end well."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(40) == 0, self.log.read_text()[-3000:]
        self._process = None

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Stream(NamedTuple):
    """A broker, and the topics that batches come from and go to."""

    kafka: Kafka
    batches: str
    enriched: str

    def passes(self, program: Idstream) -> bytes:
        """Send a batch to a running *program*; return what came out of it."""
        before = len(self.kafka.read(self.enriched))
        self.kafka.produce(self.batches, [BATCH])

        def came_out() -> list[Message]:
            assert not program.ended(), program.log.read_text()[-3000:]
            return self.kafka.read(self.enriched)[before:]

        (message,) = eventually(came_out, within=50, every=0.3)
        value = message.value()
        assert isinstance(value, bytes)
        return value
