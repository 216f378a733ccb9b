"""Snapshots of profiles: one per line as on their topic, in and out of ``idstream resolve``."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec.structs import replace

from processor.commands.terminal.failure import Failure
from processor.identity.choosing.contest import contested_among
from processor.identity.model import IdentityPolicy, Space
from processor.identity.profile import Profile
from processor.identity.types import type_under
from processor.profiles.document import from_json, to_json


def read_snapshot(path: Path, policies: Mapping[str, IdentityPolicy]) -> list[Profile]:
    """Return the profiles of the file at *path*; of several lines of one, the highest version.

    Files written by hand lack what follows from all profiles together, so it is added: which of
    them could tie with another, and which profiles a survivor absorbed.
    """
    latest: dict[tuple[Space, int], Profile] = {}
    for profile in _profiles(path):
        key = Space(profile.scope, profile.environment), profile.mpid
        if key not in latest or latest[key].version <= profile.version:
            latest[key] = _canonical(profile, policies.get(profile.scope))
    spaces: dict[Space, dict[int, Profile]] = {}
    for (space, mpid), profile in latest.items():
        spaces.setdefault(space, {})[mpid] = profile
    return [
        profile
        for space, profiles in spaces.items()
        for profile in _completed(profiles, policies.get(space.scope))
    ]


def write_snapshot(path: Path, profiles: Iterable[Profile]) -> None:
    """Write *profiles* to the file at *path*, merged pointers included."""
    try:
        with path.open("wb") as file:
            file.writelines(to_json(profile) + b"\n" for profile in profiles)
    except OSError as error:
        raise Failure(f"{path}: cannot be written: {error.strerror}") from None


def _profiles(path: Path) -> Iterator[Profile]:
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise Failure(f"{path}: cannot be read: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield from_json(line)
            except ValueError as error:
                raise Failure(f"{path}: line {number}: {error}") from None


def _canonical(profile: Profile, policy: IdentityPolicy | None) -> Profile:
    """Return *profile* with its identity types in their canonical spelling."""
    if policy is None:
        return profile
    identities = tuple(
        replace(i, identity_type=type_under(policy, i.identity_type) or i.identity_type)
        for i in profile.identities
    )
    return replace(profile, identities=identities)


def _completed(profiles: dict[int, Profile], policy: IdentityPolicy | None) -> Iterator[Profile]:
    contested = contested_among(profiles.values(), policy) if policy else frozenset()
    absorbed: dict[int, list[int]] = {}
    for profile in profiles.values():
        survivor = _survivor(profiles, profile)
        if survivor != profile.mpid:
            absorbed.setdefault(survivor, []).append(profile.mpid)
    for mpid, profile in profiles.items():
        ancestry = tuple(dict.fromkeys((*profile.absorbed, *absorbed.get(mpid, ()))))
        yield replace(
            profile,
            contested=profile.contested or mpid in contested,
            merges=max(profile.merges, len(ancestry)),
            absorbed=ancestry,
        )


def _survivor(profiles: Mapping[int, Profile], profile: Profile) -> int:
    seen = {profile.mpid}
    while profile.merged_into is not None:
        if profile.merged_into in seen or profile.merged_into not in profiles:
            space = f"{profile.scope}/{profile.environment}"
            raise Failure(f"a snapshot's profile of {space} is merged into itself or into nobody")
        seen.add(profile.merged_into)
        profile = profiles[profile.merged_into]
    return profile.mpid
