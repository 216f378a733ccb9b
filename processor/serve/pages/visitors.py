"""Who looks at the pages: their sessions, the forms that they send, and where they may look."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse

from processor.identity.model import Environment
from processor.rules import WorkspaceRules
from processor.serve.credentials import Scope, Token, TokenFile, hash_of
from processor.serve.door import Answer, Door, Endpoint, Way
from processor.serve.gate import PAGES, Gate, Place, body_of
from processor.serve.pages.looks import page
from processor.serve.pages.signing import SESSION_S, Session, Signer
from processor.serve.questions import environment_of
from processor.serve.refusal import Refusal, forbidden
from processor.serve.routes import Api

COOKIE: Final = "idstream_session"
_HASH_DIGITS: Final = 16
_PORT: Final = re.compile(r":[0-9]*\Z")


class Viewer(Struct, frozen=True):
    """Who looks."""

    token: Token
    form_token: str
    sees_requests: bool
    """Whether the page of requests under privacy law is there for them."""

    @property
    def environment(self) -> Environment:
        """Where they look unless they say so: production, where they may look into both."""
        return "production" if "production" in self.token.environments else "development"


class Visitors:
    """Whoever looks at the pages of *api*, by the tokens of *file* and the sessions of *signer*.

    *takes_requests* says whether there is a page of requests under privacy law.
    """

    def __init__(self, api: Api, file: TokenFile, signer: Signer, *, takes_requests: bool) -> None:
        self._api = api
        self._file = file
        self._signer = signer
        self._takes_requests = takes_requests

    def way(self, gate: Gate, path: str, handler: Endpoint, *how: str) -> Way:
        """Return the route of a page, which counts as a request of whoever looks."""

        async def counted(request: Request) -> Answer:
            viewer = self.viewer(request)
            if viewer is not None:
                gate.count(viewer.token)
            return await handler(request)

        return Way(path, watched(gate, handler.__name__, counted), how)

    def admitted(self, presented: str) -> str | None:
        """Return the cookie of a new session; None where the token may not sign in."""
        now_s = self._signer.now()
        token = self._file.tokens.find(presented, now_s)
        if token is None or not token.may("ui") or not token.workspaces:
            return None
        session = Session(token.name, hash_of(presented)[:_HASH_DIGITS], now_s + SESSION_S)
        return self._signer.cookie(session)

    def viewer(self, request: Request) -> Viewer | None:
        """Return who signed in; None where nobody did, or not for this long."""
        cookie = request.cookies.get(COOKIE, "")
        session = self._signer.session(cookie) if cookie else None
        if session is None:
            return None
        known = self._file.tokens.begins_with(session.hash, self._signer.now())
        if known is None or known.name != session.token:
            return None
        if not known.may("ui") or not known.workspaces:
            return None
        sees_requests = self._takes_requests and known.may("privacy:read")
        return Viewer(known, self._signer.form_token(cookie), sees_requests)

    def signed_in(self, request: Request, *scopes: Scope) -> Viewer:
        """Return who signed in; Refusal where nobody did, or without one of *scopes*."""
        viewer = self.viewer(request)
        if viewer is None:
            raise Refusal(303, "SIGN_IN", "sign in first", {"Location": "/ui/sign-in"})
        if not all(viewer.token.may(scope) for scope in scopes):
            raise forbidden()
        return viewer

    async def checked_form(self, request: Request) -> dict[str, str]:
        """Return the form that a page of this session sent; Refusal where another site did."""
        form = await form_of(request)
        cookie = request.cookies.get(COOKIE, "")
        if not self._signer.is_form_token(cookie, form.get("form_token", "")):
            raise forbidden()
        return form

    def place(
        self, request: Request, viewer: Viewer, named: str | None
    ) -> tuple[WorkspaceRules, Environment]:
        """Return the workspace in the path and the environment *named*, if the viewer has both.

        Where none is named it is the viewer's own.
        """
        environment = viewer.environment if named is None else environment_of(named)
        name = request.path_params["workspace"]
        return self._api.allowed(name, environment, viewer.token), environment


def watched(gate: Gate, name: str, handler: Endpoint, place: Place = PAGES) -> Door:
    """Return *handler* as the page *name*; its refusals are pages too."""

    async def answer(request: Request) -> Answer:
        try:
            return await handler(request)
        except Refusal as refusal:
            if "Location" in refusal.headers:
                return RedirectResponse(refusal.headers["Location"], refusal.status)
            made = page("refusal", refusal.status, refusal=refusal, viewer=None)
            made.headers.update(refusal.headers)
            return made

    return gate.watched(f"ui_{name}", answer, place)


def frame(viewer: Viewer, workspace: WorkspaceRules, environment: Environment) -> dict[str, Any]:
    """Return what every page around a workspace needs."""
    return {
        "viewer": viewer,
        "workspace": workspace,
        "environment": environment,
        "kinds": workspace.policy.priority,
    }


async def form_of(request: Request) -> dict[str, str]:
    """Return the fields of the form in the body of *request*; none where it cannot be read."""
    text = (await body_of(request)).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=20))
    except ValueError:
        return {}


def is_secure(headers: Mapping[str, str]) -> bool:
    """Return whether the cookie is for TLS only: not where somebody tries this at home."""
    host = _PORT.sub("", headers.get("host", ""))
    return host not in ("localhost", "127.0.0.1", "[::1]")
