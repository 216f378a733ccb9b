"""A relay before a broker, which sees what is asked, and may answer otherwise than the broker."""

import asyncio
import struct
import threading
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Literal

METADATA, OFFSET_FETCH, FIND_COORDINATOR, API_VERSIONS = 3, 9, 10, 18
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
        self.asked: Counter[int] = Counter()
        """How often was asked what."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._accept, self._host, 0))
        port = self._server.sockets[0].getsockname()[1]
        self.bootstrap = f"{self._host}:{port}"
        self._real, self._told = (
            self._host.encode() + struct.pack(">i", p) for p in (self._port, port)
        )

    def close(self) -> None:
        """End it, with all connections."""
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.close()
            return
        asked: dict[int, tuple[int, bytes]] = {}
        ways = {
            asyncio.create_task(self._requests(reader, back, asked)),
            asyncio.create_task(self._answers(there, writer, asked)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for one in (writer, back):
                one.close()

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        asked: dict[int, tuple[int, bytes]],
    ) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                frame = await _frame(reader)
                kind, _, number = struct.unpack_from(">hhi", frame)
                self.asked[kind] += 1
                asked[number] = kind, frame
                await _pass(writer, frame)

    async def _answers(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        asked: dict[int, tuple[int, bytes]],
    ) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                frame = await _frame(reader)
                (number,) = struct.unpack_from(">i", frame)
                answer = self._answer(*asked.pop(number), frame)
                if answer is not None:
                    await _pass(writer, answer)

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


async def _frame(reader: asyncio.StreamReader) -> bytes:
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(size)


async def _pass(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(struct.pack(">i", len(frame)) + frame)
    await writer.drain()
