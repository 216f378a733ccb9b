"""Who is asked for: from an MPID, an identity or a search to profiles, each in one instant."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct

from processor.codecs.request import read_request
from processor.codecs.resolution import explanation
from processor.identity.decision import Matched, Refused
from processor.identity.grave import Grave
from processor.identity.lookup import reads
from processor.identity.model import Environment, Identifier, IdentityRequest, Space
from processor.identity.normalize import admit
from processor.identity.profile import Profile
from processor.identity.resolve import resolve
from processor.identity.view import ReadSet, Unread, View
from processor.index.port import Ask
from processor.index.sight import Reader
from processor.rules import WorkspaceRules
from processor.serve.refusal import Refusal, bad_request

MOST_HOLDERS: Final = 20
_MOST_READS: Final = 8
_encode = msgspec.json.Encoder().encode


class Found(Struct, frozen=True):
    """One person, as asked for."""

    profile: Profile
    requested_mpid: int
    """Another one where the profile that was asked for was merged into this."""
    seq: int


class Holders(Struct, frozen=True):
    """All who hold an identity, the most recently active first."""

    profiles: tuple[Profile, ...]
    is_truncated: bool
    seq: int


class Searched(Struct, frozen=True):
    """What a search found, and why."""

    profile: Profile | None
    resolution: Mapping[str, object]
    seq: int


async def by_mpid(reader: Reader, space: Space, mpid: int) -> Found | None:
    """Return whom *mpid* leads to."""
    found = await alive_or_not(reader, space, mpid)
    return found if isinstance(found, Found) else None


async def alive_or_not(reader: Reader, space: Space, mpid: int) -> Found | Grave | None:
    """Return whom *mpid* leads to, or the grave of whom it led to."""
    sight = await reader.look(space, [Ask(mpids=(mpid,))])
    profile = survivor(sight.found, mpid)
    if profile is None:
        return sight.found.graves.get(mpid)
    return Found(profile, mpid, sight.seq)


def survivor(found: ReadSet, mpid: int) -> Profile | None:
    """Return the profile that *mpid* leads to, merges followed."""
    profile = found.profiles.get(mpid)
    while profile is not None and profile.merged_into is not None:
        profile = found.profiles.get(profile.merged_into)
    return profile


async def by_identity(reader: Reader, space: Space, identifier: Identifier | None) -> Holders:
    """Return who holds *identifier*; nobody holds None, which is what a blocked value is."""
    asks = [] if identifier is None else [Ask((identifier,))]
    sight = await reader.look(space, asks)
    found = () if identifier is None else holders(sight.found, identifier)
    return Holders(found[:MOST_HOLDERS], len(found) > MOST_HOLDERS, sight.seq)


def holders(found: ReadSet, identifier: Identifier) -> tuple[Profile, ...]:
    """Return the holders of *identifier*, the most recently active first."""
    mpids = found.holders.get(identifier, ())
    profiles = [p for p in (survivor(found, mpid) for mpid in mpids) if p is not None]
    return tuple(sorted(profiles, key=lambda p: (-p.last_seen_ms, p.mpid)))


async def holders_of(reader: Reader, space: Space, wanted: Sequence[Identifier]) -> list[Profile]:
    """Return who holds any of *wanted*, each once, the most recently active first."""
    sight = await reader.look(space, [Ask((one,)) for one in wanted])
    found = {p.mpid: p for one in wanted for p in holders(sight.found, one)}
    return sorted(found.values(), key=lambda p: (-p.last_seen_ms, p.mpid))


def lookup_text(
    workspace: WorkspaceRules, environment: Environment, kind: str, text: str
) -> Identifier | None:
    """Return the identifier that somebody wrote into a form."""
    return lookup_identifier(workspace, environment, kind, Raw(_encode(text)))


def lookup_identifier(
    workspace: WorkspaceRules, environment: Environment, kind: str, value: Raw
) -> Identifier | None:
    """Return the identifier of a lookup; None for a value that nobody can hold.

    Raises Refusal where the type is none, or no lookup of the workspace.
    """
    listed = {kind: value}
    kept, _ = identifiers(workspace, environment, Raw(_encode(listed)))
    name = workspace.keys.request.get(kind)
    if name is None or name not in workspace.policy.priority:
        raise Refusal(400, "NOT_A_LOOKUP", "identity.type: is no lookup of this workspace")
    return kept[0] if kept else None


def identifiers(
    workspace: WorkspaceRules, environment: Environment, listed: Raw
) -> tuple[tuple[Identifier, ...], tuple[tuple[Identifier, str], ...]]:
    """Return the identifiers of a request as the processor takes them, and those it refuses."""
    fields = {
        "request_type": Raw(b'"search"'),
        "environment": Raw(_encode(environment)),
        "known_identities": listed,
    }
    call = read_request(fields, workspace.keys)
    if call.error is not None:
        detail = call.error[2].replace("known_identities", "identities")
        raise bad_request(detail)
    kept, blocked = admit(call.identifiers, workspace.blocklist, workspace.normalizers)
    return kept, (*call.over_limit, *blocked)


async def search(
    reader: Reader, workspace: WorkspaceRules, environment: Environment, listed: Raw
) -> Searched:
    """Return whom an identity request of the type ``search`` would find."""
    kept, refused = identifiers(workspace, environment, listed)
    request = IdentityRequest("search", kept, refused, may_create=False, read_only=True)
    space = Space(workspace.scope, environment)
    names, mpids = reads(request, workspace.policy)
    asks = [Ask(names, mpids)]
    for _ in range(_MOST_READS):
        sight = await reader.look(space, asks)
        view = View(sight.found, lambda kind: kind in workspace.policy.priority, space)
        try:
            decision = resolve(request, view, workspace.policy)
        except Unread as more:
            asks.append(Ask(more.identifiers, more.mpids))
            continue
        if isinstance(decision, Refused):
            raise Refusal(decision.status, decision.code, decision.message)
        mpid = decision.mpid if isinstance(decision, Matched) else None
        profile = None if mpid is None else survivor(sight.found, mpid)
        return Searched(profile, explanation(decision), sight.seq)
    raise bad_request("identities: too many profiles would have to be compared")


async def each(
    reader: Reader, space: Space, wanted: Sequence[int | Identifier | None]
) -> tuple[int, list[Found | None]]:
    """Return in order whom MPIDs lead to and who last used identities, all in one instant."""
    asks = []
    for one in wanted:
        if isinstance(one, int):
            asks.append(Ask(mpids=(one,)))
        elif one is not None:
            asks.append(Ask((one,)))
    sight = await reader.look(space, asks)

    def found(one: int | Identifier | None) -> Found | None:
        if one is None:
            return None
        if isinstance(one, int):
            profile = survivor(sight.found, one)
            return None if profile is None else Found(profile, one, sight.seq)
        its = holders(sight.found, one)
        return Found(its[0], its[0].mpid, sight.seq) if its else None

    return sight.seq, [found(one) for one in wanted]
