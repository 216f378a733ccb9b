"""A small index in a dict, read and committed as the pipeline does it, for tests of the core."""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from processor.identity.decision import Decision
from processor.identity.lookup import reads
from processor.identity.model import (
    Identifier,
    IdentifierLimit,
    IdentityChange,
    IdentityPolicy,
    IdentityRequest,
    Space,
)
from processor.identity.profile import Identity, Profile
from processor.identity.resolve import resolve
from processor.identity.strategies import STRATEGIES
from processor.identity.view import Edit, ReadSet, Unread, View

SPACE = Space("retail", "production")
START_MS = 1_767_225_600_000


def identifiers(**known: str | list[str]) -> tuple[Identifier, ...]:
    return tuple(
        Identifier(kind, value)
        for kind, values in known.items()
        for value in (values if isinstance(values, list) else [values])
    )


class Step(Struct):
    decision: Decision
    edits: tuple[Edit, ...]


class World:
    """Profiles of one space under one policy. Each request is a minute later, unless told."""

    def __init__(self, policy: IdentityPolicy) -> None:
        self.policy = policy
        self.profiles: dict[int, Profile] = {}
        self.time_ms = START_MS
        self.number = 10_000
        self.rereads = 0

    # -------------------------------------------------------------------------------- making

    def given(self, mpid: int, *, contested: bool = False, **known: str | list[str]) -> int:
        self.time_ms += 1
        at = self.time_ms
        self.profiles[mpid] = Profile(
            *SPACE,
            mpid=mpid,
            version=1,
            created_ms=at,
            last_seen_ms=at,
            contested=contested,
            identities=tuple(
                Identity(i.identity_type, i.value, at, at, "default") for i in identifiers(**known)
            ),
        )
        return mpid

    def request(self, action: str, known: Iterable[Identifier] = (), **rest) -> IdentityRequest:
        self.number += 1
        at_ms = rest.pop("at_ms", None)
        if at_ms is None:
            self.time_ms += 60_000
            at_ms = self.time_ms
        return IdentityRequest(
            action=action,
            identifiers=tuple(known),
            time_ms=at_ms,
            seed=(self.number,),
            **rest,
        )

    # -------------------------------------------------------------------------------- asking

    def ask(self, request: IdentityRequest) -> Step:
        """Decide one request over a view of its own, and commit."""
        return self.fold([request])[0]

    def fold(self, requests: Iterable[IdentityRequest]) -> list[Step]:
        """Decide *requests* over one view and commit; read more as often as the view asks."""
        requests = list(requests)
        wanted, mpids = set(), set()
        for request in requests:
            asked, named = reads(request, self.policy)
            wanted |= set(asked)
            mpids |= set(named)
        while True:
            read, is_lookup = self.read(wanted, mpids), self.policy.priority.__contains__
            view = View(read, is_lookup, SPACE, one_owner=self.policy.traits.has_one_owner)
            try:
                steps = [Step(resolve(r, view, self.policy), view.end_record()) for r in requests]
            except Unread as unread:
                wanted |= set(unread.identifiers)
                mpids |= set(unread.mpids)
                self.rereads += 1
                continue
            self._commit(view)
            return steps

    def read(self, wanted: Iterable[Identifier], mpids: Iterable[int]) -> ReadSet:
        holders = {identifier: self.holders(identifier) for identifier in wanted}
        named = {m for h in holders.values() for m in h} | set(mpids)
        documents = {mpid: self.profiles.get(mpid) for mpid in named}
        for document in list(documents.values()):
            survivor = document and document.merged_into
            while survivor is not None:
                documents[survivor] = self.profiles[survivor]
                survivor = self.profiles[survivor].merged_into
        return ReadSet(holders, documents)

    def _commit(self, view: View) -> None:
        effects = view.effects()
        if effects is None:
            return
        for identifier, expected in effects.expected_holders.items():
            assert set(expected) == set(self.holders(identifier))
        for mpid, version in effects.expected_versions.items():
            assert version == (self.profiles[mpid].version if mpid in self.profiles else 0)
        self.profiles.update(effects.profiles)
        for identifier, now in effects.holders.items():
            assert set(now) == set(self.holders(identifier))  # the exact inverse of the documents
            assert len(set(now)) == len(now)

    def holders(self, identifier: Identifier) -> tuple[int, ...]:
        return tuple(
            mpid
            for mpid, profile in self.profiles.items()
            if profile.merged_into is None
            and identifier.identity_type in self.policy.priority
            and any((i.identity_type, i.value) == identifier for i in profile.identities)
        )

    # ------------------------------------------------------------------------------ shortcuts

    def call(self, action: str, previous: int | None = None, **known) -> Decision:
        rest = {}
        for name in ("read_only", "may_create", "mpid", "at_ms", "refused"):
            if name in known:
                rest[name] = known.pop(name)
        request = self.request(action, identifiers(**known), previous_mpid=previous, **rest)
        return self.ask(request).decision

    def identify(self, previous: int | None = None, **known) -> Decision:
        return self.call("identify", previous, **known)

    def login(self, previous: int | None = None, **known) -> Decision:
        return self.call("login", previous, **known)

    def logout(self, previous: int | None = None, **known) -> Decision:
        return self.call("logout", previous, **known)

    def search(self, **known) -> Decision:
        return self.call("search", **known)

    def batch(self, mpid: int | None = None, **known) -> Decision:
        return self.call("batch", mpid=mpid, **known)

    def modify(self, mpid: int | None, *changes, **rest) -> Decision:
        request = self.request(
            "modify", mpid=mpid, changes=tuple(IdentityChange(*c) for c in changes), **rest
        )
        return self.ask(request).decision

    def values(self, mpid: int) -> dict[str, str | list[str]]:
        """Return the profile's identities as a case file writes them."""
        found: dict[str, list[str]] = {}
        for identity in self.profiles[mpid].identities:
            found.setdefault(identity.identity_type, []).append(identity.value)
        return {t: v[0] if len(v) == 1 else sorted(v) for t, v in found.items()}


def policy(strategy: str, **changes) -> IdentityPolicy:
    """Return the policy that the published examples of *strategy* use."""
    return replace(_POLICIES[strategy], **changes)


_SPLIT = {
    "priority": ("customerid", "email", "ios_idfv", "roku_aid"),
    "login_ids": frozenset({"customerid", "email"}),
    "unique_ids": frozenset({"customerid", "email"}),
}
_POLICIES = {
    "default": IdentityPolicy(
        strategy="default",
        priority=("customerid", "email", "ios_idfv", "device_application_stamp"),
        login_ids=frozenset({"customerid"}),
        unique_ids=frozenset({"customerid"}),
        immutable_ids=frozenset({"customerid"}),
    ),
    "profile_conversion": IdentityPolicy(strategy="profile_conversion", **_SPLIT),
    "profile_link": IdentityPolicy(strategy="profile_link", **_SPLIT),
    "profile_isolation": IdentityPolicy(strategy="profile_isolation", **_SPLIT),
    "flat_matching": IdentityPolicy(
        strategy="flat_matching",
        traits=STRATEGIES["flat_matching"].traits,
        priority=("user_id", "email", "anonymous_id"),
        login_ids=frozenset({"user_id"}),
        unique_ids=frozenset({"user_id", "email", "anonymous_id"}),
        limits={
            "user_id": IdentifierLimit(1),
            "email": IdentifierLimit(5),
            "anonymous_id": IdentifierLimit(5),
        },
    ),
    "best_match": IdentityPolicy(
        strategy="best_match", priority=("email", "ios_idfv", "android_uuid")
    ),
}
