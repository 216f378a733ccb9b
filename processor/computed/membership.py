"""Who is in which audience at an instant, and what flips (docs/computed.md, "Membership")."""

from collections.abc import Mapping
from typing import NamedTuple

from processor.computed.definition import Audience, Definitions
from processor.computed.flip import next_flip
from processor.computed.situation import Situation
from processor.computed.state import Membership


class Memberships(NamedTuple):
    """The memberships of a person in one workspace at an instant, and what they were before."""

    audiences: dict[str, Membership]
    """Sorted by name, with those that only other processors may touch."""
    due_ms: int | None
    """When time alone flips one next."""
    entered: list[Audience]
    left: list[Audience]
    stayed: list[Audience]
    is_changed: bool


def memberships(
    definitions: Definitions,
    stored: Mapping[str, Membership],
    situation: Situation,
    now_ms: int,
) -> Memberships:
    """Judge every audience at *now_ms*; *stored* is what was so before.

    A membership of a higher version than the configured one is left alone: it is the business of
    the processors that have that version.
    """
    audiences = {name: one for name, one in stored.items() if _is_others(definitions, name, one)}
    dues: list[int] = []
    entered: list[Audience] = []
    left: list[Audience] = []
    stayed: list[Audience] = []
    is_changed = False
    for name, audience in definitions.audiences.items():
        if name in audiences:
            continue
        before = stored.get(name)
        after = _judge(audience, before, situation, now_ms, dues)
        if after is not None:
            audiences[name] = after
            (entered if before is None else stayed).append(audience)
        elif before is not None:
            left.append(audience)
        is_changed = is_changed or after != before
    due_ms = min(dues, default=None)
    return Memberships(dict(sorted(audiences.items())), due_ms, entered, left, stayed, is_changed)


def _judge(
    audience: Audience,
    before: Membership | None,
    situation: Situation,
    now_ms: int,
    dues: list[int],
) -> Membership | None:
    """Return the membership at *now_ms*, None where there is none; note in *dues* when it flips."""
    if audience.is_retired:
        return None
    criterion = audience.criterion
    holds = criterion.holds(situation, now_ms)
    later = next_flip(criterion, situation, now_ms, holds=holds)
    if later is not None:
        dues.append(later.time_ms)
    if not holds:
        return None
    entered_ms = now_ms if before is None else before.entered_ms
    expires_ms = later.time_ms if later is not None and later.is_flip else None
    return Membership(audience.version, entered_ms, expires_ms)


def _is_others(definitions: Definitions, name: str, membership: Membership) -> bool:
    """Whether only other processors may touch a membership; if so, it is not shown either."""
    own = definitions.audiences.get(name)
    if own is not None:
        return membership.version > own.version
    return definitions.foreign is None or f"audiences.{name}" in definitions.foreign


def shown(definitions: Definitions, audiences: Mapping[str, Membership]) -> dict[str, Membership]:
    """Return the memberships that outputs show: published ones of the configured versions."""
    return {
        name: membership
        for name, membership in sorted(audiences.items())
        if (own := definitions.audiences.get(name)) is not None
        and own.is_published
        and membership.version <= own.version
    }
