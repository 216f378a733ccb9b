"""What an index in memory keeps beside profiles: filed documents, and markers of identifiers."""

from collections.abc import Callable

from msgspec import Struct, field

from processor.identity.filed import Filed, Filing
from processor.identity.marker import Markers, added, removed
from processor.identity.model import Identifier
from processor.identity.view import ReadSet

Token = Callable[[Identifier], bytes]


class Files(Struct):
    """The filed documents of a space by number, and markers by token."""

    documents: dict[int, Filed] = field(default_factory=dict)
    markers: dict[bytes, Markers] = field(default_factory=dict)

    def write(self, filing: Filing) -> None:
        """Write documents and markers; a marker that goes does so before one comes."""
        for number, document in filing.documents.items():
            if document.data:
                self.documents[number] = document
            else:
                self.documents.pop(number, None)
        for token, marker in filing.unmarks:
            self.markers[token] = removed(self.markers.get(token, ()), marker)
        for token, marker in filing.marks:
            self.markers[token] = added(self.markers.get(token, ()), marker)
        self.markers = {token: found for token, found in self.markers.items() if found}

    def markers_of(self, identifier: Identifier, token: Token) -> Markers:
        """Return the markers of *identifier*."""
        return self.markers.get(token(identifier), ()) if self.markers else ()

    def add_markers(self, found: ReadSet, token: Token) -> None:
        """Add the markers of the identifiers that were found."""
        if self.markers:
            marked = ((one, self.markers_of(one, token)) for one in found.holders)
            found.markers.update((one, markers) for one, markers in marked if markers)
