"""The published Profile API's form of a profile (docs/serve.md, "The published API")."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from processor.identity.profile import NO_DATA, Profile, WorkspaceData, current_by_type
from processor.identity.types import DEVICE_TYPES, USER_TYPES
from processor.profiles.more import AttributionDocument
from processor.serve.native import Encoding, Rights, attribution_view
from processor.serve.refusal import bad_request

FIELDS: Final = (
    "device_identities",
    "user_identities",
    "user_attributes",
    "audience_memberships",
    "attribution",
)
_SPELLINGS: Final = {
    "other": "other",
    "customerid": "customer_id",
    "facebook": "facebook_id",
    "twitter": "twitter_id",
    "google": "google_id",
    "microsoft": "microsoft_id",
    "yahoo": "yahoo_id",
    "email": "email",
    "facebookcustomaudienceid": "facebook_custom_audience_id",
    **{f"other{n}": f"other{n}" for n in range(2, 11)},
    "ios_idfa": "ios_advertising_id",
    "ios_idfv": "ios_vendor_id",
    "android_aaid": "google_advertising_id",
    "android_uuid": "android_id",
    "amp_id": "amp_id",
    "push_token": "push_notification_token",
    "roku_aid": "roku_advertising_id",
    "roku_publisher_id": "roku_publisher_id",
    "fire_aid": "fire_advertising_id",
    "microsoft_advertising_id": "microsoft_advertising_id",
    "microsoft_publisher_id": "microsoft_publisher_id",
}
_STANDARD: Final = USER_TYPES | DEVICE_TYPES
_encode = msgspec.json.Encoder().encode


class PublishedIdentity(Struct):
    """An identity in the spelling of the Profile API; ``unknown`` where that has none."""

    type: str
    encoding: Encoding
    value: str


class PublishedMembership(Struct):
    """An audience that the person is in."""

    audience_id: int | None
    audience_name: str
    expiration_timestamp_ms: int | None


class PublishedProfile(Struct):
    """A profile; fields that were not asked for are left out."""

    mpid: int | str
    created_timestamp_ms: int
    last_stored_timestamp_ms: int
    is_opted_out: bool | None
    """null: idstream does not keep it."""
    limit_ad_tracking: bool | None
    """Of the device that was seen last; null where that is not known."""
    device_identities: list[PublishedIdentity] | UnsetType = UNSET
    user_identities: list[PublishedIdentity] | UnsetType = UNSET
    account_userattributes: dict[str, str | list[str] | None] | UnsetType | None = UNSET
    user_attributes: dict[str, str | list[str] | None] | UnsetType = UNSET
    audience_memberships: list[PublishedMembership] | UnsetType = UNSET
    attribution: AttributionDocument | UnsetType | None = UNSET


def asked_fields(fields: str | None) -> frozenset[str]:
    """Return the fields that the parameter ``fields`` asks for; it is required."""
    asked = frozenset(filter(None, (fields or "").split(",")))
    if not asked or not asked <= frozenset(FIELDS):
        raise bad_request(f"fields: is required, a comma list of {', '.join(FIELDS)}")
    return asked


def published_profile(
    profile: Profile, rights: Rights, fields: frozenset[str], now_ms: int, *, as_text: bool
) -> PublishedProfile:
    """Return *profile* in the published form at *now_ms*; its MPID is a number unless *as_text*."""
    data = profile.workspaces.get(rights.workspace, NO_DATA)
    body = PublishedProfile(
        mpid=str(profile.mpid) if as_text else profile.mpid,
        created_timestamp_ms=profile.first_seen_ms,
        last_stored_timestamp_ms=profile.last_seen_ms,
        is_opted_out=None,
        limit_ad_tracking=_limits_tracking(data),
    )
    if "device_identities" in fields:
        body.device_identities = _of_devices(profile, data, rights)
    if "user_identities" in fields:
        current = current_by_type(profile.identities).values()
        users = ((i.identity_type, i.value) for i in current)
        body.user_identities = [
            _identity(kind, value, rights) for kind, value in users if kind not in DEVICE_TYPES
        ]
    if "user_attributes" in fields:
        _add_attributes(body, data, rights, rights.calculated(data, profile, now_ms))
    if "audience_memberships" in fields:
        body.audience_memberships = _memberships(data, rights)
    if "attribution" in fields:
        body.attribution = attribution_view(data)
    return body


def _limits_tracking(data: WorkspaceData) -> bool | None:
    last = max(data.devices, key=lambda device: device.last_seen_ms, default=None)
    said = None if last is None else last.info.get("limit_ad_tracking")
    return said if isinstance(said, bool) else None


def _identity(kind: str, value: str, rights: Rights) -> PublishedIdentity:
    # Names that an operator chose are their own spelling.
    spelling = _SPELLINGS.get(kind, "unknown" if kind in _STANDARD else kind)
    return PublishedIdentity(spelling, *rights.encoded(kind, value))


def _of_devices(profile: Profile, data: WorkspaceData, rights: Rights) -> list[PublishedIdentity]:
    own = ((i.identity_type, i.value) for i in profile.identities)
    found = dict.fromkeys(one for one in own if one[0] in DEVICE_TYPES)
    for device in data.devices:
        found |= dict.fromkeys(device.ids.items())
    return [_identity(kind, value, rights) for kind, value in found]


def _add_attributes(
    body: PublishedProfile, data: WorkspaceData, rights: Rights, calculated: Mapping[str, Any]
) -> None:
    """Add attributes; a calculated one owns its name, also where it has no value."""
    own = () if rights.definitions is None else rights.definitions.calculated
    seen = {n: a for n, a in rights.readable(data.attributes).items() if n not in own}
    body.user_attributes = {n: _text(a.value) for n, a in seen.items() if a.source != "account"}
    body.user_attributes |= {name: _text(value) for name, value in calculated.items()}
    body.account_userattributes = {
        n: _text(a.value) for n, a in seen.items() if a.source == "account"
    } or None


def _text(value: Any) -> str | list[str] | None:  # noqa: ANN401 - any JSON value
    """Return a value as the Profile API has it: text, or a list of texts; null stays null."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        return [one if isinstance(one, str) else _encode(one).decode() for one in value]
    return _encode(value).decode()


def _memberships(data: WorkspaceData, rights: Rights) -> list[PublishedMembership]:
    """Return the memberships that enriched batches show too."""
    its = data.more.computed
    audiences = {} if its is None else its.audiences
    return [
        PublishedMembership(None, name, one.expires_ms)
        for name, one in sorted(audiences.items())
        if one.version <= rights.audiences.get(name, -1)
    ]
