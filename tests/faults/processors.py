"""Processors as processes that can be killed and frozen, and what they left in Redis."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import redis

from processor.identity.model import Identifier, Space
from processor.identity.profile import Profile
from processor.profiles.document import is_grave, unpack
from processor.redis import keys
from tests.servers.freezing import freeze, state_of

CRASHES = {"IDSTREAM_CRASH_AT", "IDSTREAM_CRASH_ON"}


class Processor:
    """``idstream run`` on a configuration, under a name of its own."""

    def __init__(self, name: str, config: Path, *, is_static: bool = True) -> None:
        self.name = name
        self.is_static = is_static
        """Whether it keeps its place in the group over restarts."""
        self.lives = 0
        """How often it was started."""
        self.command = [sys.executable, "-m", "processor"]
        self._config = config
        self._sent: set[int] = set()
        """Signals that this life was sent, or is to send itself at a crash point."""
        self._began = 0
        self._log = config.with_name(f"{name}.log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **environ: str) -> None:
        """Start the process; *environ* may name a crash point."""
        if self.is_static:
            environ["IDSTREAM_KAFKA__INSTANCE_ID"] = self.name
        self.lives += 1
        self._sent = {signal.SIGKILL} if environ.keys() & CRASHES else set()
        with self._log.open("ab") as log:
            self._began = log.tell()
            self._process = subprocess.Popen(
                [*self.command, "run", "-c", str(self._config)],
                env={**os.environ, **environ},
                stdout=log,
                stderr=log,
            )

    @property
    def is_running(self) -> bool:
        """Whether the process lives (a frozen one does)."""
        return self._process is not None and self._process.poll() is None

    @property
    def status(self) -> int | None:
        """Its exit status; negative for the signal that ended it."""
        return None if self._process is None else self._process.poll()

    @property
    def state(self) -> str:
        """The state of the process as the system sees it, such as T for stopped; '' if gone."""
        return "" if self._process is None else state_of(self._process.pid)

    def was_sent(self, number: int) -> bool:
        """Whether its last life was sent this signal."""
        return number in self._sent

    def kill(self) -> bool:
        """End it as a power cut would; return whether it ran until then."""
        ran = self._signal(signal.SIGKILL)
        return self.wait() == -signal.SIGKILL and ran

    def freeze(self) -> bool:
        """Stop it; it does not notice. Return whether it ran until then."""
        if not self.is_running:
            return False
        assert self._process is not None
        freeze(self._process.pid)
        return True

    def thaw(self) -> bool:
        """Let it go on where it was; return whether it lives."""
        return self._signal(signal.SIGCONT)

    def terminate(self) -> bool:
        """Ask it to finish and leave; return whether it ran until then."""
        return self._signal(signal.SIGTERM)

    def wait(self, seconds: float = 40) -> int:
        """Wait for its end and return its status."""
        assert self._process is not None
        return self._process.wait(seconds)

    def log(self) -> str:
        """Return all that it wrote."""
        return self._log.read_text() if self._log.exists() else ""

    @property
    def last_line(self) -> str:
        """What it said last."""
        return next(iter(self.log().splitlines()[-1:]), "")

    @property
    def has_started(self) -> bool:
        """Whether it has begun to process partitions since its start."""
        with self._log.open("rb") as log:
            log.seek(self._began)
            return b"partitions_started" in log.read()

    def close(self) -> None:
        """Make sure that it is gone."""
        if self.is_running:
            self.kill()

    def _signal(self, number: int) -> bool:
        if not self.is_running:
            return False
        assert self._process is not None
        self._sent.add(number)
        self._process.send_signal(number)
        return True


def live_profiles(client: redis.Redis, prefix: str, space: Space) -> dict[str, Profile]:
    """Return every document of *space* that is no grave, by profile key."""
    values = (value for _, value in _values(client, prefix, space, "p") if not is_grave(value))
    return {f"{space.name}/{profile.mpid}": profile for profile in map(unpack, values)}


def live_holders(client: redis.Redis, prefix: str, space: Space) -> dict[bytes, tuple[int, ...]]:
    """Return every index entry of *space*, by token."""
    return {
        token: keys.unpack_holders(value) for token, value in _values(client, prefix, space, "i")
    }


def stored(
    client: redis.Redis, prefix: str, space: Space, kind: str
) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and bytes of what *space* has of a kind; no grave among documents."""
    for name, value in _values(client, prefix, space, kind):
        if kind != "p" or not is_grave(value):
            yield name, value


def _values(
    client: redis.Redis, prefix: str, space: Space, kind: str
) -> Iterator[tuple[bytes, bytes]]:
    control = keys.control_key(prefix, space)
    base = f"{control}:{client.hget(control, 'gen').decode()}:{kind}:".encode()
    for key in client.scan_iter(match=_literally(base) + b"*", count=1000):
        yield key[len(base) :], client.get(key)


def _literally(text: bytes) -> bytes:
    return b"".join(b"\\" + bytes([c]) if c in b"[]*?\\{}" else bytes([c]) for c in text)


def identifiers_by_token(profiles: dict[str, Profile], token) -> dict[bytes, Identifier]:
    """Return the identifiers of *profiles* by what stands for them in keys."""
    return {
        token(found): found
        for profile in profiles.values()
        for found in (Identifier(i.identity_type, i.value) for i in profile.identities)
    }
