"""Evaluate a person at one instant, in every workspace of a scope.

All of it is pure: the instant comes with the record, or from what was due (docs/computed.md,
"Evaluation").
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from processor.computed.announcement import farewells
from processor.computed.definition import Scope
from processor.computed.message import AudienceChange, bounded, in_order
from processor.computed.occasion import FactsChange, Occasion
from processor.computed.situation import Facts
from processor.computed.state import Standing
from processor.computed.workspace import Instant
from processor.identity.profile import Computed

MOST_INSTANTS: Final = 50
"""For how many instants one sweep looks at a person; the rest is due in the next."""

_NEW: Final = Computed()
_NO_NAMES: Final[frozenset[str]] = frozenset()


class Evaluation(Struct, frozen=True, gc=False):
    """A person after an evaluation."""

    standing: Standing
    """As of the instant: what is stored if the document is written, and what outputs show."""
    is_changed: bool
    """Whether the document is to be written for it."""
    messages: tuple[AudienceChange, ...] = ()
    """Within their bounds, in the order in which they are published."""
    bounded: int = 0
    """Values, news of definitions and contents of messages that a bound kept out."""
    wrote: frozenset[str] = frozenset()
    """The selectors whose events changed something."""


def is_settled(scope: Scope, standing: Standing, occasion: Occasion, *, is_changed: bool) -> bool:
    """Whether *occasion* changes nothing that is computed, so that it need not be evaluated.

    *is_changed* says whether anything else of the person changed. This is what a known user's
    ordinary batch costs.
    """
    return (
        not is_changed
        and not occasion.matches
        and standing.stamp == scope.stamp
        and (standing.due_ms is None or occasion.time_ms < standing.due_ms)
        and (
            occasion.workspace in standing.workspaces or occasion.workspace not in scope.workspaces
        )
        and not occasion.absorbed
    )


def evaluate(
    scope: Scope, standing: Standing, occasion: Occasion, facts: Mapping[str, FactsChange]
) -> Evaluation:
    """Evaluate a person in every workspace of *facts*: those where they were seen.

    Where a workspace knows the same as before, pass the same object as both: then only what the
    events touch is looked at. Of a merge *standing* is the survivor's own. A person's clock never
    goes back: a record of 09:59 that comes after one of 10:01 is evaluated at 10:01.
    """
    now_ms = max(occasion.time_ms, standing.clock_ms)
    for leaver in occasion.absorbed:
        now_ms = max(now_ms, leaver.standing.clock_ms)
    is_current = (
        standing.stamp == scope.stamp
        and (standing.due_ms is None or now_ms < standing.due_ms)
        and not occasion.absorbed
    )
    found = {
        name: Instant(
            definitions, now_ms, scope.max_bytes, is_current and name in standing.workspaces
        ).evaluate(standing.workspaces.get(name, _NEW), occasion, change)
        for name, change in facts.items()
        if (definitions := scope.workspaces.get(name)) is not None
    }
    workspaces, due_ms = dict(standing.workspaces), occasion.own_due_ms
    messages: list[AudienceChange] = []
    is_changed, refused, wrote = bool(occasion.absorbed), 0, _NO_NAMES
    for name, one in found.items():
        is_changed = is_changed or one.is_changed or name not in workspaces
        workspaces[name] = one.computed
        messages += one.messages
        refused += one.bounded
        wrote = wrote | one.wrote if wrote else one.wrote
        if one.due_ms is not None and (due_ms is None or one.due_ms < due_ms):
            due_ms = one.due_ms
    told, without = bounded((*farewells(scope, occasion, now_ms), *in_order(messages)))
    return Evaluation(
        standing=Standing(now_ms, due_ms, scope.stamp, workspaces),
        is_changed=is_changed or (due_ms, scope.stamp) != (standing.due_ms, standing.stamp),
        messages=told,
        bounded=without + refused,
        wrote=wrote,
    )


def advance(
    scope: Scope,
    standing: Standing,
    mpid: int,
    until_ms: int,
    facts: Mapping[str, Facts],
    own_due_ms: int | None = None,
) -> Evaluation:
    """Do all that is due of a person by *until_ms*, each at its own instant, in order.

    *own_due_ms* is an instant besides, when time changes something else of the person: what is
    computed is then as of it, however many instants one call does, and nothing is done that is due
    later. After MOST_INSTANTS it stops: what is left is due still.
    """
    last_ms = until_ms if own_due_ms is None else min(until_ms, own_due_ms)
    changes = {name: FactsChange(one, one) for name, one in facts.items()}
    messages: list[AudienceChange] = []
    before, refused, instants = standing, 0, 0
    while instants < MOST_INSTANTS and standing.due_ms is not None and standing.due_ms <= last_ms:
        at_ms = standing.due_ms
        own_ms = own_due_ms if own_due_ms is not None and own_due_ms > at_ms else None
        occasion = Occasion(mpid, at_ms, "time", own_due_ms=own_ms)
        found = evaluate(scope, standing, occasion, changes)
        standing, refused, instants = found.standing, refused + found.bounded, instants + 1
        messages += found.messages
    # Those of one instant are within the bounds already.
    told, without = bounded(messages) if instants > 1 else (tuple(messages), 0)
    return Evaluation(standing, standing is not before, told, refused + without)
