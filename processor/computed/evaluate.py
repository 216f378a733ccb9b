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
    clocks = (standing.clock_ms, *(one.standing.clock_ms for one in occasion.absorbed))
    now_ms = max(occasion.time_ms, *clocks)
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
    dues = [occasion.own_due_ms, *[one.due_ms for one in found.values()]]
    due_ms = min((one for one in dues if one is not None), default=None)
    computed = {name: one.computed for name, one in found.items()}
    messages = in_order([message for one in found.values() for message in one.messages])
    told, without = bounded((*farewells(scope, occasion, now_ms), *messages))
    return Evaluation(
        standing=Standing(now_ms, due_ms, scope.stamp, {**standing.workspaces, **computed}),
        is_changed=bool(occasion.absorbed)
        or (due_ms, scope.stamp) != (standing.due_ms, standing.stamp)
        or not found.keys() <= standing.workspaces.keys()
        or any(one.is_changed for one in found.values()),
        messages=told,
        bounded=without + sum(one.bounded for one in found.values()),
        wrote=frozenset[str]().union(*(one.wrote for one in found.values())),
    )


def advance(
    scope: Scope, standing: Standing, mpid: int, until_ms: int, facts: Mapping[str, Facts]
) -> Evaluation:
    """Do all that is due of a person by *until_ms*, each at its own instant, in order.

    After MOST_INSTANTS it stops: what is left is due still.
    """
    changes = {name: FactsChange(one, one) for name, one in facts.items()}
    messages: list[AudienceChange] = []
    before, refused = standing, 0
    for _ in range(MOST_INSTANTS):
        if standing.due_ms is None or standing.due_ms > until_ms:
            break
        found = evaluate(scope, standing, Occasion(mpid, standing.due_ms, "time"), changes)
        standing, refused = found.standing, refused + found.bounded
        messages += found.messages
    told, without = bounded(messages)
    return Evaluation(standing, standing is not before, told, refused + without)
