"""What becomes of a file and of its rows: refused as a whole, taken, or rejected one by one."""

from collections.abc import Sequence

from msgspec import Struct

from processor.identity.model import Identifier


class FileRefused(Exception):
    """The file cannot be imported as it is; the mistakes are a line each."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes: Sequence[str] = mistakes


class Unfit(Exception):
    """A row breaks a rule: caught where the row is read, never seen outside."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(field, rule)
        self.field = field
        self.rule = rule


class Rejected(Struct, frozen=True, gc=False):
    """A row that is left out: its place, and the rule that it breaks, nothing of what it says."""

    row: int
    line: int
    field: str
    rule: str


class Taken(Struct, frozen=True, gc=False):
    """A row that goes in."""

    row: int
    value: bytes
    """The batch."""
    key: bytes
    identifiers: tuple[Identifier, ...]
    """Those that count, in normal form."""
    environment: str


Row = Taken | Rejected
