"""Results of an access over HTTP: a zip file that is made while it is sent (docs/privacy.md)."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Final
from urllib.parse import quote

from starlette.requests import Request

from processor.identity.profile import Profile
from processor.index.port import Ask
from processor.privacy.case import Case
from processor.serve.archive import moment_of, zipped
from processor.serve.cases import Cases
from processor.serve.credentials import Token
from processor.serve.door import Answer, Way
from processor.serve.flow import Flow, Flowing
from processor.serve.gate import LATELY, Gate
from processor.serve.people import survivor
from processor.serve.refusal import Refusal, gone, unavailable
from processor.serve.results import Results, wanted_of
from processor.serve.routes import Api
from processor.watch.logs import Log

PATH: Final = "/dsr/v3/requests"
_AT_A_TIME: Final = 2
_WAIT_S: Final = 2.0
_FOR_EVER_S: Final = 1e9
_TYPES: Final = frozenset({"access", "portability"})


class Access:
    """Hands out what is known of the people of *api* who asked for it; *log* is told of each."""

    def __init__(self, api: Api, cases: Cases, log: Log) -> None:
        self._api = api
        self._cases = cases
        self._log = log
        self._places = asyncio.Semaphore(_AT_A_TIME)
        self._executor = ThreadPoolExecutor(_AT_A_TIME, "results")

    def routes(self, gate: Gate) -> list[Way]:
        """Return the route, behind *gate*."""
        endpoint = gate.endpoint("dsr_results", "privacy:read", self.results, LATELY)
        return [Way(f"{PATH}/{{id}}/results", endpoint)]

    def has_results(self, case: Case) -> bool:
        """Return whether there are results of *case* to be fetched."""
        is_asked = case.request_type in _TYPES and bool(case.found.mpids)
        return is_asked and not self._is_over(case)

    def url_of(self, case: Case) -> str | None:
        """Return where the results of *case* are fetched; None where there are none."""
        if not self.has_results(case):
            return None
        return f"{PATH}/{quote(case.request_id, safe='')}/results?workspace={case.workspace}"

    async def results(self, request: Request, token: Token) -> Answer:
        """Answer ``GET /dsr/v3/requests/{id}/results``."""
        return await self.fetched(await self._cases.asked(request, token), token)

    async def fetched(self, case: Case, token: Token) -> Answer:
        """Return the results of *case* for the bearer of *token*; Refusal where there are none."""
        if case.request_type not in _TYPES:
            raise Refusal(404, "NOT_FOUND", f"a request of type {case.request_type} has no results")
        if not case.found.mpids:
            raise Refusal(404, "NOT_FOUND", "the request found nobody")
        if self._is_over(case):
            raise Refusal(410, "GONE", "the results were to be fetched earlier: ask once more")
        profiles = await self._living(case)
        try:
            async with asyncio.timeout(_WAIT_S):
                await self._places.acquire()
        except TimeoutError:
            raise unavailable("other results are being made: try again") from None
        mpids = [str(one.mpid) for one in profiles]
        self._log.info("results_fetched", token=token.name, workspace=case.workspace, mpids=mpids)
        return self._made(case, profiles)

    def _is_over(self, case: Case) -> bool:
        rules = self._api.workspaces[case.workspace].privacy
        if case.completed_ms is None or rules is None:
            return False
        return self._api.now_ms() > case.completed_ms + rules.results_ms

    async def _living(self, case: Case) -> list[Profile]:
        """Return the profiles of *case* as they are now; Refusal where all have ended."""
        sight = await self._api.reader.look(case.space, [Ask(mpids=case.found.mpids)])
        found = [survivor(sight.found, mpid) for mpid in case.found.mpids]
        living = {one.mpid: one for one in found if one is not None}
        if not living:
            graves = [sight.found.graves.get(mpid) for mpid in case.found.mpids]
            raise gone(next((grave.why for grave in graves if grave is not None), "deleted"))
        return list(living.values())

    def _made(self, case: Case, profiles: list[Profile]) -> Flowing:
        is_over, made_ms = Event(), self._api.now_ms()
        wanted = wanted_of(case.workspace, case.space, profiles)

        def now() -> float:  # what is not wanted any more is late
            return self._cases.now() + (_FOR_EVER_S if is_over.is_set() else 0.0)

        files = Results(self._cases.settings, wanted, self._cases.as_json, now).files(made_ms)
        pieces = zipped(files, moment_of(made_ms))
        flow = Flow(pieces, self._executor, is_over, self._cases.now, self._places.release)
        name = {"Content-Disposition": 'attachment; filename="results.zip"'}
        return Flowing(flow, "application/zip", name)
