"""A relay before a broker, which sees what is asked, and may answer otherwise than the broker."""

import asyncio
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from tests.servers.listening import Listening

FETCH, METADATA, OFFSET_FETCH, FIND_COORDINATOR, API_VERSIONS = 1, 3, 9, 10, 18
"""Kinds of requests, as Kafka numbers them."""
_NOT_COORDINATOR = struct.pack(">h", 16)

Fate = Literal["passed on", "moved", "swallowed"]


class Relay:
    """Forwards connections to the broker at *bootstrap*, and is told to clients as its address.

    What becomes of the answers to whoever asks where a group stands without waiting for open
    transactions is its *fate*: they are passed on, say that another broker is the coordinator, or
    never come.
    """

    def __init__(self, bootstrap: str) -> None:
        self._host, port = bootstrap.split(":")
        self._port = int(port)
        self.fate: Fate = "passed on"
        self.met = 0
        """How many answers had another fate than being passed on."""
        self.is_fenced = False
        """Whether who asks about the cluster hears of no broker, and is then hung up on."""
        self.spares: int | None = None
        """A kind of request: whoever sends such ones through the same connection is not fenced."""
        self.asked: Counter[int] = Counter()
        """How often was asked what."""
        self._server = Listening(self._accept, self._host)
        self.bootstrap = f"{self._host}:{self._server.port}"
        self._real, self._told = (
            self._host.encode() + struct.pack(">i", p) for p in (self._port, self._server.port)
        )

    def close(self) -> None:
        """End it, with all connections."""
        self._server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.close()
            return
        asked: dict[int, tuple[int, bytes]] = {}
        kinds: set[int] = set()

        def question(frame: bytes) -> bytes:
            kind, _, number = struct.unpack_from(">hhi", frame)
            self.asked[kind] += 1
            kinds.add(kind)
            asked[number] = kind, frame
            return frame

        def answer(frame: bytes) -> bytes | None:
            (number,) = struct.unpack_from(">i", frame)
            kind, asking = asked.pop(number)
            if kind == METADATA and self.is_fenced and self.spares not in kinds:
                self.met += 1
                raise _HangUp(_without_brokers(frame))
            return self._answer(kind, asking, frame)

        ways = {
            asyncio.create_task(_relay(reader, back, question)),
            asyncio.create_task(_relay(there, writer, answer)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for one in (writer, back):
                one.close()

    def _answer(self, kind: int, question: bytes, answer: bytes) -> bytes | None:
        """Return what a client is told in place of *answer*, None for nothing at all."""
        if kind in {METADATA, FIND_COORDINATOR}:
            return answer.replace(self._real, self._told)
        if kind != OFFSET_FETCH or self.fate == "passed on" or _waits(question):
            return answer
        self.met += 1
        if self.fate == "swallowed":
            return None
        # The error of the one group that was asked about, before two empty lists of tags.
        return answer[:-4] + _NOT_COORDINATOR + answer[-2:]


def _waits(question: bytes) -> bool:
    """Return whether a question for a group's offsets waits for open transactions."""
    _, version, _ = struct.unpack_from(">hhi", question)
    assert version >= 8, "an answer of another shape than is known here"
    return question[-2] != 0


class _HangUp(Exception):
    """The connection ends, with this last frame."""

    def __init__(self, frame: bytes) -> None:
        super().__init__()
        self.frame = frame


def _without_brokers(metadata: bytes) -> bytes:
    """Return an answer about the cluster (of version 9 or later) without any broker in it."""
    number, at = _number(metadata, brokers := 4 + 1 + 4)  # behind the header and the throttle
    for _ in range(number - 1):
        host, at = _number(metadata, at + 4)
        rack, at = _number(metadata, at + host - 1 + 4)
        tags, at = _number(metadata, at + max(0, rack - 1))
        assert tags == 0, "an answer of another shape than is known here"
    return metadata[:brokers] + b"\x01" + metadata[at:]


def _number(frame: bytes, at: int) -> tuple[int, int]:
    """Return the number of variable length that begins at *at*, and where it ends."""
    number = shift = 0
    while True:
        number |= (frame[at] & 0x7F) << shift
        shift += 7
        at += 1
        if frame[at - 1] < 0x80:
            return number, at


async def _relay(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    seen: Callable[[bytes], bytes | None],
) -> None:
    """Pass on what *seen* returns of each frame, nothing where that is None."""
    with suppress(OSError, asyncio.IncompleteReadError):
        while True:
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            frame = await reader.readexactly(size)
            try:
                passed = seen(frame)
            except _HangUp as last:
                await _send(writer, last.frame)
                return
            if passed is not None:
                await _send(writer, passed)


async def _send(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(struct.pack(">i", len(frame)) + frame)
    await writer.drain()
