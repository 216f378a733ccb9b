"""Connections: how large a request's head may be, and how long a request may take to come.

The HTTP server bounds neither, and no gate sees a request before its head is there: who sent a head
without an end would fill the memory, and who sent nothing would keep a connection for ever.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES: Final = 65_536
"""Of the request line and the headers together, give or take what comes in one piece."""
ARRIVAL_S: Final = 15.0
"""How long a request may take to come whole, from the connection or its first byte on."""


class BoundedConnection(HttpToolsProtocol):
    """A connection, which is closed where a head is too large or a request comes too slowly."""

    def __init__(self, *parts: Any, **more: Any) -> None:  # noqa: ANN401 - what the server gives it
        super().__init__(*parts, **more)
        self._is_in_head = self._is_coming = True
        self._head_bytes = 0
        self._patience: asyncio.TimerHandle | None = None

    # typing.override is younger than our oldest Python.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override, explicit-override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:  # type: ignore[explicit-override]
        """Wait no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:  # type: ignore[explicit-override]
        """Take *data*; a head that has not ended in so many bytes is refused."""
        super().data_received(data)
        if self._is_in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self.send_400_response("The head of the request is too large.")
        # Most requests come in one piece and need no timer.
        if self._is_coming and not self.transport.is_closing():
            self._wait()

    def on_message_begin(self) -> None:  # type: ignore[explicit-override]
        """Begin to count."""
        self._is_in_head, self._head_bytes, self._is_coming = True, 0, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:  # type: ignore[explicit-override]
        """Count no more: bodies are bounded by who reads them."""
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:  # type: ignore[explicit-override]
        """Wait no more: the request is there."""
        self._is_coming = False
        self._wait_no_more()
        super().on_message_complete()

    def _wait(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(ARRIVAL_S, self._give_up)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self.transport.close()
