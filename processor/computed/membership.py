"""Who is in which audience at an instant, and what flips (docs/computed.md, "Membership")."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from processor.computed.criterion import Criterion
from processor.computed.definition import Audience, Definitions, Needs
from processor.computed.direction import Direction
from processor.computed.flip import Next, next_flip, next_turn
from processor.computed.situation import Situation
from processor.identity.profile import Membership


class Memberships(NamedTuple):
    """The memberships of a person in one workspace at an instant, and who flipped."""

    audiences: dict[str, Membership]
    """Sorted by name, with those that only other processors may touch."""
    dues: dict[str, int]
    """When an audience is to be looked at next, by its name, where no membership says so."""
    entered: list[Audience]
    left: list[Audience]
    is_changed: bool

    def due_ms(self, definitions: Definitions) -> int | None:
        """Return when time alone flips one next."""
        own = [
            one.expires_ms
            for name, one in self.audiences.items()
            if one.expires_ms is not None and not _is_others(definitions, name, one)
        ]
        return min([*own, *self.dues.values()], default=None)


def memberships(
    definitions: Definitions,
    stored: Mapping[str, Membership],
    dues: Mapping[str, int],
    affected: Collection[Audience] | None,
    situation: Situation,
) -> Memberships:
    """Judge audiences at the instant of *situation*; *stored* and *dues* are what was so before.

    Only the *affected* ones are judged, None: all; time must not have flipped any other. A
    membership of a higher version than the configured one is left alone: it is the business of the
    processors that have that version.
    """
    audiences = dict(stored)
    if affected is None:
        affected, waiting = definitions.audiences.values(), {}
    else:
        waiting = {name: due for name, due in dues.items() if name in definitions.audiences}
    found = Memberships(audiences, waiting, [], [], is_changed=False)
    is_changed = False
    for audience in affected:
        before = stored.get(audience.name)
        if before is None or before.version <= audience.version:
            needs = definitions.needs[audience.name]
            after = _judge(audience, needs, before, situation, found)
            is_changed = is_changed or after != before
    # Sorted, so that what is stored does not tell in which order it came about.
    return found._replace(
        audiences=dict(sorted(audiences.items())),
        dues=dict(sorted(waiting.items())),
        is_changed=is_changed,
    )


def _judge(
    audience: Audience,
    needs: Needs,
    before: Membership | None,
    situation: Situation,
    found: Memberships,
) -> Membership | None:
    """Judge one audience and note in *found* what follows; return the membership, None for none."""
    name, now_ms = audience.name, situation.now_ms
    found.audiences.pop(name, None)
    found.dues.pop(name, None)
    criterion = audience.criterion
    holds = not audience.is_retired and criterion.holds(situation, now_ms)
    later = None if audience.is_retired else _next(criterion, needs, situation, holds=holds)
    if later is not None and not (holds and later.is_flip):
        found.dues[name] = later.time_ms
    if not holds:
        if before is not None:
            found.left.append(audience)
        return None
    if before is None:
        found.entered.append(audience)
    entered_ms = now_ms if before is None else before.entered_ms
    expires_ms = later.time_ms if later is not None and later.is_flip else None
    after = Membership(audience.version, entered_ms, expires_ms)
    found.audiences[name] = after
    return after


def _next(criterion: Criterion, needs: Needs, situation: Situation, *, holds: bool) -> Next | None:
    if needs.direction is Direction.EITHER:
        return next_flip(criterion, situation, holds=holds)
    if needs.turning is None:
        return None
    return next_turn(needs.direction, needs.turning, situation, holds=holds)


def _is_others(definitions: Definitions, name: str, membership: Membership) -> bool:
    """Whether only other processors may touch a membership; if so, it is not shown either."""
    own = definitions.audiences.get(name)
    return own is None or membership.version > own.version


def shown(definitions: Definitions, audiences: Mapping[str, Membership]) -> dict[str, Membership]:
    """Return the memberships that outputs show: published ones of the configured versions."""
    return {
        name: membership
        for name, membership in sorted(audiences.items())
        if (own := definitions.audiences.get(name)) is not None
        and own.is_published
        and membership.version <= own.version
    }
