"""Doors: from what an ASGI server says to a handler, and back.

Starlette's own way from a function to a response takes longer than all that the function does.
"""

from collections.abc import Awaitable, Callable, Collection

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from processor.serve.flow import Flowing
from processor.serve.refusal import Refusal
from processor.serve.reply import PRIVATE, Reply, refused

Answer = Reply | Response
Endpoint = Callable[[Request], Awaitable[Answer]]


class Door:
    """An ASGI application that sends what *answer* returns."""

    def __init__(self, answer: Endpoint) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        answer = await self._answer(Request(scope, receive))
        if isinstance(answer, Response):
            for name, value in PRIVATE.items():
                answer.headers.setdefault(name, value)
        if isinstance(answer, Flowing):
            await answer(scope, receive, send)
            return
        status, headers = answer.status_code, answer.raw_headers
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})


class Way(Route):
    """A path that leads to a door, for some methods; others are told which ones."""

    def __init__(self, path: str, door: Door, methods: Collection[str] = ("GET",)) -> None:
        super().__init__(path, door, methods=list(methods))

    # typing.override is younger than our oldest Python.
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[explicit-override]
        """Answer a request whose path is this one."""
        allowed = self.methods or set()
        if scope["method"] in allowed:
            await self.app(scope, receive, send)
        else:
            await Door(_other_method(", ".join(sorted(allowed))))(scope, receive, send)


def _other_method(allowed: str) -> Endpoint:
    async def answer(request: Request) -> Answer:
        del request
        message = "this takes another method"
        return refused(Refusal(405, "METHOD_NOT_ALLOWED", message, {"Allow": allowed}))

    return answer


async def no_route(request: Request) -> Answer:
    """Answer what no path takes."""
    del request
    return refused(Refusal(404, "NOT_FOUND", "there is no such route"))


def header_of(request: Request, name: bytes) -> str | None:
    """Return the first header called *name*, which is in lower case."""
    for key, value in request.scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None
