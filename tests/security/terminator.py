"""TLS in front of a server that speaks none, as stunnel is: Valkey's wheel is built without."""

import asyncio
import ssl
import threading

from tests.servers.ports import free_port


class Terminator:
    """Takes connections with TLS and hands them on to *backend*, a port of this machine."""

    def __init__(self, context: ssl.SSLContext, backend: int) -> None:
        self.port = free_port()
        self._context = context
        self._backend = backend
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._listens = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._listens.wait(10)

    def close(self) -> None:
        """Stop listening and drop every connection."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        here = ["127.0.0.1", "127.0.0.2"]
        server = await asyncio.start_server(self._take, here, self.port, ssl=self._context)
        self._listens.set()
        await self._stop.wait()
        server.close()
        for writer in list(self._open):
            writer.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._backend)
        self._open |= {writer, back}
        await asyncio.gather(self._copy(reader, back), self._copy(there, writer))

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                target.write(data)
                await target.drain()
        except OSError:
            pass  # one end is gone, so is the other
        finally:
            self._open.discard(target)
            target.transport.abort()
