"""A file as it is read: lines, how far it is read, and the digest of what is behind.

The digest stands in the position of an import, so that a file that was changed is noticed before it
is gone on with.
"""

from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b
from typing import BinaryIO, Final

from msgspec import Struct

from processor.imports.verdict import FileRefused

MAX_LINE: Final = 64 * 1024 * 1024
_CHUNK: Final = 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff")


class Mark(Struct, frozen=True):
    """How far a file is read."""

    offset: int
    """Bytes, uncompressed."""
    lines: int
    digest: str
    """Of these bytes."""


class Tape:
    """Reads a stream of bytes line by line."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = blake2b(digest_size=16)
        self._behind: list[bytes] = []
        """Lines that were given and are in no digest yet."""
        self._offset = 0
        self.lines = 0
        """How many lines were given."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield line by line; FileRefused where the file is none of lines of UTF-8."""
        read: Callable[[], bytes] = partial(self._stream.readline, MAX_LINE)
        keep = self._behind.append
        for line in iter(read, b""):
            keep(line)
            self.lines += 1
            if self.lines == 1 and self._offset == 0:
                if line.startswith(_WIDE):
                    raise FileRefused("the file is UTF-16: save it as UTF-8")
                yield line.removeprefix(_BOM)
                continue
            if len(line) == MAX_LINE:
                raise FileRefused(
                    f"line {self.lines} is longer than {MAX_LINE // 1024 // 1024} MiB"
                )
            yield line

    def mark(self) -> Mark:
        """Return how far the lines that were given reach."""
        behind = b"".join(self._behind)
        self._behind.clear()
        self._hash.update(behind)
        self._offset += len(behind)
        return Mark(self._offset, self.lines, self._hash.hexdigest())

    def wind(self, to: Mark) -> bool:
        """Go on behind *to*; False where the file is another one up to there."""
        left = to.offset - self.mark().offset
        while left > 0 and (chunk := self._stream.read(min(left, _CHUNK))):
            self._hash.update(chunk)
            left -= len(chunk)
        self._offset, self.lines = to.offset, to.lines
        return left == 0 and self._hash.hexdigest() == to.digest
