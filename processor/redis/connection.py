"""The client of a Redis server or cluster: it runs scripts and sorts the errors.

Nothing is sent twice: after a lost reply only the pipeline knows what may be done again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha1
from importlib.resources import files
from itertools import islice
from typing import Any, cast

import redis
from msgspec import Struct
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ClusterDownError,
    ClusterError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.retry import Retry

from processor.index.errors import IndexRefused, IndexUnavailable

_TRANSIENT = (
    redis.ConnectionError,  # LOADING too
    redis.TimeoutError,
    OutOfMemoryError,
    ReadOnlyError,
    ClusterDownError,  # MASTERDOWN too
    ClusterError,  # too many redirections
    RedisClusterException,  # no node answers, or a slot is nobody's
    TryAgainError,
)
_REFUSALS = (AuthenticationError, AuthorizationError)
"""Kinds of ConnectionError that no waiting mends."""
_TRANSIENT_CODES = frozenset({"BUSY", "NOREPLICAS", "MISCONF", "UNKILLABLE"})
"""Codes of transient errors for which the client has no class."""


class Timeouts(Struct, frozen=True):
    """How long the client waits for a connection and for a reply."""

    connect_seconds: float = 5.0
    reply_seconds: float = 10.0


class Script(Struct, frozen=True):
    """A Lua script and the digest by which the server knows it."""

    text: str
    digest: str


def load_script(name: str, flag: str = "") -> Script:
    """Return the script *name*, with what all scripts share in front of it.

    *flag* goes into the script's shebang: a server out of memory refuses a script that does not
    declare ``no-writes`` or ``allow-oom``.
    """
    here = files("processor.redis") / "scripts"
    # The shebang makes a cluster refuse keys of other slots, and a full server refuse the script.
    shebang = f"#!lua flags={flag}\n" if flag else "#!lua\n"
    parts = (shebang, (here / "shared.lua").read_text(), (here / f"{name}.lua").read_text())
    text = "".join(parts)
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


class Connection:
    """A connection pool to a server or cluster; the first use connects."""

    def __init__(self, url: str, timeouts: Timeouts, *, is_cluster: bool) -> None:
        self.is_cluster = is_cluster
        self._url = url
        self._timeouts = timeouts
        self._client: redis.Redis | RedisCluster | None = None

    def run(self, script: Script, key: str, argument: bytes) -> list[Any]:
        """Run *script* on the node of *key*, loading it where the server does not know it."""
        try:
            client = self._connected()
            execute = cast("Callable[..., list[Any]]", client.execute_command)
            try:
                return execute("EVALSHA", script.digest, 1, key, argument)
            except NoScriptError:
                return execute("EVAL", script.text, 1, key, argument)
        except (RedisError, RedisClusterException) as error:
            raise translate(error) from error

    def reach(self, key: str) -> None:
        """Return if the server (or the node of *key*) answers; a refusal is an answer too."""
        try:
            self._connected().exists(key)
        except (RedisError, RedisClusterException) as error:
            meant = translate(error)
            if isinstance(meant, IndexUnavailable):
                raise meant from error

    def info(self) -> dict[str, Mapping[str, Any]]:
        """Return what INFO says of each primary, by its address."""
        try:
            client = self._connected()
            if isinstance(client, RedisCluster):
                nodes = client.info(target_nodes=RedisCluster.PRIMARIES)
                return cast("dict[str, Mapping[str, Any]]", nodes)
            return {"redis": cast("Mapping[str, Any]", client.info())}
        except (RedisError, RedisClusterException) as error:
            raise translate(error) from error

    def setting(self, name: str) -> str | None:
        """Return a setting of the server (of any node), None where it is not shown to us."""
        try:
            found = cast("dict[str, str]", self._connected().config_get(name))
        except ResponseError:
            return None
        except (RedisError, RedisClusterException) as error:
            raise translate(error) from error
        return found.get(name)

    def scan_keys(self, start: str, count: int) -> Iterator[list[bytes]]:
        """Yield the keys that begin with *start*, about *count* at a time, some perhaps twice."""
        pattern = "".join(f"\\{c}" if c in "*?[]^\\" else c for c in start) + "*"
        try:
            keys = self._connected().scan_iter(pattern, count)
            while found := list(islice(keys, count)):
                yield found
        except (RedisError, RedisClusterException) as error:
            raise translate(error) from error

    def flags(self, keys: Sequence[bytes]) -> list[bytes]:
        """Return which kind of document stands under each of *keys*: its flag, b"" for none."""
        try:
            found: list[bytes] = []
            for at in range(0, len(keys), 1000):
                pipe = self._connected().pipeline(transaction=False)
                for key in keys[at : at + 1000]:
                    pipe.getrange(key, 9, 9)
                found += pipe.execute()
        except (RedisError, RedisClusterException) as error:
            raise translate(error) from error
        return found

    def read_all(self, asked: Sequence[tuple[Sequence[str], bytes]]) -> list[Any]:
        """Return what is told of each key by its command: name, then arguments behind the key."""
        try:
            pipe = self._connected().pipeline(transaction=False)
            for (name, *arguments), key in asked:
                cast("Any", pipe).execute_command(name, key, *arguments)
            return pipe.execute() if asked else []
        except (RedisError, RedisClusterException) as error:
            raise translate(error) from error

    def weight(self, key: bytes) -> int:
        """Return how many bytes *key* and its value take, 0 where it has gone."""
        try:
            return self._connected().memory_usage(key) or 0
        except (RedisError, RedisClusterException) as error:
            raise translate(error) from error

    def unlink(self, keys: Sequence[bytes]) -> int:
        """Delete *keys*, all of one slot; their memory is freed in the background."""
        try:
            return self._connected().unlink(*keys)
        except (RedisError, RedisClusterException) as error:
            raise translate(error) from error

    def close(self) -> None:
        """Close every connection; the next use opens new ones."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connected(self) -> redis.Redis | RedisCluster:
        if self._client is None:
            make = RedisCluster.from_url if self.is_cluster else redis.Redis.from_url
            self._client = make(
                self._url,
                socket_connect_timeout=self._timeouts.connect_seconds,
                socket_timeout=self._timeouts.reply_seconds,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
            )
        return self._client


def translate(error: RedisError | RedisClusterException) -> Exception:
    """Return IndexUnavailable for a transient error, IndexRefused for one that stays."""
    # The text of the error is the server's, and names users, commands and keys, never values.
    what = f"{type(error).__name__}: {error}"
    code = str(error).partition(" ")[0]
    is_transient = isinstance(error, _TRANSIENT) and not isinstance(error, _REFUSALS)
    if is_transient or (isinstance(error, ResponseError) and code in _TRANSIENT_CODES):
        return IndexUnavailable(f"Redis cannot be asked: {what}")
    return IndexRefused(
        f"Redis refuses what is asked of it: {what}. `idstream check` looks at the server;"
        " docs/operations.md has the rights that its user needs"
    )
