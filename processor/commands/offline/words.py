"""Explanations in words: a sentence for the input, each identifier, and the outcome."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from processor.commands.offline.explanation import Exceeded, Explanation, Fate, Lifetime
from processor.commands.offline.sentences import computed_in_words
from processor.commands.terminal.moments import moment

REASONS: Final = {
    "blocked": "is blocked: such a value does not tell people apart",
    "bound": "is not added: it is too long, or there is no room for it",
    "mapping_limit": "is not added: the profile has max_mappings identities",
    "merge_limit": "is not added: the merge would pass max_merges",
    "unique_elsewhere": "is not added: another profile owns this unique value",
    "immutable": "is not added: the profile has another value of this immutable type",
    "stronger_kept": "is not added: the profile keeps its own value of this stronger type",
    "login_on_anonymous": "is not added: a login ID does not make an anonymous profile known",
    "not_in_priority": "is kept as data: its type is no lookup",
}
"""Why an identifier was not added, by the reason of ``resolution.skipped``."""

_BECAME: Final = {
    "added": "is added",
    "moved": "comes along to the profile",
    "matched": "is evidence that was known",
    "unused": "changes nothing",
}


_IGNORED: Final = {
    "already": "it is there already",
    "empty_window": "its window has no instant in it",
    "source_window_used": "its window overlaps another of the source",
    "source_was_destination": "events of others count for the source",
    "destination_was_source": "events of the destination count for others",
    "bound": "a profile has max_aliases aliases, or no room for another",
}


def alias_in_words(alias: Mapping[str, Any]) -> str:
    """Return what became of an alias request, by the ``alias`` of its answer."""
    ends = f"{alias['source_mpid']} to {alias['destination_mpid']}"
    if alias["reason"] is None:
        return f"the alias of {ends} is applied"
    return f"the alias of {ends} is ignored, as {_IGNORED[alias['reason']]}"


def in_words(found: Explanation) -> Iterator[str]:
    """Yield the sentences and, under the last one, the changes of the graph."""
    under = f", decided by {found.strategy}" if found.strategy else ""
    protection = f" ({found.protection})" if found.protection else ""
    yield f"The record came through the input {found.input}{protection}{under}."
    if found.supplied is not None:
        whose = "a profile" if found.supplied.is_known else "nobody"
        ended = f": its profile {found.supplied.ended}" if found.supplied.ended else ""
        yield f"- it names the MPID {found.supplied.mpid}, which belonged to {whose}{ended}."
    if found.looked_at:
        none = "" if found.identifiers or found.supplied else ", and found none"
        yield f"It looked for identifiers in {'; '.join(found.looked_at)}{none}."
    for one in found.ignored:
        yield f"- {one}: it is left out."
    for fate in found.identifiers:
        yield f"- {fate.identity_type} {fate.value} {_whose(fate)}; it {_fate(fate)}."
    yield _verdict(found)
    for change in found.changes:
        yield f"  {_change(change)}"
    if found.computed is not None:
        yield from computed_in_words(found.computed)
    if found.lifetime is not None:
        yield _lifetime(found.lifetime)


def _whose(fate: Fate) -> str:
    if not fate.owners:
        return "belonged to nobody" if fate.became != "blocked" else "was not looked up"
    if len(fate.owners) == 1:
        return f"belonged to {fate.owners[0]}"
    return f"was shared by {len(fate.owners)} profiles"


def _fate(fate: Fate) -> str:
    if fate.became != "demoted":
        return _BECAME.get(fate.became) or REASONS.get(fate.became, fate.became)
    if not fate.exceeded:
        return "is left out: the limit of its type is reached"
    limits = " and ".join(map(_limit, fate.exceeded))
    return f"is left out: the final profile would have more than {limits}"


def _limit(exceeded: Exceeded) -> str:
    days = "" if exceeded.window_s is None else f" within {exceeded.window_s / 86_400:g} days"
    return f"{exceeded.limit} of {exceeded.identity_type}{days}"


def _verdict(found: Explanation) -> str:
    why = f" ({found.reason})" if found.reason else ""
    told = f": {found.detail}" if found.detail else ""
    outcome = (found.resolution or {}).get("outcome")
    if found.mpid is None or outcome is None:
        return f"Outcome {found.outcome}{why}{told}."
    by = (found.resolution or {}).get("matched_on")
    how = {
        "matched": f"an existing profile, found by {by}" if by else "an existing profile",
        "created": "a new profile",
        "merged": "one profile of several",
    }.get(outcome, outcome)
    return f"Outcome {found.outcome}{why}: profile {found.mpid}, {how}."


def _lifetime(found: Lifetime) -> str:
    was = "What was known of the profile had been forgotten. " if found.is_emptied else ""
    if found.ends_ms is None:
        return f"{was}Its lifetime does not end."
    return f"{was}Its lifetime ends at {moment(found.ends_ms)}, unless something is received."


def _change(change: Mapping[str, Any]) -> str:
    parts = [change["change"].replace("_", " ")]
    parts += [change[key] for key in ("identity_type", "reason") if key in change]
    if "from" in change:
        parts.append(f"from {change['from']} to {change['to']}")
    if "absorbed" in change:
        parts.append(f"absorbed {', '.join(change['absorbed'])}")
    if change["mpid"] is not None:
        parts.append(f"(profile {change['mpid']}, version {change['version']})")
    return " ".join(parts)
