"""What must hold of profiles that age (docs/lifetimes.md), held against the input. Pure functions.

When somebody was heard of follows from the input and from whom each record was attributed to, not
from what documents say of it.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from operator import itemgetter
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from processor.clock.bucket import MINUTE_MS
from processor.clock.place import shard_of
from processor.codecs.sweep import read_sweep
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.profiles.document import profile_key
from processor.settings import Settings
from tests.faults.oracle import Ended, Published, Resolved, Source, few


class Receipt(NamedTuple):
    """That a record was attributed to a profile, or has changed it."""

    time_ms: int
    place: int
    """In the order of the decisions."""
    source: Source


Customer = tuple[Space, str]
"""Space and customer id: where no two profiles share one, it tells whose a record was before it is
decided. Then it may have gone to somebody else: whoever has its email, if nobody had its customer.
"""


class Lives(NamedTuple):
    """Who was heard of when, and how far the clock has gone."""

    settings: Settings
    published: Published
    resolved: Resolved
    receipts: Mapping[str, list[Receipt]]
    """By profile key."""
    by_customer: Mapping[Customer, list[Receipt]] = MappingProxyType({})
    """By the customer whom a record names, whoever it was attributed to."""

    def life_ms(self, profile: Profile) -> int:
        """Return how long *profile* lives on after a receipt; 0: for ever."""
        its = self.settings.lifetimes(profile.scope)
        if its is None or profile.merged_into is not None:
            return 0
        if profile.more.emptied_ms is not None:
            return its.identity_ms
        login_ids = self.settings.policy(profile.scope).login_ids
        is_known = any(one.identity_type in login_ids for one in profile.identities)
        return its.known_ms if is_known else its.anonymous_ms


def lives(settings: Settings, published: Published, resolved: Resolved) -> Lives:
    """Return who was heard of when in a run."""
    receipts: dict[str, list[Receipt]] = defaultdict(list)
    by_customer: dict[Customer, list[Receipt]] = defaultdict(list)
    inputs = settings.rules().inputs
    read_only = {name.encode() for name, one in inputs.items() if one.protection == "read_only"}
    for source, outcome in published.outcomes().items():
        space, record = resolved.spaces.get(source), published.inputs.get(source)
        if space is None or record is None or outcome["mpid"] is None:
            continue
        if dict(record.headers).get("input", b"default") in read_only:
            continue
        asked = _asked(record.value or b"")
        if asked.read_only or asked.request_type in {"search", "alias"}:
            continue
        heard = Receipt(record.timestamp_ms, resolved.order[source], source)
        key = profile_key(space.scope, space.environment, int(outcome["mpid"])).decode()
        receipts[key].append(heard)
        policy = settings.policy(space.scope)
        # A customer id that is shared, or moves, does not tell whose a record is.
        is_whose = "customerid" in policy.unique_ids and not policy.traits.has_one_owner
        if asked.customer is not None and is_whose:
            by_customer[space, asked.customer].append(heard)
    for key, heard in _changes(published, resolved):
        receipts[key].append(heard)
    return Lives(settings, published, resolved, receipts, by_customer)


def nobody_aged_early(its: Lives) -> list[str]:
    """Nobody has aged out, or was emptied, who was heard of within the lifetime, decided or not.

    Promised is: whoever a record was attributed to, or has changed, lives from its timestamp on for
    the lifetime that they have in the end, less one resolution, since a receipt is noted once per
    that. So does whoever they are merged into, in whatever order records were decided; and so much
    the more holds where nobody has decided a record yet that was there as of the sweep, theirs or
    about their customer. Searches, and what is read only, are no receipts.
    """
    wrong = []
    resolution_ms = its.settings.limits.receipt_resolution_ms
    for key, version, ended_ms, source in _aged(its.published):
        before = _before(its.resolved, key, version)
        life_ms = 0 if before is None else its.life_ms(before)
        if source not in its.resolved.order or before is None or before.merged_into is not None:
            continue
        place, as_of_ms = its.resolved.order[source], _as_of_ms(its.published, source)
        own = list(_heard(its, before))
        noted = [heard for heard in own if heard.place < place]
        waited = [
            heard
            for heard in (*own, *_asked_about(its, before))
            if heard.place > place and heard.time_ms <= as_of_ms
        ]
        for heard in (*noted, *waited):
            if heard.time_ms + life_ms - resolution_ms > ended_ms:
                when = "before" if heard.place < place else "only after"
                told = f"heard of at {heard.time_ms} by {heard.source}, decided {when} it"
                wrong.append(f"aged at {ended_ms}, {told}: {key}")
                break
    return few(wrong)


def nobody_outlives(its: Lives, live: Mapping[str, Profile]) -> list[str]:
    """Nobody is there whose lifetime was over when their shard was swept last."""
    changed = _changed(its.published)
    as_of_ms = _swept_as_of(its.published)
    wrong = []
    for key, profile in live.items():
        life_ms = its.life_ms(profile)
        heard = [one.time_ms for one in its.receipts.get(key, ())] + changed.get(key, [])
        if not life_ms or not heard:
            continue
        swept_ms = as_of_ms.get((key.rpartition("/")[0], shard_of(profile.mpid)), 0)
        if max(heard) + life_ms + MINUTE_MS <= swept_ms:
            wrong.append(f"heard of at {max(heard)}, there still as of {swept_ms}: {key}")
    return few(wrong)


def nobody_gone_has_records(its: Lives) -> list[str]:
    """No record is attributed to a profile between its end and its next life."""
    wrong = []
    for key, receipts in its.receipts.items():
        versions = its.resolved.versions.get(key, ())
        for heard in receipts:
            at = bisect_right(versions, heard.place, key=itemgetter(0)) - 1
            if at >= 0 and isinstance(versions[at][1], Ended):
                wrong.append(f"attributed to {key}, which had ended: {heard.source}")
    return few(wrong)


def ends(published: Published) -> int:
    """Return how many profiles have aged out or were emptied."""
    return sum(1 for _ in _aged(published))


def _changes(published: Published, resolved: Resolved) -> Iterator[tuple[str, Receipt]]:
    """Yield which profiles records have changed, by their keys."""
    sources = {place: source for source, place in resolved.order.items()}
    outcomes = published.outcomes()
    for key, versions in resolved.versions.items():
        for place, one in versions:
            source = sources.get(place)
            if source is None or isinstance(one, Ended) or one.merged_into is not None:
                continue
            if outcomes[source]["outcome"] != "swept":
                yield key, Receipt(published.inputs[source].timestamp_ms, place, source)


def _heard(its: Lives, profile: Profile) -> Iterator[Receipt]:
    """Yield receipts of a profile and of those merged into it, also what came too late."""
    space = Space(profile.scope, profile.environment)
    for mpid in (profile.mpid, *profile.absorbed):
        yield from its.receipts.get(profile_key(*space, mpid).decode(), ())


def _asked_about(its: Lives, profile: Profile) -> Iterator[Receipt]:
    """Yield receipts of records about the customer that a profile is of."""
    space = Space(profile.scope, profile.environment)
    for one in profile.identities:
        if one.identity_type == "customerid":
            yield from its.by_customer.get((space, one.value), ())


def _aged(published: Published) -> Iterator[tuple[str, int, int, Source]]:
    """Yield key, version and instant of each profile that has aged, and the sweep it was."""
    for one in published.by_role.get("changes", ()):
        body = one.body
        what = body["change"], body.get("reason")
        if what == ("profile_erased", "aged_out") or what[0] == "profile_emptied":
            yield (one.key or b"").decode(), body["version"], body["timestamp_ms"], one.source


def _before(resolved: Resolved, key: str, version: int) -> Profile | None:
    """Return the document that a profile had before it ended."""
    found = (p for _, p in resolved.versions.get(key, ()) if p.version == version - 1)
    return next((one for one in found if isinstance(one, Profile)), None)


def _changed(published: Published) -> dict[str, list[int]]:
    """Return when records were received that a document was published for, by profile key.

    Whoever is changed by a record was heard of, also where another one sent it.
    """
    found: dict[str, list[int]] = defaultdict(list)
    outcomes = published.outcomes()
    for one in published.by_role.get("profiles", ()):
        record = published.inputs.get(one.source)
        if record is not None and outcomes.get(one.source, {}).get("outcome") != "swept":
            found[(one.key or b"").decode()].append(record.timestamp_ms)
    return found


def _as_of_ms(published: Published, source: Source) -> int:
    record = published.inputs[source]
    order = read_sweep(record.value)
    return 0 if isinstance(order, str) else min(order.as_of_ms, record.timestamp_ms)


def _swept_as_of(published: Published) -> dict[tuple[str, int], int]:
    """Return how far each shard of each space was swept."""
    done: dict[tuple[str, int], int] = {}
    for source, outcome in published.outcomes().items():
        if outcome["outcome"] != "swept" or source not in published.inputs:
            continue
        order = read_sweep(published.inputs[source].value)
        if not isinstance(order, str) and order.shard is not None:
            line = order.space.name, order.shard
            done[line] = max(done.get(line, 0), _as_of_ms(published, source))
    return done


class _Named(msgspec.Struct):
    customer_id: str | None = None
    customerid: str | None = None


class _Asked(msgspec.Struct):
    request_type: str = ""
    mpid: object = None
    read_only: bool = False
    user_identities: _Named = msgspec.field(default_factory=_Named)
    known_identities: _Named = msgspec.field(default_factory=_Named)

    @property
    def customer(self) -> str | None:
        """The customer whom it names, unless it says by MPID whose it is."""
        if self.mpid is not None:
            return None
        named = self.known_identities if self.request_type else self.user_identities
        return named.customer_id or named.customerid


_decode = msgspec.json.Decoder(_Asked).decode


def _asked(value: bytes) -> _Asked:
    """Return what of a record says whether it is a receipt, and whose."""
    try:
        return _decode(value)
    except msgspec.DecodeError:
        return _Asked()
