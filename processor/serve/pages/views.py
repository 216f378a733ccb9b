"""The pages: sign in, look at what happens, search, look at one person."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from processor.identity.model import Environment, Identifier, Space
from processor.identity.profile import Profile
from processor.index.sight import Reader
from processor.kafka.clock import Clock
from processor.rules import WorkspaceRules
from processor.serve import people
from processor.serve.door import Endpoint, Way
from processor.serve.gate import SIGN_IN, Gate, parameters
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
from processor.serve.pages.signing import SESSION_S
from processor.serve.pages.visitors import (
    COOKIE,
    Viewer,
    Visitors,
    form_of,
    frame,
    is_secure,
    watched,
)
from processor.serve.questions import is_mpid, mpid_of, whole_number
from processor.serve.refusal import Refusal, forbidden, not_found
from processor.serve.routes import Api
from processor.watch.logs import Log

_MOST_CHANGES: Final = 20
_MOST_EVENTS: Final = 10
_UNFOLDED: Final = {"attributes": 20, "changes": 5, "events": 3}
"""How many a page shows of each before one asks for more."""
_NONE: Final = Page([], None, None)
_FOREVER: Final = 2**63 - 1


class Pages:
    """The pages over *api*; nothing is shown that the viewer's token may not see."""

    def __init__(
        self,
        api: Api,
        visitors: Visitors,
        happenings: Happenings,
        log: Log,
        clock: Clock,
    ) -> None:
        self._api = api
        self._visitors = visitors
        self._happenings = happenings
        self._log = log
        self._now = clock.now
        self._landings: dict[str, Landing] = {}

    def routes(self, gate: Gate) -> list[Way]:
        """Return the routes of the pages."""

        def route(path: str, handler: Endpoint, *how: str) -> Way:
            return self._visitors.way(gate, path, handler, *how)

        sign_in = watched(gate, "sign_in", self.sign_in, SIGN_IN)
        return [
            route("/ui", self.start, "GET"),
            Way("/ui/sign-in", sign_in, ("GET", "POST")),
            route("/ui/sign-out", self.sign_out, "POST"),
            Way("/ui/static/{name}", watched(gate, "static", static)),
            route("/ui/{workspace}", self.landing, "GET"),
            route("/ui/{workspace}/search", self.search, "GET", "POST"),
            route("/ui/{workspace}/profiles/{mpid}", self.person, "GET"),
        ]

    async def start(self, request: Request) -> Response:
        """Lead to the first workspace of whoever signed in, others to the sign-in."""
        viewer = self._visitors.viewer(request)
        if viewer is None:
            return RedirectResponse("/ui/sign-in", 303)
        return RedirectResponse(f"/ui/{min(viewer.token.workspaces)}", 303)

    async def sign_in(self, request: Request) -> Response:
        """Show the form, and take what comes of it."""
        if request.method != "POST":
            return page("sign_in", error="", viewer=None)
        if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise forbidden()  # another site would sign somebody in as somebody else
        cookie = self._visitors.admitted((await form_of(request)).get("token", "").strip())
        if cookie is None:
            error = "This token is not known, has expired, or may not sign in here."
            return page("sign_in", 403, error=error, viewer=None)
        response = RedirectResponse("/ui", 303)
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=SESSION_S,
            path="/ui",
            secure=is_secure(request.headers),
            httponly=True,
            samesite="strict",
        )
        return response

    async def sign_out(self, request: Request) -> Response:
        """End the session."""
        self._visitors.signed_in(request)
        await self._visitors.checked_form(request)
        response = RedirectResponse("/ui/sign-in", 303)
        response.delete_cookie(COOKIE, path="/ui")
        return response

    async def landing(self, request: Request) -> Response:
        """Show what happens now, and the search."""
        viewer = self._visitors.signed_in(request)
        asked = parameters(request, "environment")
        workspace, environment = self._visitors.place(request, viewer, asked.get("environment"))
        found = await landing(
            self._happenings, viewer.token, workspace, environment, self._landings, self._now
        )
        return page("landing", now=found, **frame(viewer, workspace, environment))

    async def search(self, request: Request) -> Response:
        """Find people: one is shown at once, several are listed.

        Whoever comes back to the address of a search without its form is led to the start.
        """
        viewer = self._visitors.signed_in(request, "profiles:read")
        if request.method != "POST":
            workspace, _ = self._visitors.place(request, viewer, None)
            return RedirectResponse(f"/ui/{workspace.name}", 303)
        form = await self._visitors.checked_form(request)
        workspace, environment = self._visitors.place(request, viewer, form.get("environment"))
        kind, value = _wanted(form, workspace)
        around = frame(viewer, workspace, environment)
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
        return page("results", found=views, kind=kind, value=value, **asked, **around)

    async def person(self, request: Request) -> Response:
        """Show one person."""
        viewer = self._visitors.signed_in(request, "profiles:read")
        asked = parameters(request, "environment", "changes", "events")
        workspace, environment = self._visitors.place(request, viewer, asked.get("environment"))
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
            **frame(viewer, workspace, environment),
        )


_OLDER: Final = ("changes", "events")


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


async def static(request: Request) -> Response:
    """Give the style sheet or the script; their names change with what they hold."""
    found = STATIC.get(PurePosixPath(request.path_params["name"]).name)
    if found is None:
        raise not_found()
    kind, data = found
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(data, media_type=kind, headers=headers)
