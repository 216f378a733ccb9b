"""The files of an import: opened, compressed or not, and what was rejected of them."""

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

import msgspec
from msgspec import Struct

from processor.commands.imports.options import One
from processor.commands.terminal.console import visible
from processor.commands.terminal.failure import Failure
from processor.imports.reader import CsvReader, JsonReader, Plan, Reader
from processor.imports.tape import Tape
from processor.imports.verdict import FileRefused, Rejected

_GZIP: Final = b"\x1f\x8b"


class Opened(Struct, frozen=True):
    """A file that is being read."""

    tape: Tape
    reader: Reader
    raw: BinaryIO
    """The file as it lies there, for how much of it is read."""

    def read_bytes(self) -> int:
        """Return how many of the file's bytes are read."""
        return self.raw.tell()


@contextmanager
def opened(one: One, plan: Plan) -> Iterator[Opened]:
    """Open a file; Failure where it cannot be read or is refused."""
    shown = visible(str(one.path))
    try:
        with one.path.open("rb") as raw:
            is_packed = raw.read(len(_GZIP)) == _GZIP
            raw.seek(0)
            stream = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if is_packed else raw
            tape = Tape(stream)
            reader = CsvReader(plan, tape) if one.format == "csv" else JsonReader(plan, tape)
            yield Opened(tape, reader, raw)
    except FileRefused as refusal:
        raise Failure(f"{shown}: {visible(str(refusal))}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Failure(f"{shown}: is no whole gzip file: {error}") from None
    except OSError as error:
        raise Failure(f"cannot read {shown}: {error.strerror}") from None


class Rejects:
    """The file of rejected rows beside a file: their places, and no more of them."""

    def __init__(self, path: Path, after: int) -> None:
        """Begin it anew, or *after* so many rows that an earlier run has judged."""
        self._path = path.with_name(f"{path.name}.rejected.jsonl")
        self._file: BinaryIO | None = None
        with self._told():
            kept = self._kept(after) if after else 0
            if kept:
                # Cut and not written anew: who dies here loses no row that was committed.
                os.truncate(self._path, kept)
            else:
                self._path.unlink(missing_ok=True)

    def add(self, rejected: Rejected) -> None:
        """Add a row."""
        with self._told():
            file = self._file or self._open()
            file.write(msgspec.json.encode(rejected) + b"\n")

    def flush(self) -> None:
        """Make sure that what was added is there, whatever dies."""
        if self._file is not None:
            with self._told():
                self._file.flush()
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with self._told():
                self._file.close()

    @property
    def shown(self) -> str:
        """Its path, for people."""
        return visible(str(self._path))

    def _open(self) -> BinaryIO:
        self._file = self._path.open("ab")
        return self._file

    def _kept(self, after: int) -> int:
        """Return the length of the lines of rows up to *after*: what follows was not committed."""
        if not self._path.exists():
            return 0
        kept = 0
        with self._path.open("rb") as file:
            for line in file:
                try:
                    row = msgspec.json.decode(line, type=Rejected).row
                except msgspec.DecodeError:
                    break  # cut off where the process died
                if row > after:
                    break
                kept += len(line)
        return kept

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Failure(f"cannot write {self.shown}: {error.strerror}") from None
