"""The index in Redis for those who only read: one script a request, asked from an event loop.

Requests of one space that come while a script is under way go together into the next one. Nothing
is ever written: the script is flagged so, and the server refuses what a user may not do.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, cast

import redis.asyncio
from msgspec import Struct, field
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisClusterException, RedisError

from processor.identity.model import Identifier, Space
from processor.identity.view import ReadSet
from processor.index.errors import IndexRefused, IndexUnavailable, other_key
from processor.index.port import Ask
from processor.index.sight import Head, Sight, with_more
from processor.index.tokens import key_fingerprint, tokens
from processor.redis import keys, wire
from processor.redis.connection import load_script, translate
from processor.redis.index import read_set
from processor.redis.wire import Bounds
from processor.settings import Settings

_SHOW: Final = load_script("show", "no-writes")
_FLAG_AT: Final = 9
"""Where the header of a document says what it is of."""
MOST_ASKS: Final = 64
"""How many asks of several callers go into one script."""


class Server(Struct, frozen=True):
    """Where the index is, and how its keys begin. Its repr shows no password."""

    reveal_url: Callable[[], str]
    prefix: str
    is_cluster: bool = False


class Observer(Protocol):
    """Hears what becomes of scripts."""

    def answered(self, seconds: float) -> None:
        """Note an answer, and how long it took."""

    def failed(self, reason: str) -> None:
        """Note that there was none in time; *reason* names no record's content."""


class _Call(Struct, eq=False):
    """One caller's asks or heads, and what it waits for."""

    asks: list[Ask]
    heads: tuple[int, ...]
    answer: asyncio.Future[Any]
    so_far: Sight | None = None


class _Lane(Struct):
    """The callers of one space that wait for the next script."""

    waiting: deque[_Call] = field(default_factory=deque)
    sender: asyncio.Task[None] | None = None


def open_reader(settings: Settings, timeout_s: float, observer: Observer) -> "RedisReader":
    """Return the reader of *settings*; the first call connects."""
    its = settings.redis
    server = Server(its.url.reveal, its.prefix, is_cluster=its.cluster)
    return RedisReader(server, settings.key(), timeout_s, observer=observer)


class RedisReader:
    """``processor.index.sight.Reader`` on a Redis server or cluster, for one event loop."""

    def __init__(
        self,
        server: Server,
        token_key: bytes,
        timeout_s: float,
        bounds: Bounds | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._server = server
        self._timeout_s = timeout_s
        self._bounds = bounds or Bounds()
        self._observer = observer
        self._token = tokens(token_key)
        self._fingerprint = key_fingerprint(token_key)
        self._packed_token = wire.packed(self._token)
        self._client: redis.asyncio.Redis | RedisCluster | None = None
        self._lanes: dict[Space, _Lane] = {}

    async def look(self, space: Space, asks: Sequence[Ask]) -> Sight:
        """Return holders and profiles that *asks* name."""
        return cast("Sight", await self._wait(space, list(asks), ()))

    async def head(self, space: Space, mpid: int) -> Head | None:
        """Return whom *mpid* leads to, of whom only the first bytes are read."""
        (found,) = cast("list[Head | None]", await self._wait(space, [], (mpid,)))
        return found

    def token(self, identifier: Identifier) -> bytes:
        """Return the 16 bytes that stand for *identifier*."""
        return self._token(identifier)

    async def close(self) -> None:
        """Close every connection; who waits is told that Redis cannot be asked."""
        for lane in self._lanes.values():
            if lane.sender is not None:
                lane.sender.cancel()
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _wait(self, space: Space, asks: list[Ask], heads: tuple[int, ...]) -> object:
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        lane = self._lanes.setdefault(space, _Lane())
        lane.waiting.append(_Call(asks, heads, answer))
        if lane.sender is None:
            lane.sender = asyncio.create_task(self._send_all(space, lane))
        return await answer

    async def _send_all(self, space: Space, lane: _Lane) -> None:
        """Ask for everybody who waits, one script after the other."""
        calls: list[_Call] = []
        try:
            while lane.waiting:
                calls = _next_calls(lane.waiting)
                try:
                    reply = await self._observed(space, calls)
                except Exception as error:  # noqa: BLE001 - whoever asked is told, whatever it is
                    _fail(calls, error)
                else:
                    _settle(calls, reply, lane.waiting)
        finally:
            lane.sender = None
            away = IndexUnavailable("Redis is not asked any more: the service ends")
            _fail([*calls, *lane.waiting], away)

    async def _observed(self, space: Space, calls: Sequence[_Call]) -> list[Any]:
        """Run one script for all *calls*, and tell what became of it."""
        if self._observer is None:
            return await self._run(space, calls)
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            reply = await self._run(space, calls)
        except IndexUnavailable as error:
            self._observer.failed(str(error))
            raise
        self._observer.answered(clock() - began)
        return reply

    async def _run(self, space: Space, calls: Sequence[_Call]) -> list[Any]:
        asks = [ask for call in calls for ask in call.asks]
        heads = [mpid for call in calls for mpid in call.heads]
        argument = wire.pack_show(self._bounds, asks, heads, self._packed_token)
        key = keys.control_key(self._server.prefix, space)
        try:
            async with asyncio.timeout(self._timeout_s):
                reply = await self._execute(key, argument)
        except TimeoutError:
            text = f"Redis did not answer within {self._timeout_s * 1000:.0f} ms"
            raise IndexUnavailable(text) from None
        except (RedisError, RedisClusterException) as error:
            raise translate(error) from error
        if reply[-1] and reply[-1].decode() != self._fingerprint:
            # Whoever is asked for by an identity would be nobody.
            raise IndexRefused(str(other_key(space)))
        return reply

    async def _execute(self, key: str, argument: bytes) -> list[Any]:
        client = self._connected()
        execute = cast("Callable[..., Any]", client.execute_command)
        # The client of a cluster knows where these two go; it would ask for the keys of others.
        suffix = "" if self._server.is_cluster else "_RO"
        try:
            return cast(
                "list[Any]", await execute(f"EVALSHA{suffix}", _SHOW.digest, 1, key, argument)
            )
        except NoScriptError:
            return cast("list[Any]", await execute(f"EVAL{suffix}", _SHOW.text, 1, key, argument))

    def _connected(self) -> redis.asyncio.Redis | RedisCluster:
        if self._client is None:
            make = (
                RedisCluster.from_url if self._server.is_cluster else redis.asyncio.Redis.from_url
            )
            self._client = make(
                self._server.reveal_url(),
                socket_connect_timeout=self._timeout_s,
                # Our own bound ends a call; theirs would make a task of each.
                socket_timeout=None,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
            )
        return self._client


def _next_calls(waiting: deque[_Call]) -> list[_Call]:
    """Take whom the next script answers: as many as fit, and always one."""
    calls: list[_Call] = []
    asked = 0
    while waiting and (not calls or asked + len(waiting[0].asks) <= MOST_ASKS):
        call = waiting.popleft()
        if not call.answer.done():  # its caller has gone
            asked += len(call.asks) + len(call.heads)
            calls.append(call)
    return calls


def _fail(calls: Sequence[_Call], error: Exception) -> None:
    for call in calls:
        if not call.answer.done():
            call.answer.set_exception(error)


def _settle(calls: Sequence[_Call], reply: list[Any], waiting: deque[_Call]) -> None:
    """Give everybody what was found; who was covered in part waits at the front for the rest."""
    _, seq, covered, holders, documents, heads, _ = reply
    asks = [ask for call in calls for ask in call.asks][:covered]
    found = read_set([i for ask in asks for i in ask.identifiers], holders, documents)
    its_heads = iter([_head(digits, head) for digits, head in wire.pairs(heads)])
    left: list[_Call] = []
    for call in calls:
        count = min(covered, len(call.asks))
        covered -= count
        if call.heads:
            answer: object = [next(its_heads) for _ in call.heads]
        elif count < len(call.asks):
            # Who was not the first begins anew, as the first: what fits is seen in one instant.
            if count and call is calls[0]:
                call.so_far = _seen(call, int(seq), found)
                del call.asks[:count]
            left.append(call)
            continue
        else:
            answer = _seen(call, int(seq), found)
        if not call.answer.done():
            call.answer.set_result(answer)
    waiting.extendleft(reversed(left))


def _seen(call: _Call, seq: int, found: ReadSet) -> Sight:
    """Return what *call* has seen by now."""
    return Sight(seq, found) if call.so_far is None else with_more(call.so_far, seq, found)


def _head(digits: bytes, head: bytes | None) -> Head | None:
    # What is neither a profile nor a pointer, which was followed, is nobody.
    if not head or head[_FLAG_AT]:
        return None
    return Head(keys.mpid_of(digits), int.from_bytes(head[1:9], "big"))
