"""Requests under privacy law over HTTP, in the shape of OpenDSR (docs/privacy.md, "Over HTTP").

They go to the topic of requests; what becomes of them is the processor's to decide, and read from
its case.
"""

import asyncio
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request

from processor.codecs.envelope import open_object
from processor.codecs.moment import text_of_moment
from processor.codecs.subject_request import (
    OF_A_PERSON,
    OfAPerson,
    SubjectRequest,
    read_subject_request,
)
from processor.identity.model import Environment
from processor.kafka.appending import Appender, NotAppended
from processor.privacy.case import Case
from processor.records import DeadLetter
from processor.rules import WorkspaceRules
from processor.serve.access import PATH, Access
from processor.serve.cases import Cases
from processor.serve.credentials import Scope, Token
from processor.serve.door import Answer, Door, Way
from processor.serve.gate import (
    API,
    LATELY,
    MOST_BYTES,
    Gate,
    Handler,
    Place,
    body_of,
    parameters,
)
from processor.serve.refusal import Refusal, bad_request, forbidden, not_pending, unavailable
from processor.serve.reply import Reply, answer
from processor.serve.routes import Api
from processor.settings import Settings

API_VERSION: Final = "3.0"
_WITHIN_S: Final = 5.0
_NOT_HERE: Final = (
    f"subject_request_type: over HTTP it is one of {', '.join(sorted(OF_A_PERSON))}; DELETE cancels"
    " a request that waits"
)
_encode = msgspec.json.Encoder().encode

Headers = Sequence[tuple[str, bytes]]
Append = Callable[[str, bytes, bytes, Headers], None]
"""Appends a value to a topic, under a key and with headers; NotAppended where that is not told."""

Sealing = Callable[[Reply], Reply]
"""Returns an answer with its signature."""


class SubjectQuestion(Struct):
    """A request as documents name its fields; the processor's own decoder reads it."""

    subject_request_id: Annotated[str, Meta(min_length=1, max_length=256)]
    subject_request_type: OfAPerson
    submitted_time: str
    """ISO 8601."""
    regulation: str | None = None
    api_version: str | None = None
    environment: Environment | None = None
    group_id: str | None = None
    subject_identities: dict[str, Any] | list[dict[str, Any]] | None = None
    status_callback_urls: list[str] = []
    extensions: dict[str, Any] | None = None


class Taken(Struct):
    """That a request stands on the topic of requests."""

    controller_id: str
    subject_request_id: str
    received_time: str
    expected_completion_time: str
    encoded_request: str
    """The body as it came, in base64."""


class StatusView(Struct):
    """How a request stands."""

    controller_id: str
    subject_request_id: str
    subject_request_type: str
    request_status: str
    received_time: str
    expected_completion_time: str
    completed_time: str | None
    group_id: str | None
    mpids: list[str]
    """Every profile that it is about."""
    results_url: str | None
    """Where the results of an access are fetched, as long as they can be.

    A path, of ``serve.domain`` where that is set.
    """
    api_version: str = API_VERSION


class Discovery(Struct):
    """What may be asked for, and by which identities."""

    api_version: str
    supported_identities: list[dict[str, str]]
    supported_subject_request_types: list[str]
    processor_certificate: str | None
    """Where the certificate is published that answers are signed by."""


class Subjects:
    """The requests of the people of *api*; *append* puts them on the topic of requests."""

    def __init__(
        self, api: Api, cases: Cases, access: Access, settings: Settings, append: Append
    ) -> None:
        self._api = api
        self._cases = cases
        self._access = access
        self._settings = settings
        self._append = append
        self._turn = asyncio.Lock()

    def routes(self, gate: Gate, seal: Sealing | None = None) -> list[Way]:
        """Return the routes, behind *gate*; *seal* signs what they answer."""
        one = f"{PATH}/{{id}}"

        def door(name: str, scope: Scope, handler: Handler, place: Place = API) -> Door:
            return gate.endpoint(name, scope, _signed(handler, seal), place)

        return [
            Way(PATH, door("dsr", "privacy:request", self.submit, LATELY), ("POST",)),
            Way(PATH, door("dsr_group", "privacy:read", self.group, LATELY)),
            Way(one, door("dsr_status", "privacy:read", self.status)),
            Way(one, door("dsr_cancel", "privacy:request", self.cancel, LATELY), ("DELETE",)),
            Way("/dsr/v3/discovery", door("dsr_discovery", "privacy:read", self.discovery)),
        ]

    async def submit(self, request: Request, token: Token) -> Answer:
        """Answer ``POST /dsr/v3/requests``: checked as the processor does, and appended."""
        workspace = self._workspace(request, token)
        body = await body_of(request)
        asked = await self.take(body, workspace, token)
        rules, now_ms = workspace.privacy, self._api.now_ms()
        is_waiting = asked.request_type == "erasure" and not asked.wishes.skip_waiting
        waits_ms = rules.waiting_ms if rules is not None and is_waiting else 0
        taken = Taken(
            workspace.name,
            asked.request_id,
            text_of_moment(now_ms),
            text_of_moment(now_ms + waits_ms),
            b64encode(body).decode(),
        )
        return answer(taken, 201)

    def now_ms(self) -> int:
        """Return when a request is sent that is sent now."""
        return self._api.now_ms()

    async def take(self, body: bytes, workspace: WorkspaceRules, token: Token) -> SubjectRequest:
        """Put the request in *body* on the topic; Refusal where it is not to be taken."""
        asked = self.checked(body, workspace, token)
        await self._send(workspace, asked.request_id, body)
        return asked

    def checked(self, body: bytes, workspace: WorkspaceRules, token: Token) -> SubjectRequest:
        """Return the request in *body*; Refusal where it is not to be taken."""
        asked = self._read(body, workspace)
        if asked.request_type not in OF_A_PERSON:
            raise Refusal(400, "INVALID_DATA", _NOT_HERE)
        if asked.environment not in token.environments:
            raise forbidden()
        return asked

    async def group(self, request: Request, token: Token) -> Answer:
        """Answer ``GET /dsr/v3/requests?group_id=``: each request of a group, the oldest first."""
        asked = parameters(request, "workspace", "group_id")
        workspace = self._cases.workspace(asked.get("workspace"), token)
        if not asked.get("group_id"):
            raise bad_request("group_id: is needed; one request is under its id")
        cases = await self._cases.of_group(asked["group_id"], workspace, token)
        return answer([self._view(case) for case in cases])

    async def status(self, request: Request, token: Token) -> Answer:
        """Answer ``GET /dsr/v3/requests/{id}``, out of the case that the processor keeps."""
        return answer(self._view(await self._cases.asked(request, token)))

    async def cancel(self, request: Request, token: Token) -> Answer:
        """Answer ``DELETE /dsr/v3/requests/{id}``: a request to cancel it is appended."""
        case = await self._cases.asked(request, token)
        await self.withdraw(case)
        return answer(self._view(case), 202)

    async def withdraw(self, case: Case) -> None:
        """Put a cancel of *case* on the topic; Refusal where it does not wait."""
        if case.state != "pending":
            raise not_pending()
        body = {
            "subject_request_id": case.request_id,
            "subject_request_type": "cancel",
            "submitted_time": text_of_moment(self._api.now_ms()),
            "environment": case.environment,
        }
        workspace = self._api.workspaces[case.workspace]
        await self._send(workspace, case.request_id, _encode(body))

    async def discovery(self, request: Request, token: Token) -> Answer:
        """Answer ``GET /dsr/v3/discovery``."""
        workspace = self._workspace(request, token)
        kinds = [{"identity_type": kind, "encoding": "raw"} for kind in workspace.policy.priority]
        served = self._settings.serve
        certificate = None if served is None else served.certificate_url
        return answer(Discovery(API_VERSION, kinds, sorted(OF_A_PERSON), certificate))

    def _workspace(self, request: Request, token: Token) -> WorkspaceRules:
        return self._cases.workspace(parameters(request, "workspace").get("workspace"), token)

    def _read(self, body: bytes, workspace: WorkspaceRules) -> SubjectRequest:
        key = self._settings.key()
        read = read_subject_request(body, workspace.policy, MOST_BYTES, open_object, key)
        if isinstance(read, DeadLetter):
            raise bad_request(read.detail)
        if read.error is not None:
            raise Refusal(*read.error)
        return read

    async def _send(self, workspace: WorkspaceRules, request_id: str, body: bytes) -> None:
        topic, headers = self.door(workspace)
        try:
            async with self._turn:
                key = request_id.encode()
                await asyncio.to_thread(self._append, topic, key, body, headers)
        except NotAppended:
            raise unavailable("Kafka did not take the request: send it again, as it is") from None

    def _view(self, case: Case) -> StatusView:
        done = case.completed_ms
        return StatusView(
            case.workspace,
            case.request_id,
            case.request_type,
            case.state,
            text_of_moment(case.received_ms),
            text_of_moment(case.expected_ms),
            None if done is None else text_of_moment(done),
            case.group_id,
            [str(mpid) for mpid in case.found.mpids],
            self._access.url_of(case),
        )

    def door(self, workspace: WorkspaceRules) -> tuple[str, Headers]:
        """Return the topic, and the headers, by which requests of *workspace* go in.

        Refusal where no input takes them.
        """
        formats = self._settings.rules().formats
        for rules in self._settings.inputs.values():
            for topic in self._settings.kafka.topics.privacy:
                if rules.workspace.name == workspace.name and rules.may_come_by(topic, "privacy"):
                    headers = [("input", rules.name.encode())]
                    if formats.get(topic, "json") != "json":
                        headers.append(("content-type", b"application/json"))
                    return topic, headers
        message = "no input of this workspace may send such requests"
        raise Refusal(501, "NOT_IMPLEMENTED", message)


def appending(settings: Settings) -> Append:
    """Return what appends to the topics of *settings*; the first call connects."""
    made: list[Appender] = []

    def append(topic: str, key: bytes, value: bytes, headers: Headers) -> None:
        if not made:
            made.append(Appender(settings.kafka))
        made[0].append(topic, key, value, headers, _WITHIN_S)

    return append


def _signed(handler: Handler, seal: Sealing | None) -> Handler:
    """Return *handler*, whose answers *seal* signs."""
    if seal is None:
        return handler

    async def signed(request: Request, token: Token) -> Answer:
        reply = await handler(request, token)
        return seal(reply) if isinstance(reply, Reply) else reply

    return signed
