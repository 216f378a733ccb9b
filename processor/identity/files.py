"""What a view reads and writes beside profiles: filed documents, markers, graves as they lie."""

from collections.abc import Callable

from processor.identity.filed import Filed, Filing
from processor.identity.grave import Grave
from processor.identity.marker import Markers, added, removed
from processor.identity.model import Identifier
from processor.identity.profile import Profile
from processor.identity.reading import Holders, ReadSet


class Files:
    """The part of a view that is no profile. What it reads is checked like all that is read."""

    def __init__(
        self,
        read: ReadSet,
        holders: dict[Identifier, Holders],
        graves: dict[int, Grave],
        exact: Callable[[int], Profile | None],
    ) -> None:
        self._read = read
        self._holders = holders
        self._graves = graves
        self._exact = exact
        self.filing = Filing()
        """What is written."""

    @property
    def is_marked(self) -> bool:
        """Whether any identifier that was read has a marker, or a grave lies under an MPID."""
        return bool(self._read.markers or self._read.graves or self._graves)

    def markers(self, identifier: Identifier) -> Markers:
        """Return the markers of *identifier*, as they were when its holders were read."""
        return self._read.markers.get(identifier, ())

    def markers_left(self, identifier: Identifier, token: bytes) -> Markers:
        """Return the markers that *identifier*, whose *token* it is, has after the commit."""
        found = self.markers(identifier)
        for of, marker in self.filing.unmarks:
            found = removed(found, marker) if of == token else found
        for of, marker in self.filing.marks:
            found = added(found, marker) if of == token else found
        return found

    def erased(self) -> list[int]:
        """Return the MPIDs that were read and under which somebody lies who was erased."""
        return [mpid for mpid, grave in self._read.graves.items() if grave.why == "erased"]

    def filed(self, number: int) -> Filed | None:
        """Return the document under a number that is no profile, if there is one."""
        found = self.filing.documents.get(number)
        if found is None:
            self._exact(number)
            found = self._read.filed.get(number)
        return found if found is not None and found.data else None

    def may_be_profile(self, mpid: int) -> bool:
        """Whether a profile may be made under *mpid*: no other document lies there."""
        return self.filed(mpid) is None

    def file(self, document: Filed) -> None:
        """Write a document that is no profile, or take it away; its version is the caller's."""
        self._exact(document.mpid)
        self.filing.documents[document.mpid] = document

    def let_hold(self, identifier: Identifier, holders: Holders) -> None:
        """Let these stand under *identifier*, which has been read: no profile says it."""
        self._holders[identifier] = holders

    def entomb(self, grave: Grave) -> None:
        """Replace a grave, which has been read, by another one of the same version.

        Or put one where nothing was found.
        """
        self._graves[grave.mpid] = grave
