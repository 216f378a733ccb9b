"""A server on a port of this machine that a test runs beside itself: its loop is in a thread."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

Accept = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listening:
    """Calls *accept* with each connection to *port* of *host*; one that is free where it is 0."""

    def __init__(self, accept: Accept, host: str = "127.0.0.1", port: int = 0) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._do(asyncio.start_server(accept, host, port))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def soon(self, call: Callable[[], object]) -> None:
        """Make *call* in the thread of the connections."""
        self._loop.call_soon_threadsafe(call)

    def close(self, reset: Callable[[], None] = lambda: None) -> None:
        """End it: accept nobody any more, *reset* those who are connected, cancel what is left."""
        self._do(self._end(reset))
        self.soon(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self, reset: Callable[[], None]) -> None:
        self._server.close()
        reset()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
