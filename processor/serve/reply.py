"""Replies: answers of the API as bytes, with the headers that all of them have."""

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Struct

from processor.serve.refusal import Refusal

PRIVATE: Final = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
Header = tuple[bytes, bytes]
_PRIVATE: Final[list[Header]] = [
    (name.lower().encode(), value.encode()) for name, value in PRIVATE.items()
]
_JSON: Final[list[Header]] = [(b"content-type", b"application/json"), *_PRIVATE]
_encode = msgspec.json.Encoder().encode


class Reply(Struct):
    """An answer: ``starlette.responses.Response`` is one too, but takes longer to make."""

    body: bytes
    status_code: int = 200
    raw_headers: list[Header] = []


def answer(body: object, status: int = 200, more: Iterable[Header] = ()) -> Reply:
    """Return *body* as JSON."""
    data = _encode(body)
    length = (b"content-length", b"%d" % len(data))
    return Reply(data, status, [*_JSON, length, *more])


def unchanged(*more: Header) -> Reply:
    """Return that the caller has what it asks for."""
    return Reply(b"", 304, [*_PRIVATE, *more])


def refused(refusal: Refusal) -> Reply:
    """Return the answer of *refusal*."""
    headers = refusal.headers.items()
    more = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return answer(refusal.body, refusal.status, more)
