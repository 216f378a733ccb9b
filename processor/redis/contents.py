"""Everything that a space has in Redis, key by key, of every generation: for a search."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from processor.identity.model import Space
from processor.redis import keys
from processor.redis.connection import Connection, Timeouts
from processor.settings import Settings

_LOT: Final = 1000
_COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "i": ("GET",),
    "p": ("GET",),
    "j": ("LRANGE", "0", "-1"),
    "t": ("LRANGE", "0", "-1"),
    "o": ("SMEMBERS",),
    "l": ("SMEMBERS",),
    "w": ("ZRANGE", "0", "-1"),
    "n": ("XRANGE", "-", "+"),
}
"""How the whole value of a key is read, by the letter of its kind (``keys``); others are hashes."""


class Stored(NamedTuple):
    """A key, and what stands under it."""

    kind: str
    """The letter of ``keys``; empty of the space's control hash."""
    name: bytes
    """What follows the kind in the key."""
    parts: list[bytes]
    """The value; of a collection each of its entries, of a hash its names too."""


class Contents:
    """What spaces hold on one Redis server or cluster; it reads and nothing else."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix

    def of(self, space: Space) -> Iterator[list[Stored]]:
        """Yield what *space* holds, some hundred keys at a time, some perhaps twice.

        May raise IndexUnavailable, or IndexRefused.
        """
        control = keys.control_key(self._prefix, space).encode()
        for lot in self._connection.scan_keys(control.decode(), _LOT):
            mine = [key for key in lot if key == control or key.startswith(control + b":")]
            named = [_named(key[len(control) :]) for key in mine]
            asked = [
                (_COMMANDS.get(kind, ("HGETALL",)), key)
                for (kind, _), key in zip(named, mine, strict=True)
            ]
            found = self._connection.read_all(asked)
            yield [
                Stored(kind, name, list(_flat(value)))
                for (kind, name), value in zip(named, found, strict=True)
            ]

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()


def open_contents(settings: Settings) -> Contents:
    """Return what is on the server of *settings*; the first use connects."""
    server = settings.redis
    connection = Connection(
        server.url.reveal(), Timeouts(reply_seconds=30.0), is_cluster=server.cluster
    )
    return Contents(connection, server.prefix)


def _named(rest: bytes) -> tuple[str, bytes]:
    """Return kind and name in what follows the name of the space: ``:<generation>:<k>:<name>``."""
    _, _, behind = rest[1:].partition(b":")
    kind, _, name = behind.partition(b":")
    return kind.decode("ascii", "replace"), name


def _flat(value: object) -> Iterator[bytes]:
    """Yield the bytes of a reply, however it is nested."""
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, str):
        yield value.encode()
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from _flat(name)
            yield from _flat(one)
    elif isinstance(value, Sequence | set | frozenset):
        for one in value:
            yield from _flat(one)
