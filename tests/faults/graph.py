"""What a strategy promises of the profiles of one space: limits, merges. Pure functions."""

from collections import Counter
from collections.abc import Mapping

from processor.identity.model import Identifier, IdentityPolicy
from processor.identity.profile import Profile
from tests.faults.oracle import few


def limits_hold(live: Mapping[str, Profile], policy: IdentityPolicy) -> list[str]:
    """No profile has more than its limits, and no shared identifier more holders.

    Limits with a window count by the time of a request, so they cannot be told from the end.
    """
    has_one_owner = policy.traits.has_one_owner
    most_identities = policy.max_mappings if has_one_owner else policy.max_identities
    most_holders = 10 * policy.max_holders
    holders: Counter[Identifier] = Counter()
    wrong = []
    for key, profile in live.items():
        if profile.merged_into is not None:
            continue
        kinds = Counter(identity.identity_type for identity in profile.identities)
        holders.update({Identifier(i.identity_type, i.value) for i in profile.identities})
        if len(profile.identities) > most_identities:
            wrong.append(f"{len(profile.identities)} identities: {key}")
        for kind, limit in policy.limits.items():
            if limit.window_ms is None and kinds[kind] > limit.count:
                wrong.append(f"{kinds[kind]} identities of the type {kind}: {key}")
        if profile.merges > policy.max_merges:
            wrong.append(f"{profile.merges} merges: {key}")
    for (kind, _), count in holders.items():
        if kind in policy.priority and kind not in policy.unique_ids and count > most_holders:
            wrong.append(f"{count} holders of a {kind}")
    return few(wrong)


def merges_lead_to_survivors(live: Mapping[str, Profile]) -> list[str]:
    """A merged profile leads to one that lives, has nothing, and is among what that absorbed."""
    wrong = []
    merged: Counter[str] = Counter()
    for key, profile in live.items():
        if profile.merged_into is None:
            continue
        survivor = _survivor(profile, live)
        if survivor is None:
            wrong.append(f"leads to no survivor: {key}")
            continue
        merged[_key(survivor, survivor.mpid)] += 1
        if profile.mpid not in survivor.absorbed:
            wrong.append(f"not among what {survivor.mpid} absorbed: {key}")
        if profile.identities:
            wrong.append(f"merged, with {len(profile.identities)} identities: {key}")
    for key, profile in live.items():
        if profile.merged_into is None and len(profile.absorbed) != merged[key]:
            wrong.append(f"absorbed {len(profile.absorbed)}, {merged[key]} lead there: {key}")
    return few(wrong)


def _survivor(profile: Profile, live: Mapping[str, Profile]) -> Profile | None:
    found: Profile | None = profile
    for _ in range(len(live)):
        if found is None or found.merged_into is None:
            return found
        found = live.get(_key(found, found.merged_into))
    return None


def _key(profile: Profile, mpid: int) -> str:
    return f"{profile.scope}/{profile.environment}/{mpid}"
