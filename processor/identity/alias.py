"""Aliases: what one profile did in a window of time counts for another (docs/aliasing.md).

Both profiles store the alias, with its source or its destination. Identities, attributes and
consent stay as they are; only the destination's first-seen date and install attribution may change.
The events themselves are copied by the system that stores the history.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from processor.identity.decision import Aliased, Refused
from processor.identity.model import AliasRequest
from processor.identity.profile import NO_DATA, Alias, Profile
from processor.identity.view import View

LATE_MS: Final = 86_400_000
"""How long after a request events of its window may still arrive; only then are they copied."""


class AliasRules(Struct, frozen=True):
    """The settings that decide about aliases."""

    workspace: str
    """The workspace whose install attribution is taken over."""
    most: int
    """How many aliases a profile may have."""
    window_ms: int
    """How far a window may reach back from the time of its request."""
    fits: Callable[[Profile], bool] = lambda _: True
    """Whether the document of a profile is within its bounds."""


def resolve_alias(
    request: AliasRequest, time_ms: int, view: View, rules: AliasRules, *, read_only: bool
) -> Aliased | Refused:
    """Decide an alias request of *time_ms* and apply it to *view*, unless it only asks."""
    window = _window(request, time_ms, rules.window_ms)
    if window is None:
        return invalid(
            "data: the time range is invalid: start_unixtime_ms must not be after"
            " end_unixtime_ms, nor the end before the oldest time that may be aliased"
        )
    source, destination = view.profile(request.source_mpid), view.profile(request.destination_mpid)
    if source is None or destination is None:
        end = "source_mpid" if source is None else "destination_mpid"
        return invalid(f"data.{end}: no profile of this environment has this MPID")
    if source.mpid == destination.mpid:
        return invalid("data: source_mpid and destination_mpid lead to the same profile")
    start_ms, end_ms = window
    alias = Alias("source", destination.mpid, start_ms, end_ms, request.scope, request.device)
    decision = Aliased(
        source.mpid,
        destination.mpid,
        start_ms,
        end_ms,
        request.scope,
        request.device,
        time_ms + LATE_MS,
    )
    return _apply(decision, alias, view, rules, read_only=read_only)


def alias_link(
    mpid: int, device: str | None, time_ms: int, view: View, rules: AliasRules
) -> Aliased | None:
    """Alias to the new profile *mpid* the anonymous one that it arose from, up to *time_ms*.

    The window begins when the anonymous profile was first seen. Returns None and writes nothing
    where that is later than *time_ms*. An alias that a rule forbids is not written either.
    """
    destination = view.exact(mpid)
    assert destination is not None
    source = None if destination.source_mpid is None else view.profile(destination.source_mpid)
    if source is None:
        return None
    request = AliasRequest(
        source.mpid,
        mpid,
        start_ms=source.first_seen_ms,
        scope="mpid" if device is None else "device",
        device=device,
    )
    decision = resolve_alias(request, time_ms, view, rules, read_only=False)
    return None if isinstance(decision, Refused) else decision


def invalid(message: str) -> Refused:
    """Return the answer to an alias request that cannot mean anything."""
    return Refused(400, "INVALID_DATA", message)


def _window(request: AliasRequest, time_ms: int, window_ms: int) -> tuple[int, int] | None:
    """Return the window cut to what may be aliased; None where it ends before it starts."""
    oldest = max(time_ms - window_ms, 0)
    start, end = request.start_ms, request.end_ms
    if start is not None and end is not None and start > end:
        return None
    start = oldest if start is None else max(start, oldest)
    end = time_ms if end is None else min(end, time_ms)
    return None if start > end else (start, end)


def _apply(
    decision: Aliased, alias: Alias, view: View, rules: AliasRules, *, read_only: bool
) -> Aliased:
    """Write *alias* to both profiles, unless a rule of aliases says to ignore it."""
    source, destination = view.exact(decision.source_mpid), view.exact(decision.destination_mpid)
    assert source is not None
    assert destination is not None
    reason = _refusal(alias, source, destination)
    if reason is not None:
        return replace(decision, reason=reason)
    after_source = _with(source, alias)
    after_destination = _taken_over(
        source, _with(destination, replace(alias, role="destination", mpid=source.mpid)), rules
    )
    for after in (after_source, after_destination):
        if len(after.more.aliases) > rules.most or not rules.fits(after):
            return replace(decision, reason="bound", full_mpid=after.mpid)
    if not read_only:
        view.put(after_source)
        view.put(after_destination)
    return decision


def _refusal(alias: Alias, source: Profile, destination: Profile) -> str | None:
    """Return why *alias* is ignored, in the order of the rules; None where it may be."""
    given = _by_role(source, "source")
    rules = {
        "already": alias in given,
        "empty_window": alias.start_ms == alias.end_ms,
        "source_window_used": any(_overlap(alias, other) for other in given),
        "source_was_destination": bool(_by_role(source, "destination")),
        "destination_was_source": bool(_by_role(destination, "source")),
    }
    return next((reason for reason, holds in rules.items() if holds), None)


def _by_role(profile: Profile, role: str) -> list[Alias]:
    return [alias for alias in profile.more.aliases if alias.role == role]


def _overlap(alias: Alias, other: Alias) -> bool:
    """Whether one event may lie in both windows; events of two devices are never the same."""
    if alias.scope == other.scope == "device" and alias.device != other.device:
        return False
    return alias.start_ms < other.end_ms and other.start_ms < alias.end_ms


def _with(profile: Profile, alias: Alias) -> Profile:
    return replace(profile, more=replace(profile.more, aliases=(*profile.more.aliases, alias)))


def _taken_over(source: Profile, destination: Profile, rules: AliasRules) -> Profile:
    """Return *destination* with the first-seen date and the install attribution of *source*."""
    first = source.first_seen_ms
    more = replace(
        destination.more, first_seen_ms=None if first == destination.created_ms else first
    )
    workspaces, name = destination.workspaces, rules.workspace
    theirs = source.workspaces.get(name, NO_DATA).more.attribution
    if theirs is not None:
        data = workspaces.get(name, NO_DATA)
        data = replace(data, more=replace(data.more, attribution=theirs))
        workspaces = {**workspaces, name: data}
    return replace(destination, more=more, workspaces=workspaces)
