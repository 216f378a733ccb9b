"""Where an import stands: the metadata of the offset that its group commits.

The offset is a number of rows and no place in the log; brokers do not compare.
"""

import re
from typing import Final, Literal

from msgspec import Struct

from processor.imports.tape import Mark

State = Literal["open", "finished"]
_FORM: Final = re.compile(
    r"idstream-import1 plan=([0-9a-f]{32}) size=([0-9]{1,19}) bytes=([0-9]{1,19})"
    r" lines=([0-9]{1,19}) digest=([0-9a-f]{32}) rejected=([0-9]{1,19}) (open|finished)"
)


class Position(Struct, frozen=True):
    """How far an import has come, and of what."""

    rows: int
    """Of the file, rejected ones too."""
    rejected: int
    mark: Mark
    size: int
    """Of the file, as it lies there."""
    plan: str
    """A digest of what the rows were read by."""
    state: State = "open"

    def metadata(self) -> str:
        """Return what stands beside the offset, which is ``rows``."""
        mark = self.mark
        return (
            f"idstream-import1 plan={self.plan} size={self.size} bytes={mark.offset}"
            f" lines={mark.lines} digest={mark.digest} rejected={self.rejected} {self.state}"
        )


def read_position(offset: int, metadata: str) -> Position | None:
    """Return the position in a committed offset; None where it is none of an import."""
    found = _FORM.fullmatch(metadata)
    if found is None or offset < 0:
        return None
    plan, size, read, lines, digest, rejected, state = found.groups()
    return Position(
        rows=offset,
        rejected=int(rejected),
        mark=Mark(int(read), int(lines), digest),
        size=int(size),
        plan=plan,
        state="finished" if state == "finished" else "open",
    )
