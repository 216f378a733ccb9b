"""Whom ``idstream export --request`` is about: whom an access or portability request found."""

from collections.abc import Sequence

from processor.commands.privacy.finding import cases
from processor.commands.terminal.console import visible
from processor.commands.terminal.failure import Failure
from processor.index.port import Ask
from processor.privacy.case import Case
from processor.redis.index import open_index
from processor.serve.entitled import living, why_none
from processor.serve.refusal import Refusal
from processor.serve.results import Wanted, wanted_of
from processor.settings import Settings


def wanted_by(
    settings: Settings,
    request_id: str,
    workspace: str | None,
    environment: str | None,
    now_ms: int,
) -> Wanted:
    """Return whose data the results of a request hold, by the rules of those over HTTP.

    *workspace* and *environment* tell several requests with one id apart; Failure where they do
    not, or where the request has no results.
    """
    index = open_index(settings)
    try:
        found = list(cases(index, settings, request_id))
        case = _only(request_id, [one for one in found if _is_in(one, workspace, environment)])
        why = why_none(case, settings.workspaces[case.workspace], now_ms)
        if why is not None:
            raise why
        people = index.visit(case.space, {}, [Ask(mpids=case.found.mpids)]).found
        return wanted_of(case.workspace, case.space, living(case, people))
    except Refusal as refusal:
        raise Failure(refusal.message) from None
    finally:
        index.close()


def _is_in(case: Case, workspace: str | None, environment: str | None) -> bool:
    return workspace in (None, case.workspace) and environment in (None, case.environment)


def _only(request_id: str, found: Sequence[Case]) -> Case:
    if not found:
        raise Failure(f"the index has no case of a request {visible(request_id)}")
    if len(found) > 1:
        listed = ", ".join(f"{one.workspace} ({one.environment})" for one in found)
        raise Failure(
            f"several requests are called {visible(request_id)}; name the workspace, and the"
            f" --environment: {listed}"
        )
    return found[0]
