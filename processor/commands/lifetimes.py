"""When profiles end, and how those that have ended did (docs/lifetimes.md), for people."""

from typing import Final

from processor.clock.bucket import DAY_MS
from processor.commands.terminal.moments import moment
from processor.identity.grave import Grave, Why
from processor.identity.profile import Profile
from processor.pipeline.ageing import ageing_of
from processor.rules import Lifetimes
from processor.settings import Settings

_ENDED: Final[dict[Why, str]] = {
    "aged_out": "aged out",
    "deleted": "was deleted",
    "erased": "was erased",
}


def grave_in_words(grave: Grave) -> str:
    """Return how the profile of *grave* ended, and when."""
    return f"{_ENDED[grave.why]} on {moment(grave.time_ms)}"


def lifetime_in_words(lifetimes: Lifetimes) -> str:
    """Return how long profiles live of whom nothing is received."""
    said = (
        f"after the last receipt anonymous profiles live {_days(lifetimes.anonymous_ms)},"
        f" known ones {_days(lifetimes.known_ms)}"
    )
    if lifetimes.keeps_identity:
        return f"{said}; then only who they are is kept, {_days(lifetimes.identity_ms)}"
    return said


def end_facts(settings: Settings, profile: Profile) -> list[tuple[str, str]]:
    """Return when *profile* was emptied, and when its lifetime ends; nothing where nobody ages."""
    lifetimes = settings.lifetimes(profile.scope)
    if profile.merged_into is not None:
        return []
    found = []
    emptied_ms = profile.more.emptied_ms
    if emptied_ms is not None:
        found.append(("emptied", f"{moment(emptied_ms)} (only who it is was kept)"))
    if lifetimes is not None:
        ends_ms = end_ms_of(settings, profile)
        then = " (then it is emptied)" if lifetimes.keeps_identity and emptied_ms is None else ""
        ends = "never" if ends_ms is None else f"{moment(ends_ms)}{then}"
        found.append(("lifetime ends", ends))
    return found


def end_ms_of(settings: Settings, profile: Profile) -> int | None:
    """Return when the lifetime of *profile* ends, if nothing is received; None: never."""
    lifetimes = settings.lifetimes(profile.scope)
    if lifetimes is None:
        return None
    policy = settings.policy(profile.scope)
    return ageing_of(lifetimes, policy, settings.limits).end_ms(profile)


def _days(ms: int) -> str:
    return f"{ms / DAY_MS:g} days" if ms else "for ever"
