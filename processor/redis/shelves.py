"""Who was set aside by the clock: profiles whom no sweep comes to, as they ended processes."""

from typing import Final

import msgspec

from processor.clock.place import SHARDS
from processor.identity.model import Space
from processor.redis import keys
from processor.redis.connection import Connection, Timeouts, load_script
from processor.settings import Settings

_SHELVES: Final = load_script("shelves", "no-writes")
_encode = msgspec.msgpack.Encoder().encode


class Shelves:
    """The shelves of every space on one Redis server or cluster."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix

    def of(self, space: Space) -> list[int]:
        """Return who is set aside in *space*. May raise IndexUnavailable."""
        shards = [str(shard) for shard in range(SHARDS)]
        control = keys.control_key(self._prefix, space)
        # The 0 stands for the highest seq that the caller has seen: none.
        found = self._connection.run(_SHELVES, control, _encode(("0", shards)))
        return [mpid for shelf in found[1] for mpid in keys.mpids_of(shelf)]

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()


def open_shelves(settings: Settings) -> Shelves:
    """Return the shelves on the server of *settings*; the first use connects."""
    server = settings.redis
    connection = Connection(server.url.reveal(), Timeouts(), is_cluster=server.cluster)
    return Shelves(connection, server.prefix)
