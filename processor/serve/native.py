"""Our own form of a profile: what one workspace knows, cut to what the caller may see."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, Final, Literal, TypeVar

from msgspec import UNSET, Struct, UnsetType

from processor.computed.definition import Definitions
from processor.computed.workspace import values_at
from processor.identity.model import AliasRole, AliasScope, Identifier, IdentityPolicy
from processor.identity.profile import (
    NO_DATA,
    Alias,
    Device,
    Identity,
    Profile,
    WorkspaceData,
    current_by_type,
)
from processor.profiles.more import AttributionDocument
from processor.serve.credentials import Token
from processor.serve.refusal import bad_request

PARTS: Final = (
    "identities",
    "attributes",
    "calculated",
    "audiences",
    "consent",
    "devices",
    "aliases",
    "partner_identities",
    "attribution",
    "links",
)
_ATTRIBUTE: Final = "attributes."
_SAID: Final = ("consented", "timestamp_unixtime_ms", "document")
"""What of an answer about consent identifies nobody."""
Encoding = Literal["none", "token"]
ToToken = Callable[[Identifier], bytes]
_Value = TypeVar("_Value")


class IdentityView(Struct):
    """An identity; under the encoding ``token`` its value is that of the changes topic."""

    identity_type: str
    encoding: Encoding
    value: str
    added_ms: int
    updated_ms: int
    input: str
    is_current: bool
    """It is the one of its type that was asserted last."""
    is_lookup: bool
    is_login: bool
    is_unique: bool


class AttributeView(Struct):
    """An attribute, and who wrote it."""

    value: Any
    source: str
    input: str
    updated_ms: int


class DeviceIdView(Struct):
    """One id of a device."""

    identity_type: str
    encoding: Encoding
    value: str


class DeviceView(Struct):
    """A device of the person."""

    ids: list[DeviceIdView]
    first_seen_ms: int
    last_seen_ms: int
    info: dict[str, Any]


class AliasView(Struct):
    """An alias; its device stamp is clear or a token, like any identity."""

    role: AliasRole
    mpid: str
    start_ms: int
    end_ms: int
    scope: AliasScope
    device: DeviceIdView | None


class PartnerView(Struct):
    """An identifier that only a partner understands; clear or a token, like any identity."""

    encoding: Encoding
    value: str
    updated_ms: int
    input: str


class MembershipView(Struct):
    """That the person is in an audience."""

    version: int
    entered_ms: int
    expires_ms: int | None


class LinksView(Struct):
    """Where the profile came from: the anonymous one before it, and those it absorbed."""

    source_mpid: str | None
    absorbed: list[str]


class ProfileView(Struct):
    """A profile; parts that were not asked for are left out."""

    workspace: str
    environment: str
    mpid: str
    version: int
    created_ms: int
    first_seen_ms: int
    last_seen_ms: int
    is_known: bool
    """It has a login ID."""
    is_orphaned: bool
    """No identity leads to it any more."""
    requested_mpid: str | UnsetType = UNSET
    """There where another MPID was asked for, which was merged into this one."""
    merged: bool | UnsetType = UNSET
    identities: list[IdentityView] | UnsetType = UNSET
    attributes: dict[str, AttributeView] | UnsetType = UNSET
    calculated: dict[str, Any] | UnsetType = UNSET
    """Values at the instant of the request."""
    calculated_fresh_until_ms: int | UnsetType | None = UNSET
    """Until when those of the last write held; null where time alone changes none."""
    audiences: dict[str, MembershipView] | UnsetType = UNSET
    consent: dict[str, Any] | UnsetType = UNSET
    devices: list[DeviceView] | UnsetType = UNSET
    aliases: list[AliasView] | UnsetType = UNSET
    partner_identities: dict[str, PartnerView] | UnsetType = UNSET
    attribution: AttributionDocument | UnsetType | None = UNSET
    links: LinksView | UnsetType = UNSET


class Rights(Struct, frozen=True, dict=True):
    """Who looks, from where, and at what."""

    workspace: str
    policy: IdentityPolicy
    token: Token
    to_token: ToToken
    parts: frozenset[str] = frozenset(PARTS)
    names: frozenset[str] = frozenset()
    """Single attributes that are asked for; with none, all of them."""
    audiences: Mapping[str, int] = {}
    """Published ones, with the version as which they are configured."""
    definitions: Definitions | None = None
    """Of what the workspace computes."""

    @cached_property
    def is_clear(self) -> bool:
        """Whether values of identities are shown."""
        return self.token.may("identities:clear")

    def encoded(self, kind: str, value: str) -> tuple[Encoding, str]:
        """Return how a value of an identity is shown, and as what."""
        if self.is_clear:
            return "none", value
        return "token", self.to_token(Identifier(kind, value)).hex()

    @property
    def is_timeless(self) -> bool:
        """Whether time alone changes nothing of what is shown of attributes."""
        return self.definitions is None or not self.definitions.windowed

    def calculated(self, data: WorkspaceData, profile: Profile, now_ms: int) -> Mapping[str, Any]:
        """Return the calculated attributes at *now_ms*, as a batch of then would show them."""
        its = data.more.computed
        if its is None:
            return {}
        if self.definitions is None:
            return self.readable(its.calculated)
        at_ms = max(now_ms, profile.more.clock_ms)
        return self.readable(values_at(self.definitions, its, at_ms))

    def readable(self, attributes: Mapping[str, _Value]) -> Mapping[str, _Value]:
        """Return those of *attributes* that may be read."""
        if self.token.reads_all:
            return attributes
        return {name: one for name, one in attributes.items() if self.token.may_read(name)}


def asked_parts(fields: str | None) -> tuple[frozenset[str], frozenset[str]]:
    """Return the parts and single attributes that the parameter ``fields`` asks for."""
    if fields is None:
        return frozenset(PARTS), frozenset()
    parts, names = set[str](), set[str]()
    for word in filter(None, fields.split(",")):
        if word in PARTS:
            parts.add(word)
        elif word.startswith(_ATTRIBUTE) and len(word) > len(_ATTRIBUTE):
            names.add(word.removeprefix(_ATTRIBUTE))
        else:
            raise bad_request(f"fields: takes {', '.join(PARTS)} and attributes.NAME")
    if "attributes" in parts:
        names.clear()
    elif names:
        parts.add("attributes")
    return frozenset(parts), frozenset(names)


def profile_view(profile: Profile, requested_mpid: int, rights: Rights, now_ms: int) -> ProfileView:
    """Return *profile* as the bearer of *rights* may see it at *now_ms*."""
    logins = rights.policy.login_ids
    view = ProfileView(
        rights.workspace,
        profile.environment,
        str(profile.mpid),
        profile.version,
        profile.created_ms,
        profile.first_seen_ms,
        profile.last_seen_ms,
        is_known=not logins.isdisjoint([one.identity_type for one in profile.identities]),
        is_orphaned=not profile.identities,
    )
    if requested_mpid != profile.mpid:
        view.requested_mpid, view.merged = str(requested_mpid), True
    data = profile.workspaces.get(rights.workspace, NO_DATA)
    for part in rights.parts & _ADD.keys():
        _ADD[part](view, profile, data, rights)
    its = data.more.computed
    if "calculated" in rights.parts and its is not None:
        view.calculated = dict(rights.calculated(data, profile, now_ms))
        view.calculated_fresh_until_ms = its.fresh_until_ms
    return view


def identity_views(profile: Profile, rights: Rights) -> list[IdentityView]:
    """Return the identities of *profile*, in the order in which it got them."""
    current = set(map(id, current_by_type(profile.identities).values()))
    return [_identity(one, id(one) in current, rights) for one in profile.identities]


def _identity(one: Identity, is_current: bool, rights: Rights) -> IdentityView:  # noqa: FBT001 - a fact that is passed on
    kind, policy = one.identity_type, rights.policy
    encoding, value = rights.encoded(kind, one.value)
    return IdentityView(
        kind,
        encoding,
        value,
        one.added_ms,
        one.updated_ms,
        one.input,
        is_current=is_current,
        is_lookup=kind in policy.priority,
        is_login=kind in policy.login_ids,
        is_unique=kind in policy.unique_ids,
    )


def device_views(devices: Iterable[Device], rights: Rights) -> list[DeviceView]:
    """Return devices, the one that was seen last first."""
    ordered = sorted(devices, key=lambda device: -device.last_seen_ms)
    return [
        DeviceView(
            [DeviceIdView(kind, *rights.encoded(kind, value)) for kind, value in one.ids.items()],
            one.first_seen_ms,
            one.last_seen_ms,
            one.info if rights.is_clear else {},
        )
        for one in ordered
    ]


def attribution_view(data: WorkspaceData) -> AttributionDocument | None:
    """Return where the install came from."""
    its = data.more.attribution
    if its is None:
        return None
    return AttributionDocument(its.publisher, its.campaign, its.service_provider, its.time_ms)


def _alias(one: Alias, rights: Rights) -> AliasView:
    kind = "device_application_stamp"
    device = None if one.device is None else DeviceIdView(kind, *rights.encoded(kind, one.device))
    return AliasView(one.role, str(one.mpid), one.start_ms, one.end_ms, one.scope, device)


def _identities(view: ProfileView, profile: Profile, _: WorkspaceData, rights: Rights) -> None:
    view.identities = identity_views(profile, rights)


def _attributes(view: ProfileView, _: Profile, data: WorkspaceData, rights: Rights) -> None:
    view.attributes = {
        name: AttributeView(a.value, a.source, a.input, a.updated_ms)
        for name, a in rights.readable(data.attributes).items()
        if not rights.names or name in rights.names
    }


def _audiences(view: ProfileView, _: Profile, data: WorkspaceData, rights: Rights) -> None:
    del rights
    its = data.more.computed
    if its is not None:
        view.audiences = {
            name: MembershipView(one.version, one.entered_ms, one.expires_ms)
            for name, one in its.audiences.items()
        }


def _consent(view: ProfileView, _: Profile, data: WorkspaceData, rights: Rights) -> None:
    view.consent = data.consent_state if rights.is_clear else _said(data.consent_state)


def _said(consent: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Return *consent* without what else was sent with it: the device's id, where it was given."""
    return {
        regulation: {
            purpose: {name: one for name, one in entry.items() if name in _SAID}
            for purpose, entry in purposes.items()
        }
        for regulation, purposes in consent.items()
    }


def _devices(view: ProfileView, _: Profile, data: WorkspaceData, rights: Rights) -> None:
    view.devices = device_views(data.devices, rights)


def _aliases(view: ProfileView, profile: Profile, _: WorkspaceData, rights: Rights) -> None:
    view.aliases = [_alias(one, rights) for one in profile.more.aliases]


def _partners(view: ProfileView, _: Profile, data: WorkspaceData, rights: Rights) -> None:
    view.partner_identities = {
        name: PartnerView(*rights.encoded(name, one.value), one.updated_ms, one.input)
        for name, one in data.more.partner_identities.items()
    }


def _attribution(view: ProfileView, _: Profile, data: WorkspaceData, rights: Rights) -> None:
    del rights
    view.attribution = attribution_view(data)


def _links(view: ProfileView, profile: Profile, _: WorkspaceData, rights: Rights) -> None:
    del rights
    source = None if profile.source_mpid is None else str(profile.source_mpid)
    view.links = LinksView(source, [str(mpid) for mpid in profile.absorbed])


_ADD: Final[dict[str, Callable[[ProfileView, Profile, WorkspaceData, Rights], None]]] = {
    "identities": _identities,
    "attributes": _attributes,
    "audiences": _audiences,
    "consent": _consent,
    "devices": _devices,
    "aliases": _aliases,
    "partner_identities": _partners,
    "attribution": _attribution,
    "links": _links,
}
