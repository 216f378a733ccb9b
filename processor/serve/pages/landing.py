"""What happens now: how far the processors are, what they decided, and what they refused."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final, TypeVar

from msgspec import Struct

from processor.identity.model import Environment
from processor.kafka.recent import Standing
from processor.records import RowKey
from processor.rules import WorkspaceRules
from processor.serve.credentials import Token
from processor.serve.happenings import UNREAD, Happening, Happenings
from processor.serve.pages.words import error_text
from processor.serve.refusal import Refusal

_FRESH_S: Final = 3.0
"""How long what was seen is shown again: many may look at once."""
_REFUSED: Final = 400
MOST: Final = 12
_Seen = TypeVar("_Seen")


class WhyNot(Struct, frozen=True):
    """Why something is not shown."""

    text: str
    is_fault: bool
    """Something does not work; otherwise the viewer has no right to see it."""


WITHHELD: Final = WhyNot("Not shown: your token lacks the scope activity:read.", is_fault=False)


class Input(Struct, frozen=True):
    """How far the processors are with an input topic."""

    topic: str
    end: int
    lag: int
    rate: float | None
    """Records that came in per second since the look before; None at the first one."""


class Refused(Struct, frozen=True):
    """A request that was answered with an error, or a record that was set aside."""

    time_ms: int
    source: str
    """The record."""
    why: str


class Landing(Struct, frozen=True):
    """What the page shows."""

    seen_s: float
    standing: Mapping[RowKey, Standing]
    inputs: list[Input]
    changes: list[Happening]
    refusals: list[Refused]
    """Newest first, of either kind."""
    why_not: WhyNot | None = None
    unread: Mapping[str, WhyNot] = {}
    """Why changes or answers are missing, where only they are."""


async def landing(
    happenings: Happenings,
    token: Token,
    workspace: WorkspaceRules,
    environment: Environment,
    seen: MutableMapping[str, Landing],
    now: Callable[[], float],
) -> Landing:
    """Return what happens in *workspace*; *seen* keeps the last look of each."""
    key, now_s = f"{workspace.name}/{environment}", now()
    if not token.may("activity:read"):
        return _nothing(now_s, WITHHELD)
    before = seen.get(key)
    if before is not None and now_s - before.seen_s < _FRESH_S:
        return before
    try:
        found = seen[key] = await _look(happenings, workspace, environment, before, now_s)
    except Refusal as refusal:
        return _nothing(now_s, not_shown(refusal))
    return found


def not_shown(refusal: Refusal) -> WhyNot:
    """Return what is said in place of what *refusal* kept from being read."""
    return WhyNot(f"Not shown: {refusal.message}.", is_fault=refusal.status != UNREAD)


async def unless_unread(
    look: Awaitable[_Seen], instead: _Seen, role: str, unread: MutableMapping[str, WhyNot]
) -> _Seen:
    """Return what *look* sees; *instead* of a topic that is not read here, noted in *unread*."""
    try:
        return await look
    except Refusal as refusal:
        if refusal.status != UNREAD:
            raise
        unread[role] = not_shown(refusal)
        return instead


def _nothing(now_s: float, why: WhyNot) -> Landing:
    return Landing(now_s, {}, [], [], [], why)


async def _look(
    happenings: Happenings,
    workspace: WorkspaceRules,
    environment: Environment,
    before: Landing | None,
    now_s: float,
) -> Landing:
    standing = await happenings.standing(workspace.name)
    unread = dict[str, WhyNot]()

    async def own(role: str) -> list[Happening]:
        newest = await unless_unread(happenings.newest(role), [], role, unread)
        return [one for one in newest if _is_of(one.value, workspace.name, environment)]

    answers, changes = await own("responses"), await own("changes")
    letters = [
        one
        for one in await happenings.newest("dead_letters")
        if happenings.workspace_of(str(one.value.get("input")), one.topic) == workspace.name
    ]
    inputs = _inputs(standing, before, now_s)
    refusals = _refusals(answers, letters)
    return Landing(now_s, standing, inputs, changes[:MOST], refusals, unread=unread)


def _refusals(answers: Iterable[Happening], letters: Iterable[Happening]) -> list[Refused]:
    found = [
        Refused(one.time_ms, one.source, error_text(one.value))
        for one in answers
        if _status(one.value) >= _REFUSED
    ]
    found += [Refused(one.time_ms, one.source, one.reason) for one in letters]
    found.sort(key=lambda one: -one.time_ms)
    return found[:MOST]


def _is_of(value: Mapping[str, Any], workspace: str, environment: str) -> bool:
    return value.get("workspace") == workspace and value.get("environment") == environment


def _status(value: Mapping[str, Any]) -> int:
    found = value.get("status")
    return found if isinstance(found, int) else 0


def _inputs(
    standing: Mapping[RowKey, Standing], before: Landing | None, now_s: float
) -> list[Input]:
    found = []
    for topic in sorted({row.topic for row in standing}):
        its = [one for row, one in standing.items() if row.topic == topic]
        end = sum(one.end for one in its)
        rate = None
        if before is not None and before.standing:
            earlier = sum(one.end for row, one in before.standing.items() if row.topic == topic)
            rate = max(0, end - earlier) / max(0.001, now_s - before.seen_s)
        found.append(Input(topic, end, sum(max(0, one.end - one.done) for one in its), rate))
    return found
