"""A TCP proxy that can be a bad network: slow, stalled, half-open, reset, cut after N bytes."""

import asyncio
import socket
import struct

from tests.servers.listening import Listening

CHUNK = 64 * 1024
LINGER_NOT = struct.pack("ii", 1, 0)
"""Closing a socket with this sends a reset."""


class Proxy:
    """Forwards connections to *port* of this machine from a port of its own."""

    def __init__(self, port: int, listen: int = 0) -> None:
        self.target = port
        self._connections: dict[asyncio.StreamWriter, str] = {}
        self._delay = 0.0
        self._left: int | None = None
        self.met = 0
        """How often a connection met the fault of now: by a chunk, or by being reset."""
        self._flows = asyncio.Event()
        self._flows.set()
        self._server = Listening(self._accept, port=listen)
        self.port = self._server.port

    @property
    def is_used(self) -> bool:
        """Whether anybody is connected through it."""
        return bool(self._connections)

    def delay(self, seconds: float) -> None:
        """Let every chunk wait."""
        self.met = 0
        self._delay = seconds

    def stall(self) -> None:
        """Let nothing through until healed; nothing is lost."""
        self.met = 0
        self._server.soon(self._flows.clear)

    def half_open(self) -> None:
        """Let the connections of now hang for ever; new ones work."""
        self.met = 0
        self._mark("swallow")

    def reset(self) -> None:
        """Reset the connections of now."""
        self.met = 0
        self._server.soon(self._reset)

    def cut_after(self, size: int) -> None:
        """Reset everything once *size* more bytes have gone through."""
        self.met = 0
        self._left = size

    def heal(self) -> None:
        """Be a good network again; connections that hang are reset."""
        self._delay, self._left = 0.0, None
        self._server.soon(self._flows.set)
        self._mark("reset")

    def close(self) -> None:
        """End it, with all connections."""
        self._server.close(self._reset)

    def _mark(self, fate: str) -> None:
        def mark() -> None:
            for writer, old in list(self._connections.items()):
                if fate == "reset" and old == "swallow":
                    _abort(writer)
                self._connections[writer] = "" if fate == "reset" else fate

        self._server.soon(mark)

    def _reset(self) -> None:
        for writer in list(self._connections):
            self.met += 1
            _abort(writer)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _abort(writer)
            return
        self._connections |= {writer: "", back: ""}
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        finally:
            for one in (writer, back):
                self._connections.pop(one, None)
                one.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(CHUNK):
                if self._delay:
                    self.met += 1
                    await asyncio.sleep(self._delay)
                if not self._flows.is_set():
                    self.met += 1
                    await self._flows.wait()
                if self._connections.get(writer) == "swallow":
                    self.met += 1
                    continue
                if self._left is not None:
                    data, self._left = data[: self._left], self._left - len(data)
                writer.write(data)
                await writer.drain()
                if self._left is not None and self._left <= 0:
                    self._left = None
                    self._reset()
        except OSError:
            pass
        _abort(writer)


def _abort(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    writer.transport.abort()
