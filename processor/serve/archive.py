"""A zip file that is made while it is sent: nothing of it is kept."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

Files = Iterable[tuple[str, Iterable[bytes]]]
"""Names, and the pieces that they hold."""
_MODE: Final = 0o600 << 16
Moment = tuple[int, int, int, int, int, int]
"""Year to second, as zip files have them."""


class _Sink:
    """Takes what a zip file writes, which never goes back in it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def taken(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def moment_of(made_ms: int) -> Moment:
    """Return when files were made, in milliseconds since 1970, as a zip file has it."""
    at = datetime.fromtimestamp(made_ms / 1000, UTC)
    return at.year, at.month, at.day, at.hour, at.minute, at.second


def zipped(files: Files, moment: Moment) -> Iterator[bytes]:
    """Yield a zip file with *files*, which are taken one after the other, piece by piece."""
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_DEFLATED) as archive:  # type: ignore[call-overload]  # it only writes
        for name, pieces in files:
            info = ZipInfo(name, moment)
            info.compress_type, info.external_attr = ZIP_DEFLATED, _MODE
            with archive.open(info, "w", force_zip64=True) as member:
                for piece in pieces:
                    member.write(piece)
                    if data := sink.taken():
                        yield data
    yield sink.taken()
