"""Identity types and every spelling that records have of them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from processor.identity.model import IdentityPolicy


class IdentityKeys(Struct, frozen=True):
    """Which keys name an identity in a workspace's records, and the canonical type of each."""

    request: Mapping[str, str]
    """Keys of ``known_identities`` and ``identity_changes[].identity_type``."""
    batch: Mapping[str, str]
    """Keys of ``user_identities``: user identities only, device ids have places of their own."""
    is_literal: bool
    """Whether only configured names count: others are ignored, and one may have a list of values.
    """
    places: Mapping[str, tuple[tuple[str, ...], ...]] = {}
    """Where Segment's calls hold each identifier: paths of field names, from the outermost in."""


class Preset(Struct, frozen=True):
    """A published default configuration (docs/strategies.md, "default")."""

    priority: tuple[str, ...]
    login_ids: frozenset[str]
    unique_ids: frozenset[str]
    immutable_ids: frozenset[str]


class _Spelling(Struct, frozen=True):
    """An identity type's names: ours (the identity API's), the batch's, and all others."""

    canonical: str
    batch: str = ""
    others: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(n for n in (self.canonical, self.batch, *self.others) if n))


_USER: Final = (
    _Spelling("other", others=("email_sha256",)),
    _Spelling("customerid", "customer_id"),
    _Spelling("facebook", others=("facebook_id",)),
    _Spelling("twitter", others=("twitter_id",)),
    _Spelling("google", others=("google_id",)),
    _Spelling("microsoft", others=("microsoft_id",)),
    _Spelling("yahoo", others=("yahoo_id",)),
    _Spelling("email"),
    _Spelling("alias"),
    _Spelling("facebookcustomaudienceid", "facebook_custom_audience_id"),
    _Spelling("other2", "other_id_2", ("mobile_sha256",)),
    *(_Spelling(f"other{n}", f"other_id_{n}") for n in range(3, 11)),
    _Spelling("mobile_number"),
    _Spelling("phone_number_2"),
    _Spelling("phone_number_3"),
)

_DEVICE: Final = (
    _Spelling("ios_idfa", "ios_advertising_id"),
    _Spelling("ios_idfv", others=("ios_vendor_id",)),
    _Spelling("android_aaid", "android_advertising_id", ("google_advertising_id",)),
    _Spelling("android_uuid", others=("android_id",)),
    _Spelling("amp_id"),
    _Spelling("push_token", others=("push_notification_token",)),
    _Spelling("roku_aid", "roku_advertising_id"),
    _Spelling("roku_publisher_id"),
    _Spelling("fire_aid", "fire_advertising_id"),
    _Spelling("microsoft_advertising_id"),
    _Spelling("microsoft_publisher_id"),
    _Spelling("device_application_stamp"),
)

_BATCH_ONLY: Final = frozenset({"microsoft_advertising_id", "microsoft_publisher_id"})
"""Device ids without an identity-API key: refused in ``known_identities``."""

MP_DEVICEID_TYPE: Final = "device_application_stamp"
"""The type of a batch's top-level ``mp_deviceid``."""

USER_TYPES: Final = frozenset(s.canonical for s in _USER)
DEVICE_TYPES: Final = frozenset(s.canonical for s in _DEVICE)

DEVICE_INFO_KEYS: Final[Mapping[str, str]] = MappingProxyType(
    {s.batch or s.canonical: s.canonical for s in _DEVICE if s.canonical != MP_DEVICEID_TYPE}
)
"""Keys of ``device_info`` that are identifiers, and their canonical types."""


def _by_name(spellings: tuple[_Spelling, ...]) -> dict[str, str]:
    return {name: spelling.canonical for spelling in spellings for name in spelling.names()}


_USER_NAMES: Final = _by_name(_USER)
_ALL_NAMES: Final = {**_by_name(_DEVICE), **_USER_NAMES}
_BATCH_NAMES: Final = {s.canonical: s.batch or s.canonical for s in (*_USER, *_DEVICE)}

STANDARD_KEYS: Final = IdentityKeys(
    request=MappingProxyType({k: t for k, t in _ALL_NAMES.items() if t not in _BATCH_ONLY}),
    batch=_USER_NAMES,
    is_literal=False,
)
"""The keys where types are not literal: any known spelling is accepted anywhere."""


NAMES: Final = tuple(_ALL_NAMES)
"""Every spelling of every type."""


def canonical_type(name: str) -> str | None:
    """Return the canonical type that *name* is a spelling of, or None."""
    return _ALL_NAMES.get(name)


def type_under(policy: IdentityPolicy, name: str) -> str | None:
    """Return the type that *name* spells under *policy*, or None."""
    return name if policy.traits.is_literal else canonical_type(name)


_SUBJECT_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **_ALL_NAMES,
        "controller_customer_id": "customerid",
        "roku_publishing_id": "roku_publisher_id",
    }
)
"""Every spelling, and those that only requests under privacy law have."""


def subject_type(policy: IdentityPolicy, name: str) -> str | None:
    """Return the type that *name* spells in a request under privacy law, or None.

    Where types are literal, their names come first; a known spelling then stands for the type of
    that name, if there is one.
    """
    if policy.traits.is_literal and name in policy.priority:
        return name
    kind = _SUBJECT_NAMES.get(name)
    return None if policy.traits.is_literal and kind not in policy.priority else kind


def spellings(identity_type: str) -> tuple[str, ...]:
    """Return every name that a field with a value of *identity_type* may have, itself included."""
    names = [name for name, kind in _SUBJECT_NAMES.items() if kind == identity_type]
    own = ("mp_deviceid",) if identity_type == MP_DEVICEID_TYPE else ()
    return (identity_type, *names, *own)


def batch_spelling(identity_type: str) -> str:
    """Return how an outgoing batch's ``user_identities`` spells a canonical type."""
    return _BATCH_NAMES.get(identity_type, identity_type)


_CUSTOMER_ID: Final = frozenset({"customerid"})

PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "default": Preset(
            priority=(
                "customerid",
                "email",
                "ios_idfa",
                "ios_idfv",
                "android_aaid",
                "android_uuid",
                "amp_id",
                "device_application_stamp",
            ),
            login_ids=_CUSTOMER_ID,
            unique_ids=_CUSTOMER_ID,
            immutable_ids=_CUSTOMER_ID,
        ),
        "default_2023": Preset(
            priority=(
                "customerid",
                "mobile_number",
                "email",
                "other",
                "facebook",
                "google",
                "twitter",
                "microsoft",
                "yahoo",
                "ios_idfa",
                "ios_idfv",
                "android_aaid",
                "android_uuid",
                "roku_aid",
                "roku_publisher_id",
                "microsoft_publisher_id",
                "microsoft_advertising_id",
                "device_application_stamp",
            ),
            login_ids=_CUSTOMER_ID,
            unique_ids=_CUSTOMER_ID,
            immutable_ids=frozenset(),
        ),
    }
)
"""The default configuration as the newer and as the October 2023 page give it."""
