"""The note beside a file that an import of it has begun.

Positions expire with ``offsets.retention.minutes``; without the note an import that is begun again
after that would look like one that never was.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

from processor.commands.terminal.console import note, visible


class Begun(Struct, frozen=True):
    """Which import has begun."""

    import_id: str
    group: str
    topic: str


class Note:
    """The note beside one file."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}.import.json")

    def says(self, begun: Begun) -> bool:
        """Whether an import with these names was begun before."""
        return begun in self._read()

    def others(self, begun: Begun) -> list[str]:
        """Return the ids of other imports into the same topic that were begun of this file."""
        its = (begun.group, begun.topic)
        found = [one.import_id for one in self._read() if (one.group, one.topic) == its]
        return [one for one in found if one != begun.import_id]

    def write(self, begun: Begun) -> None:
        """Note that an import has begun; where that cannot be written, say so and go on.

        Whoever is killed meanwhile leaves what was noted before.
        """
        found = self._read()
        if begun in found:
            return
        part = self._path.with_name(f"{self._path.name}.part")
        try:
            part.write_bytes(msgspec.json.encode([*found, begun]) + b"\n")
            part.replace(self._path)
        except OSError as error:
            note(
                f"cannot write {visible(str(self._path))} ({error.strerror}): should the position"
                " expire, a later run of this import will not notice that it begins anew"
            )

    def _read(self) -> list[Begun]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=list[Begun])
        except (OSError, msgspec.DecodeError):
            return []
