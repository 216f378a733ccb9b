"""The pages: sign in, look at what happens, search, look at one person."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import parse_qsl

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from processor.identity.model import Environment, Identifier, Space
from processor.identity.profile import Profile
from processor.index.sight import Reader
from processor.kafka.clock import Clock
from processor.rules import WorkspaceRules
from processor.serve import people
from processor.serve.credentials import Token, TokenFile, hash_of
from processor.serve.door import Answer, Endpoint, Way
from processor.serve.gate import PAGES, SIGN_IN, Gate, body_of, parameters
from processor.serve.happenings import Happenings, Page, of_workspace
from processor.serve.native import ProfileView, profile_view
from processor.serve.pages.landing import (
    WITHHELD,
    Landing,
    WhyNot,
    landing,
    not_shown,
    unless_unread,
)
from processor.serve.pages.lineage import lineage
from processor.serve.pages.looks import STATIC, page
from processor.serve.pages.signing import SESSION_S, Session, Signer
from processor.serve.questions import environment_of, is_mpid, mpid_of, whole_number
from processor.serve.refusal import Refusal, forbidden, not_found
from processor.serve.routes import Api
from processor.watch.logs import Log

COOKIE: Final = "idstream_session"
_MOST_CHANGES: Final = 20
_MOST_EVENTS: Final = 10
_UNFOLDED: Final = {"attributes": 20, "changes": 5, "events": 3}
"""How many a page shows of each before one asks for more."""
_NONE: Final = Page([], None, None)
_HASH_DIGITS: Final = 16
_FOREVER: Final = 2**63 - 1


class Viewer(Struct, frozen=True):
    """Who looks."""

    token: Token
    form_token: str


class Pages:
    """The pages over *api*; nothing is shown that the viewer's token may not see."""

    def __init__(
        self,
        api: Api,
        file: TokenFile,
        signer: Signer,
        happenings: Happenings,
        log: Log,
        clock: Clock,
    ) -> None:
        self._api = api
        self._file = file
        self._signer = signer
        self._happenings = happenings
        self._log = log
        self._now = clock.now
        self._wall = clock.wall
        self._landings: dict[str, Landing] = {}

    def routes(self, gate: Gate) -> list[Way]:
        """Return the routes of the pages."""

        def route(path: str, handler: Endpoint, *how: str) -> Way:
            async def counted(request: Request) -> Answer:
                viewer = self._viewer(request)
                if viewer is not None:
                    gate.count(viewer.token)
                return await handler(request)

            answer = gate.watched(f"ui_{handler.__name__}", _as_page(counted), PAGES)
            return Way(path, answer, how)

        sign_in = gate.watched("ui_sign_in", _as_page(self.sign_in), SIGN_IN)
        return [
            route("/ui", self.start, "GET"),
            Way("/ui/sign-in", sign_in, ("GET", "POST")),
            route("/ui/sign-out", self.sign_out, "POST"),
            Way("/ui/static/{name}", gate.watched("ui_static", _as_page(static), PAGES)),
            route("/ui/{workspace}", self.landing, "GET"),
            route("/ui/{workspace}/search", self.search, "GET", "POST"),
            route("/ui/{workspace}/profiles/{mpid}", self.person, "GET"),
        ]

    async def start(self, request: Request) -> Response:
        """Lead to the first workspace of whoever signed in, others to the sign-in."""
        viewer = self._viewer(request)
        if viewer is None:
            return RedirectResponse("/ui/sign-in", 303)
        return RedirectResponse(f"/ui/{min(viewer.token.workspaces)}", 303)

    async def sign_in(self, request: Request) -> Response:
        """Show the form, and take what comes of it."""
        if request.method != "POST":
            return page("sign_in", error="", viewer=None)
        if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise forbidden()  # another site would sign somebody in as somebody else
        presented = (await _form(request)).get("token", "").strip()
        token = self._file.tokens.find(presented, self._wall())
        if token is None or not token.may("ui") or not token.workspaces:
            error = "This token is not known, has expired, or may not sign in here."
            return page("sign_in", 403, error=error, viewer=None)
        end_s = self._wall() + SESSION_S
        session = Session(token.name, hash_of(presented)[:_HASH_DIGITS], end_s)
        response = RedirectResponse("/ui", 303)
        response.set_cookie(
            COOKIE,
            self._signer.cookie(session),
            max_age=SESSION_S,
            path="/ui",
            secure=_is_secure(request),
            httponly=True,
            samesite="strict",
        )
        return response

    async def sign_out(self, request: Request) -> Response:
        """End the session."""
        viewer = self._signed_in(request)
        await self._checked_form(request, viewer)
        response = RedirectResponse("/ui/sign-in", 303)
        response.delete_cookie(COOKIE, path="/ui")
        return response

    async def landing(self, request: Request) -> Response:
        """Show what happens now, and the search."""
        viewer = self._signed_in(request)
        asked = parameters(request, "environment")
        workspace, environment = self._place(request, viewer, asked.get("environment"))
        found = await landing(
            self._happenings, viewer.token, workspace, environment, self._landings, self._now
        )
        return page("landing", now=found, **_frame(viewer, workspace, environment))

    async def search(self, request: Request) -> Response:
        """Find people: one is shown at once, several are listed.

        Whoever comes back to the address of a search without its form is led to the start.
        """
        viewer = self._reader_of_profiles(request)
        if request.method != "POST":
            workspace, _ = self._place(request, viewer, None)
            return RedirectResponse(f"/ui/{workspace.name}", 303)
        form = await self._checked_form(request, viewer)
        workspace, environment = self._place(request, viewer, form.get("environment"))
        kind, value = _wanted(form, workspace)
        frame = _frame(viewer, workspace, environment)
        if kind == "mpid":
            return _to_person(workspace, environment, mpid_of(value))
        found = await _holders(self._api.reader, workspace, environment, kind, value)
        if not kind and is_mpid(value):
            space = Space(workspace.scope, environment)
            named = await people.by_mpid(self._api.reader, space, int(value))
            found = found if named is None else [named.profile, *found]
        if len(found) == 1:
            return _to_person(workspace, environment, found[0].mpid)
        rights = self._api.rights(workspace, viewer.token)
        views = [profile_view(p, p.mpid, rights, self._api.now_ms()) for p in found]
        asked = {"asked_type": form.get("type", ""), "asked_value": form.get("value", "")}
        return page("results", found=views, kind=kind, value=value, **asked, **frame)

    async def person(self, request: Request) -> Response:
        """Show one person."""
        viewer = self._reader_of_profiles(request)
        asked = parameters(request, "environment", "changes", "events")
        workspace, environment = self._place(request, viewer, asked.get("environment"))
        mpid = mpid_of(request.path_params["mpid"])
        found = await people.by_mpid(self._api.reader, Space(workspace.scope, environment), mpid)
        if found is None:
            raise not_found()
        rights = self._api.rights(workspace, viewer.token)
        view = profile_view(found.profile, mpid, rights, self._api.now_ms())
        whom = {"token": viewer.token.name, "workspace": workspace.name, "mpid": view.mpid}
        self._log.info("viewed", **whom)
        if rights.is_clear:
            self._log.info("revealed", **whom, types=_types_of(view))
        older = {name: whole_number(asked.get(name), name, _FOREVER) for name in _OLDER}
        lately = await _lately(self._happenings, viewer, found.profile, workspace, older)
        return page(
            "person",
            person=view,
            drawing=lineage(found.profile),
            # Who asks for older ones wants to see them.
            most=_UNFOLDED | {name: _FOREVER for name in _OLDER if older[name] is not None},
            is_clear=rights.is_clear,
            **lately,
            **_frame(viewer, workspace, environment),
        )

    def _viewer(self, request: Request) -> Viewer | None:
        """Return who signed in; None where nobody did, or not for this long."""
        cookie = request.cookies.get(COOKIE, "")
        session = self._signer.session(cookie) if cookie else None
        if session is None:
            return None
        known = self._file.tokens.begins_with(session.hash, self._wall())
        if known is None or known.name != session.token:
            return None
        if not known.may("ui") or not known.workspaces:
            return None
        return Viewer(known, self._signer.form_token(cookie))

    def _signed_in(self, request: Request) -> Viewer:
        viewer = self._viewer(request)
        if viewer is None:
            raise Refusal(303, "SIGN_IN", "sign in first", {"Location": "/ui/sign-in"})
        return viewer

    def _reader_of_profiles(self, request: Request) -> Viewer:
        viewer = self._signed_in(request)
        if not viewer.token.may("profiles:read"):
            raise forbidden()
        return viewer

    async def _checked_form(self, request: Request, viewer: Viewer) -> dict[str, str]:
        form = await _form(request)
        cookie = request.cookies.get(COOKIE, "")
        if not self._signer.is_form_token(cookie, form.get("form_token", "")):
            raise forbidden()
        del viewer  # who has no session never gets here
        return form

    def _place(
        self, request: Request, viewer: Viewer, named: str | None
    ) -> tuple[WorkspaceRules, Environment]:
        environment = environment_of(named)
        name = request.path_params["workspace"]
        return self._api.allowed(name, environment, viewer.token), environment


_OLDER: Final = ("changes", "events")
_PORT: Final = re.compile(r":[0-9]*\Z")


def _frame(viewer: Viewer, workspace: WorkspaceRules, environment: Environment) -> dict[str, Any]:
    """Return what every page around a workspace needs."""
    return {
        "viewer": viewer,
        "workspace": workspace,
        "environment": environment,
        "kinds": workspace.policy.priority,
    }


async def _lately(
    its: Happenings,
    viewer: Viewer,
    profile: Profile,
    workspace: WorkspaceRules,
    older: Mapping[str, int | None],
) -> dict[str, Any]:
    """Return what happened to a person, or why that is not shown."""
    unread = dict[str, WhyNot]()
    nothing = {"changes": None, "events": None, "unread": unread}
    if not viewer.token.may("activity:read"):
        return {**nothing, "why_not": WITHHELD}
    allowed = viewer.token.workspaces
    try:
        changes = await unless_unread(
            its.changes(profile, _MOST_CHANGES, older["changes"]), _NONE, "changes", unread
        )
        events = await unless_unread(
            its.events(profile, allowed, _MOST_EVENTS, older["events"]), _NONE, "events", unread
        )
    except Refusal as refusal:
        return {**nothing, "why_not": not_shown(refusal)}
    own = of_workspace(changes, workspace.name)
    return {"changes": own, "events": events, "unread": unread, "why_not": None}


async def _holders(
    reader: Reader, workspace: WorkspaceRules, environment: Environment, kind: str, value: str
) -> list[Profile]:
    """Return who holds *value* as an identity of *kind*, or, without one, of any kind."""
    kinds = [kind] if kind else list(workspace.policy.priority)
    wanted: list[Identifier] = []
    for one in kinds:
        identifier = people.lookup_text(workspace, environment, one, value)
        wanted += [] if identifier is None else [identifier]
    space = Space(workspace.scope, environment)
    found = await people.holders_of(reader, space, wanted)
    return found[: people.MOST_HOLDERS]


def _types_of(view: ProfileView) -> list[str]:
    """Return the types of the identities of which *view* shows the values."""
    identities = view.identities if isinstance(view.identities, list) else []
    devices = view.devices if isinstance(view.devices, list) else []
    found = {one.identity_type for one in identities}
    return sorted(found | {one.identity_type for device in devices for one in device.ids})


def _wanted(form: Mapping[str, str], workspace: WorkspaceRules) -> tuple[str, str]:
    """Return type and value of what is searched for; an unnamed type may stand before the value."""
    kind, value = form.get("type", ""), form.get("value", "").strip()
    if kind:
        return kind, value
    name, equals, rest = value.partition("=")
    if equals and (name == "mpid" or name in workspace.keys.request):
        return name, rest
    return "", value


def _to_person(workspace: WorkspaceRules, environment: Environment, mpid: int) -> Response:
    where = f"/ui/{workspace.name}/profiles/{mpid}"
    more = "" if environment == "production" else f"?environment={environment}"
    return RedirectResponse(where + more, 303)


async def _form(request: Request) -> dict[str, str]:
    text = (await body_of(request)).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=20))
    except ValueError:
        return {}


def _is_secure(request: Request) -> bool:
    """Return whether the cookie is for TLS only: not where somebody tries this at home."""
    host = _PORT.sub("", request.headers.get("host", ""))
    return host not in ("localhost", "127.0.0.1", "[::1]")


async def static(request: Request) -> Response:
    """Give the style sheet or the script; their names change with what they hold."""
    found = STATIC.get(PurePosixPath(request.path_params["name"]).name)
    if found is None:
        raise not_found()
    kind, data = found
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(data, media_type=kind, headers=headers)


def _as_page(handler: Endpoint) -> Endpoint:
    """Return *handler*, whose refusals are pages too."""

    async def answer(request: Request) -> Answer:
        try:
            return await handler(request)
        except Refusal as refusal:
            if "Location" in refusal.headers:
                return RedirectResponse(refusal.headers["Location"], refusal.status)
            made = page("refusal", refusal.status, refusal=refusal, viewer=None)
            made.headers.update(refusal.headers)
            return made

    return answer
