"""``idstream profile``: one profile out of the index, by its MPID or by an identity."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from processor.commands.history import HEAD, changes_of, row
from processor.commands.lifetimes import end_facts, grave_in_words
from processor.commands.options import option_of
from processor.commands.standing import as_text, print_standing, standing_facts
from processor.commands.terminal.console import note, say
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.moments import moment
from processor.commands.terminal.tables import Give, print_table
from processor.identity.model import Identifier, Space
from processor.identity.profile import Attribution, Device, Profile, WorkspaceData
from processor.identity.types import type_under
from processor.index.tokens import tokens
from processor.profiles.document import to_json
from processor.redis.index import RedisIndex, open_index
from processor.rules import WorkspaceRules
from processor.settings import Settings, load

DEVICES: Final = ("device", "value", "first seen", "last seen")
IDENTITIES: Final = ("type", "value", "added", "updated", "input")
_DATES: Final = Give(("added", "updated"))
_MPID: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)


class ProfileQuery(NamedTuple):
    """The arguments of the command line: *key* is an MPID, or an identity as type=value."""

    workspace: str
    environment: str
    key: str


def show(config: Path, environ: Mapping[str, str], query: ProfileQuery) -> None:
    """Print the profile, or every profile that holds the identity, as tables."""
    settings = load(config, environ)
    found = find_profiles(settings, query)
    for profile in found:
        _print(settings, profile)
    option, where = option_of(config), query.workspace
    if query.environment != "production":
        where = f"--environment {query.environment} {where}"
    note(f"How it came about: idstream profile{option} --history {where} {found[0].mpid}")
    note(f"What a record would change: idstream explain{option} --live")


def show_json(config: Path, environ: Mapping[str, str], query: ProfileQuery) -> None:
    """Print the same profiles as JSON, in the form of the ``profiles`` topic, one per line."""
    settings = load(config, environ)
    for profile in find_profiles(settings, query):
        say(to_json(profile).decode())


def show_history(
    config: Path, environ: Mapping[str, str], query: ProfileQuery, *, as_json: bool
) -> None:
    """Print the changes of the profile, or of every profile that holds the identity."""
    settings = load(config, environ)
    found = find_profiles(settings, query)
    changes = changes_of(settings, found)
    if as_json:
        for change in changes:
            say(msgspec.json.encode(change).decode())
        return
    for profile in found:
        _print(settings, profile)
    known = _values_by_token(settings, found)
    rows = [row(change, known) for change in changes]
    print_table("History", HEAD, rows, give=Give(("caused by",), "what"))
    note("Attributes, consent and devices change without a line here.")


def _values_by_token(settings: Settings, found: Sequence[Profile]) -> dict[str, str]:
    token = tokens(settings.key())
    held = (i for one in found for i in one.identities)
    return {token(Identifier(i.identity_type, i.value)).hex(): i.value for i in held}


def find_profiles(settings: Settings, query: ProfileQuery) -> list[Profile]:
    """Return whom a key names, with who absorbed them; Failure where that is nobody."""
    workspace = settings.workspaces.get(query.workspace)
    if workspace is None:
        known = ", ".join(settings.workspaces)
        raise Failure(f"there is no workspace {query.workspace}; the configuration has {known}")
    index = open_index(settings)
    environment = "development" if query.environment == "development" else "production"
    space = Space(workspace.scope, environment)
    try:
        found = list(_profiles(index, space, workspace, query.key))
        is_mpid = not found and _MPID.fullmatch(query.key)
        grave = index.grave(space, int(query.key)) if is_mpid else None
    finally:
        index.close()
    if grave is not None:
        raise Failure(f"the profile {grave.mpid} of {space.name} {grave_in_words(grave)}")
    if not found:
        raise Failure(f"no profile of {space.name} has this key (another --environment?)")
    return found


def _profiles(
    index: RedisIndex, space: Space, workspace: WorkspaceRules, key: str
) -> Iterator[Profile]:
    mpids = (int(key),) if _MPID.fullmatch(key) else _holders(index, space, workspace, key)
    for mpid in mpids:
        profile = index.profile(space, mpid)
        if profile is not None:
            yield profile
        while profile is not None and profile.merged_into is not None:
            profile = index.profile(space, profile.merged_into)
            if profile is not None:
                yield profile


def _holders(
    index: RedisIndex, space: Space, workspace: WorkspaceRules, key: str
) -> tuple[int, ...]:
    name, equals, value = key.partition("=")
    identity_type = type_under(workspace.policy, name)
    if not equals or not value:
        raise Failure("name an MPID, or an identity as type=value, such as email=ada@example.com")
    if identity_type is None:
        raise Failure(f"{name} is no identity type")
    if identity_type not in workspace.policy.priority:
        raise Failure(f"{identity_type} is not in the priority of {workspace.name}: not a lookup")
    identifier = workspace.normalizers.apply(Identifier(identity_type, value))
    return index.holders(space, identifier)


def _print(settings: Settings, profile: Profile) -> None:
    facts: list[tuple[str, ...]] = [
        ("mpid", str(profile.mpid)),
        ("space", f"{profile.scope}/{profile.environment}"),
        ("version", str(profile.version)),
    ]
    if profile.more.first_seen_ms is not None:
        facts.append(("first seen", f"{moment(profile.more.first_seen_ms)} (by an alias)"))
    facts += [
        ("created", moment(profile.created_ms)),
        ("last seen", moment(profile.last_seen_ms)),
    ]
    facts += standing_facts(profile)
    facts += end_facts(settings, profile)
    if profile.source_mpid is not None:
        facts.append(("arose from", str(profile.source_mpid)))
    if profile.merged_into is not None:
        facts.append(("merged into", str(profile.merged_into)))
    elif not profile.identities:
        facts.append(("orphaned", "no identity leads here"))
    print_table("Profile (times are in UTC)", ("", ""), facts)
    identities = [
        (i.identity_type, i.value, moment(i.added_ms), moment(i.updated_ms), i.input)
        for i in profile.identities
    ]
    if identities:
        print_table("Identities", IDENTITIES, identities, give=_DATES)
    aliases = [
        (a.role, str(a.mpid), moment(a.start_ms), moment(a.end_ms), a.scope, a.device or "")
        for a in profile.more.aliases
    ]
    if aliases:
        head = ("role", "other mpid", "from", "until", "scope", "device")
        print_table("Aliases", head, aliases)
    for name, data in profile.workspaces.items():
        _print_data(name, data)


def _print_data(workspace: str, data: WorkspaceData) -> None:
    attributes = [
        (key, as_text(a.value), a.source, a.input, moment(a.updated_ms))
        for key, a in sorted(data.attributes.items())
    ]
    if attributes:
        head = ("attribute", "value", "source", "input", "updated")
        print_table(f"Attributes in {workspace}", head, attributes, give=_DATES)
    print_standing(workspace, data)
    if data.more.attribution is not None:
        _print_attribution(workspace, data.more.attribution)
    consent = [
        (regulation, purpose, as_text(state))
        for regulation, purposes in data.consent_state.items()
        for purpose, state in purposes.items()
    ]
    if consent:
        print_table(f"Consent in {workspace}", ("regulation", "purpose", "state"), consent)
    devices = [row for device in data.devices for row in _device(device)]
    if devices:
        print_table(f"Devices in {workspace}", DEVICES, devices, give=Give(DEVICES[2:]))


def _device(device: Device) -> Iterator[tuple[str, ...]]:
    """Yield a row for each id and fact of *device*, the first with its times, others indented."""
    times = moment(device.first_seen_ms), moment(device.last_seen_ms)
    facts = [*device.ids.items(), *((name, as_text(value)) for name, value in device.info.items())]
    for number, (name, value) in enumerate(facts):
        yield (f"  {name}", value, "", "") if number else (name, value, *times)


def _print_attribution(workspace: str, its: Attribution) -> None:
    said = tuple(one or "" for one in (its.publisher, its.campaign, its.service_provider))
    head = ("publisher", "campaign", "service provider", "time")
    print_table(f"Attribution in {workspace}", head, [(*said, moment(its.time_ms))])
