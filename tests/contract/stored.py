"""What really lies in a Redis server, key by key, for comparison with what should."""

import redis

from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.index.derivation import SpaceState, derive
from processor.profiles.document import unpack
from processor.redis import keys
from processor.redis.index import RedisIndex
from tests.contract.people import is_lookup


class Stored:
    """The keys of one space."""

    def __init__(self, client: redis.Redis, prefix: str, space: Space) -> None:
        self.client = client
        self.space = space
        self.control = keys.control_key(prefix, space).encode()
        self._base = self.control + b":1:"

    def names(self, kind: str) -> list[bytes]:
        """What keys of *kind* are called, after their common beginning."""
        start = self._base + kind.encode() + b":"
        found = [key for key in self.client.scan_iter(count=10_000) if key.startswith(start)]
        return sorted(key.removeprefix(start) for key in found)

    def key(self, kind: str, name: bytes) -> bytes:
        return self._base + kind.encode() + b":" + name

    def profiles(self) -> dict[int, Profile]:
        return {
            keys.mpid_of(name): unpack(self.client.get(self.key("p", name)))
            for name in self.names("p")
        }

    def holders(self) -> dict[bytes, tuple[int, ...]]:
        return {
            name: keys.unpack_holders(self.client.get(self.key("i", name)))
            for name in self.names("i")
        }

    def check_is_inverse(self, index: RedisIndex) -> SpaceState:
        """The index entries are exactly what follows from the documents."""
        profiles = self.profiles()
        state = derive(profiles.values(), {self.space.scope: is_lookup})[self.space]
        assert self.holders() == {index.token(i): h for i, h in state.holders.items()}
        return state
