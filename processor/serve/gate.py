"""The gate before every route: who asks, how often, how many at a time, and for how long."""

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import parse_qsl

from msgspec import Struct
from starlette.requests import ClientDisconnect, Request

from processor.index.errors import IndexRefused, IndexUnavailable
from processor.serve.credentials import Scope, Token, TokenFile
from processor.serve.deadlines import Deadlines
from processor.serve.door import Answer, Door, Endpoint, header_of
from processor.serve.refusal import Refusal, bad_request, forbidden, unavailable
from processor.serve.reply import Reply, refused
from processor.serve.throttle import Throttle
from processor.watch.api import ApiMetrics
from processor.watch.logs import Log

Handler = Callable[[Request, Token], Awaitable[Answer]]
MOST_BYTES: Final = 65_536
"""The largest body that a request may have."""
_TICKS: Final = 20
"""In how many steps it is looked whether the time of a request is over."""
_BEARER: Final = "bearer "
_COMING: Final = "idstream.body_is_coming"


class Bounds(Struct, frozen=True):
    """How many requests at a time, and how long each may take."""

    max_concurrent: int
    timeout_s: float


class Place(Struct, frozen=True):
    """Routes that share a bound: who fills one place keeps nobody out of another."""

    name: str
    patience: float = 1.0
    """How many times as long as others a request here may take."""


API: Final = Place("api")
LATELY: Final = Place("lately", 10.0)
"""What reads Kafka."""
PAGES: Final = Place("pages", 10.0)
SIGN_IN: Final = Place("sign-in")
"""Nobody is known yet who sends something there."""


class Gate:
    """Lets requests through to their handlers, and turns whatever happens there into an answer."""

    def __init__(
        self,
        file: TokenFile,
        bounds: Bounds,
        metrics: ApiMetrics,
        log: Log,
        clock: tuple[Callable[[], float], Callable[[], float]],
    ) -> None:
        self._file = file
        self._bounds = bounds
        self._metrics = metrics
        self._log = log
        self._now, self._wall = clock
        self._throttle = Throttle(self._now)
        self._deadlines = Deadlines(bounds.timeout_s / _TICKS)
        self._open: Counter[str] = Counter()

    def endpoint(self, route: str, scope: Scope, handler: Handler, place: Place = API) -> Door:
        """Return what answers *route*: *handler* is asked where the caller has *scope*."""

        async def admitted(request: Request) -> Answer:
            token = self._token(request)
            if not token.may(scope):
                raise forbidden()
            self.count(token)
            return await handler(request, token)

        return self.watched(route, admitted, place)

    def watched(self, route: str, handler: Endpoint, place: Place = API) -> Door:
        """Return *handler* within the bounds of *place*, counted; its errors become answers."""

        async def answer(request: Request) -> Answer:
            began = self._now()
            response = await self._answer(request, route, handler, place)
            self._metrics.request(route, response.status_code, self._now() - began)
            return response

        return Door(answer)

    async def _answer(
        self, request: Request, route: str, handler: Endpoint, place: Place
    ) -> Answer:
        if self._open[place.name] >= self._bounds.max_concurrent:
            return refused(unavailable("too many requests at a time"))
        self._open[place.name] += 1
        try:
            return await self._deadlines.within(
                self._bounds.timeout_s * place.patience, handler(request)
            )
        except ClientDisconnect:
            return Reply(b"", 499)  # nobody is there to see it
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer
            if isinstance(error, TimeoutError) and _is_coming(request):
                return refused(Refusal(408, "TOO_SLOW", "the body did not come in time"))
            return refused(self._refusal(error, route))
        finally:
            self._open[place.name] -= 1

    def _refusal(self, error: Exception, route: str) -> Refusal:
        """Return what the caller is told of *error*; what it says may be data, and is not told."""
        if isinstance(error, Refusal):
            return error
        if isinstance(error, IndexUnavailable | TimeoutError):
            return unavailable("the index did not answer in time")
        if isinstance(error, IndexRefused):
            self._log.warning("index_refused", route=route, reason=str(error))
            return unavailable("the index cannot be asked")
        kind, place = type(error).__name__, _place(error)
        self._log.error("request_failed", route=route, kind=kind, at=place)
        return Refusal(500, "INTERNAL", "this should not have happened")

    def _token(self, request: Request) -> Token:
        header = header_of(request, b"authorization") or ""
        presented = header[len(_BEARER) :].strip() if header.lower().startswith(_BEARER) else ""
        token = self._file.tokens.find(presented, self._wall()) if presented else None
        if token is None:
            headers = {"WWW-Authenticate": "Bearer"}
            message = "a valid token is needed: Authorization: Bearer TOKEN"
            raise Refusal(401, "UNAUTHORIZED", message, headers)
        return token

    def count(self, token: Token) -> None:
        """Count a request of *token*; Refusal where it is beyond its rate."""
        wait_s = self._throttle.wait_s(token)
        if wait_s > 0:
            self._metrics.throttled(token.name)
            headers = {"Retry-After": str(max(1, round(wait_s + 0.5)))}
            raise Refusal(429, "TOO_MANY_REQUESTS", "beyond the rate of this token", headers)


def parameters(request: Request, *known: str) -> dict[str, str]:
    """Return the query of *request*; other names, or a name twice, are refused."""
    query = request.scope["query_string"]
    if not query:
        return {}
    found: dict[str, str] = {}
    text = query.decode("ascii", "replace")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise bad_request("the query has too many parameters") from None
    for name, value in pairs:
        if name not in known:
            raise bad_request(f"the query takes {', '.join(known) or 'no parameters'}")
        if name in found:
            raise bad_request(f"{name}: is there twice")
        found[name] = value
    return found


async def body_of(request: Request) -> bytes:
    """Return the body of *request*, which may have MOST_BYTES."""
    parts, size = list[bytes](), 0
    request.scope[_COMING] = True
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            raise Refusal(413, "TOO_LARGE", f"the body is larger than {MOST_BYTES} bytes")
        parts.append(part)
    request.scope[_COMING] = False
    return b"".join(parts)


def _is_coming(request: Request) -> bool:
    """Return whether the body of *request* is still being waited for."""
    return bool(request.scope.get(_COMING))


def _place(error: BaseException) -> str:
    """Return file and line of our code where *error* came from, without a word of what it says."""
    place, trace = "", error.__traceback__
    while trace is not None:
        code: Any = trace.tb_frame.f_code
        place = f"{PurePath(code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
