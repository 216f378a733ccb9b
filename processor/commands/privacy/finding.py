"""The case of a request, wherever it is in the index."""

from collections.abc import Iterator

from processor.commands.terminal.failure import Failure
from processor.identity.model import Environment, Space
from processor.index.port import Ask
from processor.privacy.case import Case, case_number, unpack_case
from processor.redis.index import RedisIndex, open_index
from processor.settings import Settings

_ENVIRONMENTS: tuple[Environment, ...] = ("production", "development")


def case_of(settings: Settings, request_id: str) -> Case | None:
    """Return the case of a request in any workspace that carries requests out; None without one."""
    index = open_index(settings)
    try:
        return next(cases(index, settings, request_id), None)
    finally:
        index.close()


def cases(index: RedisIndex, settings: Settings, request_id: str) -> Iterator[Case]:
    """Yield the case that each workspace has of a request with this id, in each environment."""
    for space, number in _places(settings, request_id):
        found = index.visit(space, {}, [Ask(mpids=(number,))]).found.filed.get(number)
        if found is not None:
            yield unpack_case(found.data)


def _places(settings: Settings, request_id: str) -> Iterator[tuple[Space, int]]:
    if all(workspace.privacy is None for workspace in settings.workspaces.values()):
        raise Failure(
            "requests under privacy law are not carried out here: the configuration has no"
            " [privacy] (docs/privacy.md)"
        )
    for name, workspace in settings.workspaces.items():
        number = case_number(request_id, name, settings.key())
        for environment in _ENVIRONMENTS:
            yield Space(workspace.scope, environment), number
