"""Cases of requests under privacy law, as routes look for them: by id, or by group."""

import asyncio
from collections.abc import Callable, Collection, Iterator
from typing import Final

from msgspec import Struct
from starlette.requests import Request

from processor.identity.model import Environment, Space
from processor.index.port import Ask
from processor.kafka.forward import Forward
from processor.kafka.recent import NotSeen
from processor.privacy.case import Case, case_from_json, case_number, unpack_case
from processor.rules import WorkspaceRules
from processor.serve.credentials import Token
from processor.serve.gate import parameters
from processor.serve.questions import environment_of
from processor.serve.refusal import Refusal, bad_request, unavailable
from processor.serve.results import AsJson
from processor.serve.routes import Api
from processor.settings import Settings

_WITHIN_S: Final = 5.0
"""How long the topic of cases is read."""
_NO_CASE: Final = (
    "there is no such request, or it is on its way: ask again; if it was refused, its receipt"
    " tells why (idstream privacy show)"
)
_AT_A_TIME: Final = 2
_Named = tuple[str, int]
"""The environment and the number of a case."""


class Newest(Struct, frozen=True):
    """The cases that were received last."""

    cases: list[Case]
    is_cut: bool
    """There are older ones."""


class Cases:
    """The cases of the workspaces of *api*; *now* returns seconds that only grow."""

    def __init__(
        self, api: Api, settings: Settings, as_json: AsJson, now: Callable[[], float]
    ) -> None:
        self._api = api
        self.settings = settings
        self.as_json = as_json
        self.now = now
        self._places = asyncio.Semaphore(_AT_A_TIME)

    def workspace(self, name: str | None, token: Token) -> WorkspaceRules:
        """Return the workspace called *name*, or the only one that *token* has."""
        if name is None:
            if len(token.workspaces) != 1:
                raise bad_request("workspace: the token has several; name one")
            (name,) = token.workspaces
        return self._api.allowed(name, environments_of(token)[0], token)

    async def asked(self, request: Request, token: Token) -> Case:
        """Return the case of the id in the path of *request*; Refusal where there is none."""
        workspace = self.workspace(parameters(request, "workspace").get("workspace"), token)
        found = await self.of_id(request.path_params["id"], workspace, token)
        if found is None:
            raise Refusal(404, "NOT_FOUND", _NO_CASE)
        return found

    async def of_id(self, request_id: str, workspace: WorkspaceRules, token: Token) -> Case | None:
        """Return the case of the request with that id."""
        number = case_number(request_id, workspace.name, self.settings.key())
        for environment in environments_of(token):
            space = Space(workspace.scope, environment)
            if found := await self._of(space, [number]):
                return found[0]
        return None

    async def of_group(self, group_id: str, workspace: WorkspaceRules, token: Token) -> list[Case]:
        """Return the cases of a group, the oldest first.

        The topic of cases says which they are, the index how each of them stands.
        """
        known = await self._known(workspace, token, lambda case: case.group_id == group_id)
        found = await self._each(workspace, known)
        return sorted(found, key=lambda case: (case.received_ms, case.request_id))

    async def newest(self, most: int, workspace: WorkspaceRules, token: Token) -> Newest:
        """Return the *most* cases that were received last, the newest first, found likewise."""
        known = await self._known(workspace, token, lambda _: True)
        order = sorted(known, key=lambda one: known[one], reverse=True)
        found = await self._each(workspace, order[:most])
        found.sort(key=lambda case: (-case.received_ms, case.request_id))
        return Newest(found, len(order) > most)

    async def _known(
        self, workspace: WorkspaceRules, token: Token, is_asked: Callable[[Case], bool]
    ) -> dict[_Named, int]:
        """Return the cases that their topic has of what *token* sees, and when each came."""

        def look() -> dict[_Named, int]:
            return {
                (case.environment, case.number): case.received_ms
                for case in self._published()
                if case.workspace == workspace.name
                and case.environment in token.environments
                and is_asked(case)
            }

        async with self._places:
            return await asyncio.to_thread(look)

    async def _each(self, workspace: WorkspaceRules, named: Collection[_Named]) -> list[Case]:
        """Return how *named* stand; those that are over are not among them."""
        found: list[Case] = []
        for environment in sorted({environment for environment, _ in named}):
            numbers = [number for its, number in named if its == environment]
            found += await self._of(Space(workspace.scope, environment_of(environment)), numbers)
        return found

    async def _of(self, space: Space, numbers: list[int]) -> list[Case]:
        if not numbers:
            return []
        sight = await self._api.reader.look(space, [Ask(mpids=tuple(numbers))])
        filed = [sight.found.filed.get(number) for number in numbers]
        return [unpack_case(one.data) for one in filed if one is not None]

    def _published(self) -> Iterator[Case]:
        """Yield every case that its topic has, in each of the states that it keeps."""
        reader = Forward(self.settings.kafka, self.settings.kafka.topics.cases, self.now)
        try:
            for records in reader.everything(_WITHIN_S):
                for record in records:
                    line = None if record.value is None else self.as_json("cases", record.value)
                    if line is not None:
                        yield case_from_json(line)
        except NotSeen as error:
            raise unavailable(str(error)) from None
        except ValueError:
            raise unavailable("a case on its topic cannot be read") from None
        if not reader.reached.is_whole:
            raise unavailable(f"the topic of cases could not be read within {_WITHIN_S:.0f} s")


def environments_of(token: Token) -> list[Environment]:
    """Return the environments that *token* sees."""
    return sorted(token.environments)  # type: ignore[arg-type]  # its file is read as such
