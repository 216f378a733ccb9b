"""Answers whose bodies are made while they are sent: no more of them is held than is on its way."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from threading import Event
from typing import Final

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

_PIECE: Final = 65_536
"""How many bytes are sent at a time, where so many are there."""
_PATIENCE_S: Final = 1.0
"""After which what is there is sent."""

Pieces = Iterator[bytes]


class Flow:
    """Has a thread of *executor* make the next of *pieces* whenever the last one was taken.

    Whoever makes the pieces looks at *is_over*, which is set where nobody wants them any more.
    """

    def __init__(
        self,
        pieces: Pieces,
        executor: Executor,
        is_over: Event,
        now: Callable[[], float],
        ended: Callable[[], None],
    ) -> None:
        """Begin nothing yet; *ended* is called in the event loop once no thread is busy."""
        self._pieces = pieces
        self._executor = executor
        self._is_over = is_over
        self._now = now
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._making: Future[bytes] | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the body, piece by piece."""
        while True:
            self._making = self._executor.submit(self._gathered)
            piece = await asyncio.wrap_future(self._making)
            if not piece:
                return
            yield piece

    def end(self) -> None:
        """Let go of the pieces, whether all were taken or not."""
        self._is_over.set()
        if self._making is None:
            self._close()
        else:  # a thread may be busy with them: it has to come back first
            # To close what Kafka is read with takes time, which the event loop has not.
            self._making.add_done_callback(lambda _: self._executor.submit(self._close))

    def _gathered(self) -> bytes:
        """Return what is next, b'' at the end."""
        began, parts, size = self._now(), list[bytes](), 0
        for piece in self._pieces:
            parts.append(piece)
            size += len(piece)
            if size >= _PIECE or (size and self._now() - began > _PATIENCE_S):
                break
        return b"".join(parts)

    def _close(self) -> None:
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ended)


class Flowing(StreamingResponse):
    """An answer with a flow for a body; where its caller goes away, the flow ends."""

    def __init__(self, flow: Flow, media_type: str, headers: Mapping[str, str]) -> None:
        super().__init__(aiter(flow), media_type=media_type, headers=headers)
        self._flow = flow

    # typing.override is younger than our oldest Python.
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[explicit-override]
        """Send the answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._flow.end()
