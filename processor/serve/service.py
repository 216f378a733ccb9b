"""The serving process: its parts put together, and run until it is told to stop."""

import asyncio
import gc
import logging
import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Final, TextIO

import uvicorn
import uvloop
from msgspec import Struct
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp

from processor.index.errors import IndexRefused, IndexUnavailable
from processor.index.sight import Reader
from processor.kafka.clock import Clock
from processor.redis.reader import open_reader
from processor.serve.access import Access
from processor.serve.cases import Cases
from processor.serve.connections import BoundedConnection
from processor.serve.credentials import TokenFile, TokensRefused, read_secret
from processor.serve.door import Door, Way, no_route
from processor.serve.gate import Bounds, Gate
from processor.serve.happenings import Happenings
from processor.serve.lately import Lately
from processor.serve.openapi import openapi_route
from processor.serve.pages.privacy import PrivacyPages
from processor.serve.pages.signing import Signer
from processor.serve.pages.views import Pages
from processor.serve.pages.visitors import Visitors
from processor.serve.publishing import Publishing
from processor.serve.receipts import Receipts
from processor.serve.results import reading
from processor.serve.routes import Api
from processor.serve.subjects import Sealing, Subjects, appending
from processor.serve.values import Values
from processor.settings import Settings, SettingsError
from processor.settings.addresses import shown
from processor.settings.sections import ServeSettings
from processor.watch.admin import Admin, Health, answers
from processor.watch.api import ApiMetrics
from processor.watch.contact import Contact
from processor.watch.logs import Log, open_log

LOOK_S: Final = 2.0
"""How often the file of tokens is looked at, and Redis asked whether it is there."""
_BACKLOG: Final = 2048
_GARBAGE: Final = 20_000
"""How many more objects than before make the collector look for garbage in circles."""
_KEY_BYTES: Final = 32


class Observed(Struct, frozen=True):
    """Tells what becomes of scripts (``processor.redis.reader.Observer``)."""

    contact: Contact
    metrics: ApiMetrics

    def answered(self, seconds: float) -> None:
        """Note an answer, and how long it took."""
        self.contact.answered()
        self.metrics.looked(seconds)

    def failed(self, reason: str) -> None:
        """Note that there was none in time."""
        self.contact.failed(reason)


class Parts(Struct, frozen=True):
    """What a service is made of."""

    settings: Settings
    served: ServeSettings
    reader: Reader
    tokens: TokenFile
    metrics: ApiMetrics
    log: Log
    clock: Clock


def application(parts: Parts) -> Router:
    """Return the application that answers every route."""
    served, clock = parts.served, parts.clock
    bounds = Bounds(served.max_concurrent, served.timeout_ms / 1000)
    gate = Gate(parts.tokens, bounds, parts.metrics, parts.log, (clock.now, clock.wall))
    its = parts.settings
    api = Api(parts.reader, its.workspaces, served.workspace_ids, its.computed, clock.wall)
    happenings = Happenings(its, clock.now)
    routes: list[BaseRoute] = [
        *api.routes(gate),
        *Publishing(api).routes(gate),
        *Lately(api, happenings).routes(gate),
        openapi_route(gate),
    ]
    asking = _Asking(api, parts) if served.privacy else None
    if asking is not None:
        routes += asking.routes(gate)
    if served.ui:
        signer = Signer(session_key(served), clock.wall)
        visitors = Visitors(api, parts.tokens, signer, takes_requests=served.privacy)
        routes += Pages(api, visitors, happenings, parts.log, clock).routes(gate)
        if asking is not None:
            routes += asking.pages(visitors).routes(gate)
    # A path with a slash too many is another path; a redirect would name the host that was asked.
    return Router(routes, redirect_slashes=False, default=Door(no_route))


class _Asking:
    """What answers requests under privacy law, over HTTP and on pages."""

    def __init__(self, api: Api, parts: Parts) -> None:
        its, now = parts.settings, parts.clock.now
        as_json = reading(Values(its.registry_url()))
        self._parts = parts
        self._cases = Cases(api, its, as_json, now)
        self._access = Access(api, self._cases, parts.log)
        self._subjects = Subjects(api, self._cases, self._access, its, appending(its))
        self._receipts = Receipts(its, as_json, now)

    def routes(self, gate: Gate) -> list[Way]:
        """Return the routes of the API."""
        seal = seal_of(self._parts.served)
        return [*self._subjects.routes(gate, seal), *self._access.routes(gate)]

    def pages(self, visitors: Visitors) -> PrivacyPages:
        """Return the pages."""
        its = self._cases, self._subjects, self._access, self._receipts
        return PrivacyPages(visitors, *its, self._parts.log)


def seal_of(served: ServeSettings) -> Sealing | None:
    """Return what signs answers about such requests; None where no key is named."""
    if served.signing_key_file is None or served.domain is None:
        return None
    try:
        from processor.serve.seal import read_seal  # noqa: PLC0415 - an extra, which may not be there
    except ModuleNotFoundError as error:
        text = f"{error.name} is missing: install idstream with its extra, idstream[privacy]"
        raise SettingsError(f"serve.signing_key_file: {text}") from None
    return read_seal(served.signing_key_file, served.domain).sealed


def session_key(served: ServeSettings) -> bytes:
    """Return the key of sessions: the file's, or one that ends with this process."""
    if served.session_key_file is None:
        return os.urandom(_KEY_BYTES)
    where = f"serve.session_key_file: {served.session_key_file}"
    key = read_secret(where, Path(served.session_key_file))
    if len(key) < _KEY_BYTES:
        raise SettingsError(f"{where}: has less than {_KEY_BYTES} bytes")
    return key


class Sockets(Struct, frozen=True):
    """What a worker gets of the process that supervises it."""

    number: int
    admin: socket.socket
    """Of its own, for its admin server."""
    listening: socket.socket
    """The one that all workers take their connections from."""


def check(settings: Settings, served: ServeSettings) -> None:
    """Raise SettingsError where a file that is needed to serve cannot be used."""
    read_tokens(served, settings)
    if served.ui:
        session_key(served)
    seal_of(served)
    _http(Door(no_route), served)


def serve(
    settings: Settings,
    environ: Mapping[str, str],
    log_to: TextIO,
    sockets: Sockets | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; as a worker where *sockets* are given."""
    served = settings.serve
    if served is None:
        raise SettingsError("serve: is missing; docs/serve.md says what the section holds")
    clock = Clock()
    facts = {} if sockets is None else {"worker": sockets.number}
    log = open_log(log_to, settings.observability.log_level, clock.now, environ, facts)
    metrics = ApiMetrics()
    address, heard = shown(settings.redis.url), metrics.connection("redis")
    contact = Contact("redis", address, log, clock.now, heard)
    file = read_tokens(served, settings)
    with uvloop_runner() as runner:
        observed = Observed(contact, metrics)
        reader = open_reader(settings, served.redis_timeout_ms / 1000, observed)
        parts = Parts(settings, served, reader, file, metrics, log, clock)
        health = Health(clock=clock.now, contacts=(contact,), has_started=True)
        listen, its = settings.observability, None if sockets is None else sockets.admin
        admin = Admin(listen.host, listen.port, answers(health, metrics.registry), its)
        try:
            opened = listening(served) if sockets is None else sockets.listening
            runner.run(_run(parts, health, admin.port, opened))
        finally:
            admin.stop()
    log.info("stopped")


def uvloop_runner() -> asyncio.Runner:
    """Return what runs the event loop."""
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


def read_tokens(served: ServeSettings, settings: Settings) -> TokenFile:
    """Return the file of tokens, read; SettingsError where it cannot be used."""
    file = TokenFile(Path(served.tokens_file), settings.workspaces)
    try:
        file.look()
    except TokensRefused as error:
        raise SettingsError(f"serve.tokens_file: {error}") from None
    return file


def listening(served: ServeSettings) -> socket.socket:
    """Return a socket that listens where *served* says."""
    family = socket.AF_INET6 if ":" in served.host else socket.AF_INET
    try:
        return socket.create_server((served.host, served.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        where = f"{served.host}:{served.port}"
        why = os.strerror(error.errno or 0)  # its own text names the address once more
        raise SettingsError(
            f"serve.port: {where} cannot be listened on ({why}); name another one"
        ) from None


def server_of(parts: Parts) -> uvicorn.Server:
    """Return the HTTP server of *parts*; it logs nothing itself: URLs are nobody's business."""
    logging.getLogger("uvicorn").addHandler(logging.NullHandler())
    logging.getLogger("uvicorn").propagate = False
    return uvicorn.Server(_http(application(parts), parts.served))


def _http(application: ASGIApp, served: ServeSettings) -> uvicorn.Config:
    config = uvicorn.Config(
        application,
        http=BoundedConnection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=10,
        ssl_certfile=served.tls_cert_file,
        ssl_keyfile=served.tls_key_file,
    )
    try:
        config.load()
    except OSError as error:  # ssl.SSLError is one
        files = f"{served.tls_cert_file}, {served.tls_key_file}"
        raise SettingsError(
            f"serve.tls_cert_file, serve.tls_key_file: {files}: cannot be used ({error.strerror})"
        ) from None
    return config


async def _run(parts: Parts, health: Health, admin_port: int, listens: socket.socket) -> None:
    server = server_of(parts)
    # The server takes signals over while it runs, and raises them again for us when it has ended.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _nothing)
    with listens as opened:
        port = opened.getsockname()[1]
        # What is there by now stays. Requests make many objects, which die with them.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GARBAGE)
        parts.log.info("serving", host=parts.served.host, port=port, admin_port=admin_port)
        keeper = asyncio.create_task(keep(parts, health))
        try:
            await server.serve(sockets=[opened])
        finally:
            keeper.cancel()
            await parts.reader.close()


def _nothing(number: int, frame: FrameType | None) -> None:
    """Take a signal."""


async def keep(parts: Parts, health: Health) -> None:
    """Look after the file of tokens and the contact to Redis, for ever."""
    while True:
        try:
            look_after_tokens(parts)
            await _look_after_redis(parts)
        except Exception as error:  # noqa: BLE001 - a token that was taken out must not live on
            parts.log.error("keeping_failed", kind=type(error).__name__)  # noqa: TRY400 - what it says may be data
        else:
            health.turn()
        await asyncio.sleep(LOOK_S)


def look_after_tokens(parts: Parts) -> None:
    """Read the file of tokens where it has changed, and tell of it."""
    try:
        if parts.tokens.look():
            parts.log.info("tokens_read", tokens=len(parts.tokens.tokens.by_hash))
    except TokensRefused as error:
        parts.log.warning("tokens_refused", reason=str(error))


async def _look_after_redis(parts: Parts) -> None:
    try:
        await parts.reader.look(parts.settings.spaces()[0], [])
    except IndexUnavailable:
        pass  # the contact has been told
    except IndexRefused as error:
        parts.log.warning("index_refused", reason=str(error))
