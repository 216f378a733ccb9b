"""The route of recent changes: read from Kafka when somebody asks (docs/serve.md)."""

from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType
from starlette.requests import Request

from processor.identity.model import Space
from processor.serve import people
from processor.serve.credentials import Token
from processor.serve.door import Answer, Way
from processor.serve.gate import LATELY, Gate, parameters
from processor.serve.happenings import Happenings, of_workspace
from processor.serve.questions import environment_of, mpid_of, whole_number
from processor.serve.refusal import bad_request, not_found
from processor.serve.reply import answer
from processor.serve.routes import Api, seq_of

MOST_CHANGES: Final = 50
"""How many changes an answer has at most."""
_MOST_OFFSET: Final = 2**63 - 1


class ChangesAnswer(Struct):
    """What changed of a profile lately, newest first."""

    mpid: str
    changes: list[dict[str, Any]]
    """As they stand on the topic, those of this workspace."""
    since_ms: int | None
    """Until when the topic was read back; null where it has nothing."""
    before: int | None
    """Where to go on with ``before``; null where the topic keeps nothing older."""
    requested_mpid: str | UnsetType = UNSET
    """There where another MPID was asked for, which was merged into this one."""
    merged: bool | UnsetType = UNSET


class Lately:
    """Recent changes of the people of *api*."""

    def __init__(self, api: Api, happenings: Happenings) -> None:
        self._api = api
        self._happenings = happenings

    def routes(self, gate: Gate) -> list[Way]:
        """Return the route, behind *gate*."""
        endpoint = gate.endpoint("changes", "activity:read", self.changes, LATELY)
        return [Way("/v1/{workspace}/profiles/{mpid}/changes", endpoint)]

    async def changes(self, request: Request, token: Token) -> Answer:
        """Answer ``GET /v1/{workspace}/profiles/{mpid}/changes``."""
        asked = parameters(request, "environment", "limit", "before")
        environment = environment_of(asked.get("environment"))
        workspace = self._api.allowed(request.path_params["workspace"], environment, token)
        mpid = mpid_of(request.path_params["mpid"])
        limit = whole_number(asked.get("limit", str(MOST_CHANGES)), "limit", MOST_CHANGES)
        if not limit:
            raise bad_request("limit: is 1 or more")
        before = whole_number(asked.get("before"), "before", _MOST_OFFSET)
        space = Space(workspace.scope, environment)
        found = await people.by_mpid(self._api.reader, space, mpid)
        if found is None:
            raise not_found()
        its = found.profile
        page = await self._happenings.changes(its, limit, before)
        own = [dict(one.value) for one in of_workspace(page, workspace.name).found]
        body = ChangesAnswer(str(its.mpid), own, page.since_ms, page.before)
        if its.mpid != mpid:
            body.requested_mpid, body.merged = str(mpid), True
        return answer(body, more=[seq_of(found.seq)])
