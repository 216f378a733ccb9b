"""What holds of every alias whoever decided it: both profiles have it, and both were told.

Nothing here asks the resolver, whose code is the processor's: an alias that is written to one
profile alone would be the same mistake in both. Pure functions.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from processor.identity.model import Identifier
from processor.identity.profile import Alias, Profile
from processor.identity.types import MP_DEVICEID_TYPE
from tests.faults.oracle import Published, Source, few

SAME = ("source", "destination", "start_ms", "end_ms", "scope", "device", "effective_ms")
"""What the two changes of one alias say alike."""
ANSWERED = ("source_mpid", "destination_mpid", "start_unixtime_ms", "end_unixtime_ms", "scope")
"""What the answer to a request says, in the order of the fields above."""


def aliases_stand_in_both(
    published: Published, live: Mapping[str, Profile], token: Callable[[Identifier], bytes]
) -> list[str]:
    """Each alias has one change under each profile, and each living profile has its entries.

    The load has no alias request that only asks: whatever was answered as applied was written.
    """
    by_cause: dict[Source, list[dict[str, Any]]] = defaultdict(list)
    by_key: dict[str, list[dict[str, Any]]] = defaultdict(list)
    ended: dict[str, int] = {}
    for one in published.by_role.get("changes", ()):
        if one.body["change"] == "profile_erased":
            key = (one.key or b"").decode()
            ended[key] = max(ended.get(key, 0), one.version)
        if one.body["change"] == "profile_aliased":
            by_cause[one.source].append(one.body)
            by_key[(one.key or b"").decode()].append(one.body)
    wrong = [f"{said}: {cause}" for cause, its in by_cause.items() if (said := _of_pair(its))]
    for one in published.by_role.get("responses", ()):
        alias = one.body.get("alias") or {}
        if alias.get("outcome") == "applied":
            answered = [alias[name] for name in ANSWERED]
            told = [_said(its)[: len(ANSWERED)] for its in by_cause.get(one.source, ())]
            if told != [answered] * 2:
                wrong.append(f"answered {answered}, told {told}: {one.source}")
    for key, profile in live.items():
        entries = [_entry(alias, token) for alias in profile.more.aliases]
        of_this_life = [its for its in by_key[key] if its["version"] > ended.get(key, 0)]
        told = [_told(its) for its in sorted(of_this_life, key=lambda its: its["version"])]
        if entries != told and profile.merged_into is None:
            wrong.append(f"has {entries}, told were {told}: {key}")
    return few(wrong)


def _of_pair(changes: Iterable[Mapping[str, Any]]) -> str | None:
    """Return what is wrong with the changes of one cause; None where they are a pair."""
    changes = list(changes)
    roles = Counter(its["role"] for its in changes)
    if roles != {"source": 1, "destination": 1}:
        return f"aliased in the roles {dict(roles)}"
    if any(its["mpid"] != its[its["role"]] for its in changes):
        return "told under another profile than that of its role"
    one, other = map(_said, changes)
    return None if one == other else f"two aliases, {one} and {other}"


def _entry(alias: Alias, token: Callable[[Identifier], bytes]) -> list[Any]:
    """Return what the change of an entry of a document says of it."""
    device = alias.device and token(Identifier(MP_DEVICEID_TYPE, alias.device)).hex()
    return [alias.role, str(alias.mpid), alias.start_ms, alias.end_ms, alias.scope, device]


def _told(change: Mapping[str, Any]) -> list[Any]:
    other = "destination" if change["role"] == "source" else "source"
    return [change["role"], change[other], *_said(change)[2:6]]


def _said(change: Mapping[str, Any]) -> list[Any]:
    return [change.get(name) for name in SAME]
