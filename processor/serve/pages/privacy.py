"""The page of requests under privacy law: how they stand, whom one would take, and to send one."""

from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from processor.privacy.case import Case
from processor.rules import WorkspaceRules
from processor.serve.access import Access
from processor.serve.cases import Cases, Newest
from processor.serve.door import Answer, Way
from processor.serve.gate import Gate, parameters
from processor.serve.pages.asking import TYPES, Asked, asked_by, request_of
from processor.serve.pages.landing import WhyNot, not_shown
from processor.serve.pages.looks import page
from processor.serve.pages.visitors import Viewer, Visitors, frame
from processor.serve.questions import environment_of
from processor.serve.receipts import Receipt, Receipts
from processor.serve.refusal import Refusal, bad_request, not_pending
from processor.serve.subjects import Subjects
from processor.watch.logs import Log

MOST_CASES: Final = 50
_WITHHELD: Final = WhyNot("Your token lacks the scope privacy:request.", is_fault=False)
_MISTAKES: Final = range(400, 403)
"""What is said above the form, for somebody to correct it."""
_STEPS: Final = ("dry_run", "ask", "send")


class PrivacyPages:
    """The pages of requests, for *visitors* who may see them; *log* is told who sends one."""

    def __init__(
        self,
        visitors: Visitors,
        cases: Cases,
        subjects: Subjects,
        access: Access,
        receipts: Receipts,
        log: Log,
    ) -> None:
        self._visitors = visitors
        self._cases = cases
        self._subjects = subjects
        self._access = access
        self._receipts = receipts
        self._log = log

    def routes(self, gate: Gate) -> list[Way]:
        """Return the routes of the pages."""
        start = "/ui/{workspace}/privacy"
        return [
            self._visitors.way(gate, start, self.privacy, "GET", "POST"),
            self._visitors.way(gate, f"{start}/{{id}}", self.privacy_request, "GET"),
            self._visitors.way(gate, f"{start}/{{id}}/results", self.privacy_results, "GET"),
            self._visitors.way(gate, f"{start}/{{id}}/cancel", self.privacy_cancel, "GET", "POST"),
        ]

    async def privacy(self, request: Request) -> Response:
        """List the newest requests, and take another one."""
        if request.method == "POST":
            return await self._taken(request)
        viewer = self._visitors.signed_in(request, "privacy:read")
        workspace = self._workspace(request, viewer)
        return await self._listed(viewer, workspace, Asked(environment=viewer.environment))

    async def privacy_request(self, request: Request) -> Response:
        """Show how a request stands, and what was told of it."""
        viewer = self._visitors.signed_in(request, "privacy:read")
        workspace = self._workspace(request, viewer, "sent")
        request_id = request.path_params["id"]
        case = await self._cases.of_id(request_id, workspace, viewer.token)
        told, why_not = list[Receipt](), None
        try:
            told = await self._receipts.of_id(request_id, workspace, viewer.token)
        except Refusal as refusal:
            why_not = not_shown(refusal)
        environment: str = viewer.environment
        if case is not None or told:
            environment = case.environment if case else str(told[0].body["environment"])
        return page(
            "privacy_request",
            request_id=request_id,
            case=case,
            told=told,
            why_not=why_not,
            has_results=case is not None and self._access.has_results(case),
            may_cancel=self._why_no_form(viewer, workspace) is None,
            is_cancel_sent=request.query_params.get("sent") == "cancel",
            **frame(viewer, workspace, environment_of(environment)),
        )

    async def privacy_results(self, request: Request) -> Answer:
        """Hand out what is known of whoever asked for access."""
        viewer = self._visitors.signed_in(request, "privacy:read")
        return await self._access.fetched(await self._case(request, viewer), viewer.token)

    async def privacy_cancel(self, request: Request) -> Response:
        """Ask once more whether a request that waits is to be cancelled, and cancel it."""
        viewer = self._visitors.signed_in(request, "privacy:read", "privacy:request")
        if request.method == "POST":
            await self._visitors.checked_form(request)
        case = await self._case(request, viewer)
        if request.method == "POST":
            await self._subjects.withdraw(case)
            self._note_sent(viewer, case.workspace, "cancel", is_dry=False)
            return RedirectResponse(f"{_page_of(case.workspace, case.request_id)}?sent=cancel", 303)
        if case.state != "pending":
            raise not_pending()
        workspace = self._workspace(request, viewer)
        around = frame(viewer, workspace, environment_of(case.environment))
        return page("privacy_cancel", case=case, **around)

    async def _case(self, request: Request, viewer: Viewer) -> Case:
        workspace = self._workspace(request, viewer)
        case = await self._cases.of_id(request.path_params["id"], workspace, viewer.token)
        if case is None:
            raise Refusal(404, "NOT_FOUND", "there is no such request")
        return case

    async def _taken(self, request: Request) -> Response:
        viewer = self._visitors.signed_in(request, "privacy:read", "privacy:request")
        form = await self._visitors.checked_form(request)
        workspace, _ = self._visitors.place(request, viewer, form.get("environment"))
        asked, step = asked_by(form, self._subjects.now_ms()), form.get("step", "dry_run")
        try:
            return await self._step(step, asked, viewer, workspace)
        except Refusal as refusal:
            if refusal.status not in _MISTAKES:
                raise
            return await self._listed(viewer, workspace, asked, refusal)

    async def _step(
        self, step: str, asked: Asked, viewer: Viewer, workspace: WorkspaceRules
    ) -> Response:
        if step not in _STEPS or asked.request_type not in TYPES:
            raise bad_request("the form says neither what to do nor what is asked for")
        body = request_of(asked, dry_run=step == "dry_run")
        if step == "ask":
            self._subjects.door(workspace)
            self._subjects.checked(body, workspace, viewer.token)
            around = frame(viewer, workspace, environment_of(asked.environment))
            return page("privacy_ask", asked=asked, waits_ms=_waits_ms(workspace), **around)
        await self._subjects.take(body, workspace, viewer.token)
        self._note_sent(viewer, workspace.name, asked.request_type, is_dry=step == "dry_run")
        return RedirectResponse(_page_of(workspace.name, asked.request_id), 303)

    def _note_sent(self, viewer: Viewer, workspace: str, kind: str, *, is_dry: bool) -> None:
        whose = {"token": viewer.token.name, "workspace": workspace}
        self._log.info("subject_request_sent", **whose, type=kind, dry_run=is_dry)

    async def _listed(
        self,
        viewer: Viewer,
        workspace: WorkspaceRules,
        asked: Asked,
        mistake: Refusal | None = None,
    ) -> Response:
        newest, why_not = Newest([], is_cut=False), None
        try:
            newest = await self._cases.newest(MOST_CASES, workspace, viewer.token)
        except Refusal as refusal:
            why_not = not_shown(refusal)
        facts: dict[str, Any] = {
            "newest": newest,
            "why_not": why_not,
            "with_results": {one.number for one in newest.cases if self._access.has_results(one)},
            "why_no_form": self._why_no_form(viewer, workspace),
            "types": TYPES,
            "asked": asked,
            "mistake": mistake,
        }
        around = frame(viewer, workspace, environment_of(asked.environment))
        return page("privacy", mistake.status if mistake else 200, **facts, **around)

    def _why_no_form(self, viewer: Viewer, workspace: WorkspaceRules) -> WhyNot | None:
        if not viewer.token.may("privacy:request"):
            return _WITHHELD
        try:
            self._subjects.door(workspace)
        except Refusal as refusal:
            return WhyNot(f"Not here: {refusal.message}.", is_fault=False)
        return None

    def _workspace(self, request: Request, viewer: Viewer, *known: str) -> WorkspaceRules:
        parameters(request, *known)
        return self._cases.workspace(request.path_params["workspace"], viewer.token)


def _page_of(workspace: str, request_id: str) -> str:
    return f"/ui/{workspace}/privacy/{quote(request_id, safe='')}"


def _waits_ms(workspace: WorkspaceRules) -> int:
    return 0 if workspace.privacy is None else workspace.privacy.waiting_ms
