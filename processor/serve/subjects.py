"""Requests under privacy law over HTTP, in the shape of OpenDSR (docs/privacy.md, "Over HTTP").

They go to the topic of requests; what becomes of them is the processor's to decide, and read from
its case.
"""

import asyncio
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from starlette.requests import Request

from processor.codecs.envelope import open_object
from processor.codecs.moment import text_of_moment
from processor.codecs.subject_request import OF_A_PERSON, SubjectRequest, read_subject_request
from processor.identity.model import Space
from processor.index.port import Ask
from processor.kafka.appending import Appender, NotAppended
from processor.privacy.case import Case, case_number, unpack_case
from processor.records import DeadLetter
from processor.rules import WorkspaceRules
from processor.serve.credentials import Token
from processor.serve.door import Answer, Way
from processor.serve.gate import LATELY, MOST_BYTES, Gate, body_of, parameters
from processor.serve.refusal import Refusal, bad_request, forbidden, unavailable
from processor.serve.reply import answer
from processor.serve.routes import Api
from processor.settings import Settings

API_VERSION: Final = "3.0"
_WITHIN_S: Final = 5.0
_PATH: Final = "/dsr/v3/requests"
_encode = msgspec.json.Encoder().encode

Headers = Sequence[tuple[str, bytes]]
Append = Callable[[str, bytes, bytes, Headers], None]
"""Appends a value to a topic, under a key and with headers; NotAppended where that is not told."""


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


class Discovery(Struct):
    """What may be asked for, and by which identities."""

    api_version: str
    supported_identities: list[dict[str, str]]
    supported_subject_request_types: list[str]


class Subjects:
    """The requests of the people of *api*; *append* puts them on the topic of requests."""

    def __init__(self, api: Api, settings: Settings, append: Append) -> None:
        self._api = api
        self._settings = settings
        self._append = append
        self._turn = asyncio.Lock()

    def routes(self, gate: Gate) -> list[Way]:
        """Return the routes, behind *gate*."""
        one = f"{_PATH}/{{id}}"
        cancel = gate.endpoint("dsr_cancel", "privacy:request", self.cancel, LATELY)
        discovery = gate.endpoint("dsr_discovery", "privacy:read", self.discovery)
        return [
            Way(_PATH, gate.endpoint("dsr", "privacy:request", self.submit, LATELY), ("POST",)),
            Way(one, gate.endpoint("dsr_status", "privacy:read", self.status)),
            Way(one, cancel, ("DELETE",)),
            Way("/dsr/v3/discovery", discovery),
        ]

    async def submit(self, request: Request, token: Token) -> Answer:
        """Answer ``POST /dsr/v3/requests``: checked as the processor does, and appended."""
        workspace = self._workspace(request, token)
        body = await body_of(request)
        asked = self._read(body, workspace)
        if asked.environment not in token.environments:
            raise forbidden()
        await self._send(workspace, asked.request_id, body)
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

    async def status(self, request: Request, token: Token) -> Answer:
        """Answer ``GET /dsr/v3/requests/{id}``, out of the case that the processor keeps."""
        return answer(_view(await self._case(request, token)))

    async def cancel(self, request: Request, token: Token) -> Answer:
        """Answer ``DELETE /dsr/v3/requests/{id}``: a request to cancel it is appended."""
        case = await self._case(request, token)
        if case.state != "pending":
            raise Refusal(409, "NOT_PENDING", "only a request that waits can be cancelled")
        body = {
            "subject_request_id": case.request_id,
            "subject_request_type": "cancel",
            "submitted_time": text_of_moment(self._api.now_ms()),
            "environment": case.environment,
        }
        workspace = self._api.workspaces[case.workspace]
        await self._send(workspace, case.request_id, _encode(body))
        return answer(_view(case), 202)

    async def discovery(self, request: Request, token: Token) -> Answer:
        """Answer ``GET /dsr/v3/discovery``."""
        workspace = self._workspace(request, token)
        kinds = [{"identity_type": kind, "encoding": "raw"} for kind in workspace.policy.priority]
        return answer(Discovery(API_VERSION, kinds, sorted(OF_A_PERSON)))

    def _workspace(self, request: Request, token: Token) -> WorkspaceRules:
        """Return the workspace that the query names, or the only one that *token* has."""
        name = parameters(request, "workspace").get("workspace")
        if name is None:
            if len(token.workspaces) != 1:
                raise bad_request("workspace: the token has several; name one")
            (name,) = token.workspaces
        (environment,) = sorted(token.environments)[:1]
        return self._api.allowed(name, environment, token)  # type: ignore[arg-type]  # one of them

    def _read(self, body: bytes, workspace: WorkspaceRules) -> SubjectRequest:
        key = self._settings.key()
        read = read_subject_request(body, workspace.policy, MOST_BYTES, open_object, key)
        if isinstance(read, DeadLetter):
            raise bad_request(read.detail)
        if read.error is not None:
            raise Refusal(*read.error)
        return read

    async def _case(self, request: Request, token: Token) -> Case:
        workspace = self._workspace(request, token)
        number = case_number(request.path_params["id"], workspace.name, self._settings.key())
        for environment in sorted(token.environments):
            space = Space(workspace.scope, environment)
            sight = await self._api.reader.look(space, [Ask(mpids=(number,))])
            found = sight.found.filed.get(number)
            if found is not None:
                return unpack_case(found.data)
        raise Refusal(404, "NOT_FOUND", "there is no such request, or it is on its way: ask again")

    async def _send(self, workspace: WorkspaceRules, request_id: str, body: bytes) -> None:
        topic, headers = self._door(workspace)
        try:
            async with self._turn:
                key = request_id.encode()
                await asyncio.to_thread(self._append, topic, key, body, headers)
        except NotAppended:
            raise unavailable("Kafka did not take the request: send it again, as it is") from None

    def _door(self, workspace: WorkspaceRules) -> tuple[str, Headers]:
        """Return the topic, and the headers, by which requests of *workspace* go in."""
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


def _view(case: Case) -> StatusView:
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
    )
