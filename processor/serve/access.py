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
from processor.serve.entitled import living, why_none
from processor.serve.flow import Flow, Flowing
from processor.serve.gate import LATELY, Gate
from processor.serve.refusal import Refusal, unavailable
from processor.serve.results import Results, wanted_of
from processor.serve.routes import Api
from processor.watch.logs import Log

PATH: Final = "/dsr/v3/requests"
_AT_A_TIME: Final = 2
_WAIT_S: Final = 2.0
_FOR_EVER_S: Final = 1e9


class Access:
    """Hands out what is known of the people of *api* who asked for it; *log* is told of each."""

    def __init__(self, api: Api, cases: Cases, log: Log) -> None:
        self._api = api
        self._cases = cases
        self._log = log
        served = cases.settings.serve
        domain = None if served is None else served.domain
        self._origin = "" if domain is None else f"https://{domain}"
        self._places = asyncio.Semaphore(_AT_A_TIME)
        self._executor = ThreadPoolExecutor(_AT_A_TIME, "results")

    def routes(self, gate: Gate) -> list[Way]:
        """Return the route, behind *gate*."""
        endpoint = gate.endpoint("dsr_results", "privacy:read", self.results, LATELY)
        return [Way(f"{PATH}/{{id}}/results", endpoint)]

    def has_results(self, case: Case) -> bool:
        """Return whether there are results of *case* to be fetched."""
        return self._why_none(case) is None

    def url_of(self, case: Case) -> str | None:
        """Return where the results of *case* are fetched; None where there are none."""
        if not self.has_results(case):
            return None
        path = f"{PATH}/{quote(case.request_id, safe='')}/results?workspace={case.workspace}"
        return self._origin + path

    async def results(self, request: Request, token: Token) -> Answer:
        """Answer ``GET /dsr/v3/requests/{id}/results``."""
        return await self.fetched(await self._cases.asked(request, token), token)

    async def fetched(self, case: Case, token: Token) -> Answer:
        """Return the results of *case* for the bearer of *token*; Refusal where there are none."""
        why = self._why_none(case)
        if why is not None:
            raise why
        sight = await self._api.reader.look(case.space, [Ask(mpids=case.found.mpids)])
        profiles = living(case, sight.found)
        try:
            async with asyncio.timeout(_WAIT_S):
                await self._places.acquire()
        except TimeoutError:
            raise unavailable("other results are being made: try again") from None
        mpids = [str(one.mpid) for one in profiles]
        self._log.info("results_fetched", token=token.name, workspace=case.workspace, mpids=mpids)
        return self._made(case, profiles)

    def _why_none(self, case: Case) -> Refusal | None:
        return why_none(case, self._api.workspaces[case.workspace], self._api.now_ms())

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
