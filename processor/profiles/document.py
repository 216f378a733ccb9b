"""Documents, the written forms of a profile: bytes for the index, JSON for the topic.

The form in the index begins with a header of fixed width, so that a script can read version and
merge pointer without understanding the rest: format (1 byte), version (8 bytes, big endian), merged
flag (1 byte), merged_into (8 bytes, two's complement, big endian, zeros where not merged), then
msgpack: the fields of the profile as an array, its ``more`` at the end. An empty ``more``, of the
profile or of a workspace, is left out, so that documents without it are what they always were. In
JSON the fields of ``more`` stand among the others, where they are set (``profiles.more``).

The merged flag is 0 or 1. Of a grave it is 2, and behind the header stand time and seq (8 bytes
each) and one byte why; on the topic it is a tombstone.
"""

import re
import struct
from typing import Any, get_args

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import astuple

from processor.identity.grave import Grave, Why
from processor.identity.model import Environment
from processor.identity.profile import (
    NO_MORE,
    NO_WORKSPACE_MORE,
    Attribute,
    Device,
    Identity,
    Profile,
    WorkspaceData,
)
from processor.profiles.more import (
    AliasDocument,
    AttributionDocument,
    ComputedDocument,
    PartnerDocument,
    more_document,
    read_more,
    read_workspace_more,
)
from processor.profiles.sections import Section, made
from processor.rules import Source

FORMAT = 1

_HEADER = struct.Struct(">BQBq")
_BODY_AT = _HEADER.size
_GRAVE = 2
_BURIAL = struct.Struct(">qQB")
_WHYS: tuple[Why, ...] = get_args(Why)
_WORKSPACES = Profile.__struct_fields__.index("workspaces")
_INT64 = range(-(2**63), 2**63)
_MPID = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_SOURCES = frozenset(get_args(Source))
_ENVIRONMENTS = frozenset(get_args(Environment))


class _Identity(Struct):
    identity_type: str
    value: str
    added_ms: int | UnsetType = UNSET
    updated_ms: int | UnsetType = UNSET
    input: str = "default"


class _Attribute(Struct):
    value: Any
    source: str = "sdk"
    input: str = "default"
    updated_ms: int | UnsetType = UNSET


class _Device(Struct):
    ids: dict[str, str] = {}
    first_seen_ms: int | UnsetType = UNSET
    last_seen_ms: int | UnsetType = UNSET
    info: dict[str, Any] = {}


class _Workspace(Struct):
    attributes: dict[str, _Attribute] = {}
    consent_state: dict[str, dict[str, dict[str, Any]]] = {}
    devices: list[_Device] = []
    attribution: AttributionDocument | UnsetType | None = UNSET
    computed: ComputedDocument | UnsetType | None = UNSET
    partner_identities: dict[str, PartnerDocument] | UnsetType | None = UNSET


class _Document(Struct):
    """The profile as published; optional fields may be left out of hand-written snapshots."""

    scope: str
    environment: str
    mpid: str | int
    format: int = FORMAT
    version: int = 1
    created_ms: int = 0
    last_seen_ms: int | UnsetType = UNSET
    source_mpid: str | int | None = None
    merged_into: str | int | None = None
    is_orphaned: bool = False
    contested: bool | UnsetType = UNSET
    merges: int | UnsetType = UNSET
    absorbed: list[str | int] | UnsetType = UNSET
    identities: list[_Identity] | UnsetType = UNSET
    workspaces: dict[str, _Workspace] | UnsetType = UNSET
    first_seen_ms: int | UnsetType | None = UNSET
    aliases: list[AliasDocument] | UnsetType | None = UNSET
    clock_ms: int | UnsetType | None = UNSET
    due_ms: int | UnsetType | None = UNSET
    bucket: str | UnsetType | None = UNSET
    stamp: str | UnsetType | None = UNSET
    former: tuple[str, ...] | UnsetType | None = UNSET
    stored_ms: int | UnsetType | None = UNSET
    emptied_ms: int | UnsetType | None = UNSET


_pack_body = msgspec.msgpack.Encoder().encode
_unpack_body = msgspec.msgpack.Decoder(Profile).decode
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Document).decode


def profile_key(scope: str, environment: str, mpid: int) -> bytes:
    """Return the key of a profile on every topic (docs/messages.md, "Topics")."""
    return f"{scope}/{environment}/{mpid}".encode()


def pack(profile: Profile) -> bytes:
    """Return *profile* as the index stores it."""
    merged = profile.merged_into
    header = _HEADER.pack(FORMAT, profile.version, merged is not None, merged or 0)
    return header + _pack_body(_fields(profile))


def packed_bytes(profile: Profile) -> int:
    """Return how many bytes *profile* takes in the index, or a few more. Quicker than to pack."""
    return _BODY_AT + len(_pack_body(profile))


def _fields(profile: Profile) -> list[Any]:
    """Return the fields of a profile as they are stored: without a ``more`` that is empty."""
    fields = list(astuple(profile))
    fields[_WORKSPACES] = {
        name: data if _has_more(data) else astuple(data)[:-1]
        for name, data in profile.workspaces.items()
    }
    if profile.more is NO_MORE or profile.more == NO_MORE:
        del fields[-1]
    return fields


def _has_more(data: WorkspaceData) -> bool:
    return data.more is not NO_WORKSPACE_MORE and data.more != NO_WORKSPACE_MORE


def unpack(data: bytes) -> Profile:
    """Return the profile that :func:`pack` wrote; ValueError if *data* is of another format."""
    if len(data) < _BODY_AT or data[0] != FORMAT:
        raise ValueError("this profile document has a format that this release does not know")
    try:
        return _unpack_body(memoryview(data)[_BODY_AT:])
    except msgspec.DecodeError as error:
        raise ValueError("this profile document is damaged") from error


def is_grave(data: bytes) -> bool:
    """Whether what the index stores under an MPID is a grave, and no document."""
    return data[9:10] == b"\x02"


def is_case(data: bytes) -> bool:
    """Whether what the index stores under a number is a case (``privacy.case``)."""
    return data[9:10] == b"\x03"


def version_of(data: bytes) -> int:
    """Return the version of what the index stores."""
    return int.from_bytes(data[1:9], "big")


def pack_grave(grave: Grave) -> bytes:
    """Return *grave* as the index stores it."""
    header = _HEADER.pack(FORMAT, grave.version, _GRAVE, 0)
    return header + _BURIAL.pack(grave.time_ms, grave.seq, _WHYS.index(grave.why))


def unpack_grave(mpid: int, data: bytes) -> Grave:
    """Return the grave that :func:`pack_grave` wrote; ValueError if it is of another format."""
    if data[0] != FORMAT or len(data) != _BODY_AT + _BURIAL.size:
        raise ValueError("this grave has a format that this release does not know")
    time_ms, seq, why = _BURIAL.unpack_from(data, _BODY_AT)
    if why >= len(_WHYS):
        raise ValueError("this grave has a reason that this release does not know")
    return Grave(mpid, _HEADER.unpack_from(data)[1], time_ms, _WHYS[why], seq)


def to_json(profile: Profile, section: Section = made) -> bytes:
    """Return *profile* as published; a merged one has only the pointer to its survivor.

    *section* returns what stands for its identities, and for the devices of each workspace.
    """
    merged, mpid = profile.merged_into, profile.mpid
    document = {
        "format": FORMAT,
        "scope": profile.scope,
        "environment": profile.environment,
        "mpid": str(mpid),
        "version": profile.version,
        "created_ms": profile.created_ms,
        "last_seen_ms": profile.last_seen_ms,
        "source_mpid": None if profile.source_mpid is None else str(profile.source_mpid),
        "merged_into": None if merged is None else str(merged),
        "is_orphaned": merged is None and not profile.identities,
    }
    if profile.contested:
        document["contested"] = True
    if profile.merges:
        document["merges"] = profile.merges
    if profile.absorbed:
        document["absorbed"] = [str(one) for one in profile.absorbed]
    if merged is None:
        document["identities"] = section(mpid, profile.identities, _identities_document)
        document["workspaces"] = {
            name: {
                "attributes": {n: _attribute_document(a) for n, a in data.attributes.items()},
                "consent_state": data.consent_state,
                "devices": section((mpid, name), data.devices, _devices_document),
                **more_document(data.more),
            }
            for name, data in profile.workspaces.items()
        }
        document |= more_document(profile.more)
    return _encode(document)


def from_json(data: bytes) -> Profile:
    """Return the profile that *data* describes, be it published or written by hand.

    Left-out times are the profile's ``created_ms``. ValueError names the field that is wrong.
    """
    try:
        document = _decode(data)
    except UnicodeDecodeError as error:
        raise ValueError("a profile is not valid UTF-8") from error
    except RecursionError as error:
        raise ValueError("a profile is nested too deeply") from error
    except msgspec.DecodeError as error:
        raise ValueError(f"a profile cannot be read: {error}") from error
    _check(document)
    profile = _profile(document)
    try:
        _pack_body(profile)
    except (OverflowError, UnicodeEncodeError) as error:
        raise ValueError("workspaces: a number is beyond 64 bits, or text is no Unicode") from error
    return profile


def attribute_bytes(name: str, attribute: Attribute) -> int:
    """Return how many bytes an attribute takes in the published profile, with its comma."""
    return len(_encode(name)) + len(_encode(_attribute_document(attribute))) + 2


def consent_bytes(regulation: str, purpose: str, entry: Any) -> int:  # noqa: ANN401 - any JSON value
    """Return how many bytes a purpose takes at most, its regulation's braces included."""
    return len(_encode({regulation: {purpose: entry}})) + 1


def device_bytes(device: Device) -> int:
    """Return how many bytes a device takes, with its comma."""
    return len(_encode(_device_document(device))) + 1


def _identities_document(identities: tuple[Identity, ...]) -> list[_Identity]:
    return [
        _Identity(i.identity_type, i.value, i.added_ms, i.updated_ms, i.input) for i in identities
    ]


def _devices_document(devices: tuple[Device, ...]) -> list[_Device]:
    return [_device_document(device) for device in devices]


def _attribute_document(attribute: Attribute) -> _Attribute:
    return _Attribute(attribute.value, attribute.source, attribute.input, attribute.updated_ms)


def _device_document(device: Device) -> _Device:
    return _Device(device.ids, device.first_seen_ms, device.last_seen_ms, device.info)


def _check(document: _Document) -> None:
    if document.format != FORMAT:
        raise ValueError(f"format: this release reads format {FORMAT}")
    if document.environment not in _ENVIRONMENTS:
        raise ValueError("environment: must be production or development")
    if not document.scope:
        raise ValueError("scope: must not be empty")
    if not 1 <= document.version < 2**63:
        raise ValueError("version: must be a positive integer of 64 bits")
    for position, identity in enumerate(document.identities or ()):
        if not identity.identity_type or not identity.value:
            raise ValueError(f"identities[{position}]: type and value must not be empty")


def _profile(document: _Document) -> Profile:
    created = document.created_ms
    seen = document.last_seen_ms
    merged_into = _optional_mpid("merged_into", document.merged_into)
    identities = () if merged_into is not None else document.identities or ()
    workspaces = {} if merged_into is not None else document.workspaces or {}
    return Profile(
        scope=document.scope,
        environment=document.environment,
        mpid=_mpid("mpid", document.mpid),
        version=document.version,
        created_ms=created,
        last_seen_ms=created if seen is UNSET else seen,
        source_mpid=_optional_mpid("source_mpid", document.source_mpid),
        merged_into=merged_into,
        contested=document.contested is True,
        merges=document.merges or 0,
        identities=tuple(_identity(i, created) for i in identities),
        workspaces={name: _workspace(w, created) for name, w in workspaces.items()},
        absorbed=tuple(_mpid("absorbed", m) for m in document.absorbed or ()),
        more=NO_MORE if merged_into is not None else read_more(document, _mpid),
    )


def _identity(identity: _Identity, created: int) -> Identity:
    added = created if identity.added_ms is UNSET else identity.added_ms
    updated = added if identity.updated_ms is UNSET else identity.updated_ms
    return Identity(identity.identity_type, identity.value, added, updated, identity.input)


def _workspace(workspace: _Workspace, created: int) -> WorkspaceData:
    return WorkspaceData(
        {name: _attribute(a, created) for name, a in workspace.attributes.items()},
        workspace.consent_state,
        tuple(_device(d, created) for d in workspace.devices),
        read_workspace_more(workspace),
    )


def _attribute(attribute: _Attribute, created: int) -> Attribute:
    if attribute.source not in _SOURCES:
        raise ValueError("workspaces: source of an attribute must be one of the six source types")
    updated = created if attribute.updated_ms is UNSET else attribute.updated_ms
    return Attribute(attribute.value, attribute.source, attribute.input, updated)


def _device(device: _Device, created: int) -> Device:
    first = created if device.first_seen_ms is UNSET else device.first_seen_ms
    last = first if device.last_seen_ms is UNSET else device.last_seen_ms
    return Device(device.ids, first, last, device.info)


def _optional_mpid(field: str, value: str | int | None) -> int | None:
    return None if value is None else _mpid(field, value)


def _mpid(field: str, value: str | int) -> int:
    if isinstance(value, int) or _MPID.fullmatch(value):
        mpid = int(value)
        if mpid in _INT64:
            return mpid
    raise ValueError(f"{field}: must be a signed integer of 64 bits")
