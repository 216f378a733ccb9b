"""The manifest of a foreign file: which of its columns are kept, and as what."""

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from processor.codecs.fault import fault_of
from processor.codecs.nearness import hint
from processor.imports.verdict import FileRefused


class ManifestColumn(Struct, frozen=True):
    """What becomes of one column of the file."""

    column: str | int
    action: Literal["keep", "ignore"] = "keep"
    field: str | None = None
    """The name in dot notation; without one, the column's own."""

    @property
    def meant(self) -> str:
        """The name in dot notation, '' of a column that is ignored."""
        return "" if self.action == "ignore" else self.field or str(self.column)


class Manifest(Struct, frozen=True, rename="camel"):
    """A manifest in the published form."""

    columns: tuple[ManifestColumn, ...]
    has_header_row: bool = True


def read_manifest(text: bytes) -> Manifest:
    """Return the manifest in *text*; FileRefused where it is none."""
    try:
        manifest = msgspec.json.decode(text, type=Manifest)
    except msgspec.ValidationError as error:
        raise FileRefused(f"the manifest: {fault_of(error, '').detail.removeprefix('.')}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise FileRefused("the manifest: is no valid JSON") from None
    if not manifest.columns:
        raise FileRefused("the manifest: columns is empty")
    return manifest


def names_under(manifest: Manifest, header: Sequence[str] | None) -> list[str]:
    """Return the names in dot notation of a file's columns, '' for those that are ignored.

    *header* is the file's own, None where the manifest says that there is none: then its entries
    stand for the columns in their order.
    """
    if header is None:
        return [entry.meant for entry in manifest.columns]
    listed = {str(entry.column): entry for entry in manifest.columns}
    mistakes = [
        f"the manifest: column {name} is not in the file{hint(name, header)}"
        for name in listed
        if name not in header
    ]
    if len(listed) < len(manifest.columns):
        mistakes.append("the manifest: a column is listed twice")
    if mistakes:
        raise FileRefused(*mistakes)
    return [listed[name].meant if name in listed else name for name in header]
