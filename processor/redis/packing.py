"""Bytes as msgpack strings: ``cmsgpack`` in Lua knows no binary type."""

from typing import Final

from msgspec import Raw

_SHORT = 32
"""Shorter strings have a header of one byte."""

_HEADERS: Final = tuple(
    bytes((0xA0 | size,)) if size < _SHORT else b"\xdb" + size.to_bytes(4, "big")
    for size in range(256)
)
"""What a msgpack string begins with, by its size."""


def binary(data: bytes) -> Raw:
    """Return *data* as a msgpack string, whatever bytes it holds."""
    return Raw(string(data))


def string(data: bytes) -> bytes:
    """Return the bytes of :func:`binary`, for what is joined before it is sent."""
    size = len(data)
    header = _HEADERS[size] if size < len(_HEADERS) else b"\xdb" + size.to_bytes(4, "big")
    return header + data


def array(packed: list[bytes]) -> Raw:
    """Return a msgpack array of what is packed already."""
    return Raw(b"\xdd" + len(packed).to_bytes(4, "big") + b"".join(packed))
