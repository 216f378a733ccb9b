"""What is read of the index: in one instant for a view, or before, for a remembered decision."""

from collections.abc import Collection, Iterable
from typing import Protocol

from msgspec import Struct

from processor.identity.filed import Filed
from processor.identity.grave import Grave
from processor.identity.marker import Markers
from processor.identity.model import Identifier
from processor.identity.profile import Profile

Holders = tuple[int, ...]
"""The MPIDs of those who hold an identifier: a set, in no particular order."""


class Recall(Protocol):
    """The keys that a remembered decision read, and what they held then."""

    @property
    def identifiers(self) -> tuple[Identifier, ...]:
        """The identifiers whose holders were read."""
        ...

    @property
    def mpids(self) -> tuple[int, ...]:
        """The MPIDs whose profiles were read."""
        ...

    def holders(self) -> Iterable[Holders]:
        """Return the holders of the identifiers."""
        ...

    def versions(self) -> Iterable[int]:
        """Return the versions of the profiles."""
        ...


class Unread(Exception):
    """A decision needs keys that were not read. They are read, and the batch is decided again."""

    def __init__(
        self, identifiers: Collection[Identifier] = (), mpids: Collection[int] = ()
    ) -> None:
        super().__init__()
        self.identifiers = tuple(identifiers)
        self.mpids = tuple(mpids)


class ReadSet(Struct):
    """What was read in one instant; a key that is absent in the index is here as () or None."""

    holders: dict[Identifier, Holders]
    profiles: dict[int, Profile | None]
    """None also where a grave lies: then it is in *graves*."""
    graves: dict[int, Grave] = {}
    markers: dict[Identifier, Markers] = {}
    """Of those identifiers in *holders* that have any."""
    filed: dict[int, Filed] = {}
    """Documents that are no profiles; in *profiles* None stands for them."""

    def version(self, mpid: int) -> int:
        """Return the version under an MPID, that of a grave included; 0 where there is nothing."""
        found = self.profiles.get(mpid) or self.lying(mpid)
        return 0 if found is None else found.version

    def lying(self, mpid: int) -> Profile | Grave | Filed | None:
        """Return what lies under an MPID."""
        return self.profiles.get(mpid) or self.graves.get(mpid) or self.filed.get(mpid)

    def documents(self, mpids: Iterable[int]) -> tuple[Profile | Grave | Filed, ...]:
        """Return what lies under *mpids*, where anything does."""
        return tuple(one for mpid in mpids if (one := self.lying(mpid)) is not None)
