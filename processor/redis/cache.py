"""Decoded documents, remembered by their bytes: unpacking is what costs a read most."""

from processor.identity.profile import Profile
from processor.profiles.document import unpack


class ProfileCache:
    """Profiles by MPID (hex digits), as long as their bytes are unchanged; bounded.

    Two halves: what was used lately, and what was used before that. A hit costs one look-up, and
    what is used comes into the younger half again.
    """

    def __init__(self, max_count: int = 10_000, max_bytes: int = 8_388_608) -> None:
        self._max_count = max_count // 2
        self._max_bytes = max_bytes // 2
        self._bytes = 0
        self._young: dict[bytes, tuple[bytes, Profile]] = {}
        self._old: dict[bytes, tuple[bytes, Profile]] = {}

    def profile(self, digits: bytes, data: bytes) -> Profile:
        """Return the profile that *data* says, decoded now or earlier."""
        known = self._young.get(digits)
        if known is not None and known[0] == data:
            return known[1]
        known = self._old.get(digits)
        profile = known[1] if known is not None and known[0] == data else unpack(data)
        self.remember(digits, data, profile)
        return profile

    def remember(self, digits: bytes, data: bytes, profile: Profile) -> None:
        """Note that *data* says *profile*."""
        self._bytes += len(data)
        self._young[digits] = (data, profile)
        if len(self._young) > self._max_count or self._bytes > self._max_bytes:
            self._old, self._young, self._bytes = self._young, {}, 0
