"""Requests of people under privacy law, in the shape of OpenDSR (docs/privacy.md, "A request").

What breaks a rule is told in ``error``: it gets a receipt that says so. Only what cannot be
decoded, or has no id, is a dead letter.
"""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Final, Literal, get_args

import msgspec
from msgspec import Raw, Struct

from processor.codecs.envelope import Fields, Opener
from processor.codecs.fault import Fault
from processor.codecs.fields import MAX_TEXT, environment_of, mpid_of, text_of
from processor.codecs.moment import milliseconds_of
from processor.codecs.wishes import Wishes, deleted_by, extensions_of, read_at, wishes_of
from processor.identity.model import Environment, Identifier, IdentityPolicy
from processor.identity.types import subject_type
from processor.records import DeadLetter

OfAPerson = Literal["erasure", "access", "portability"]

OF_A_PERSON: Final = frozenset(get_args(OfAPerson))
"""Types that name whom they are about."""
REQUEST_TYPES: Final = OF_A_PERSON | {"cancel", "lift", "delete"}
MOST_IDENTITIES: Final = 50
_LONGEST_ID: Final = 256
_MPID: Final = "mpid"


class SubjectRequest(Struct, frozen=True):
    """A request as decoded; of one that breaks a rule only what its receipt needs."""

    request_id: str
    request_type: str
    environment: Environment
    digest: bytes
    """Of the body, keyed: the same id with another one is refused."""
    identifiers: tuple[Identifier, ...] = ()
    mpid: int | None = None
    mpids: tuple[int, ...] = ()
    """Of a delete."""
    wishes: Wishes = Wishes()
    group_id: str | None = None
    callbacks: tuple[str, ...] = ()
    error: tuple[int, str, str] | None = None
    """(status, code, message) of a rule that it breaks by itself."""


_decode_any = msgspec.json.Decoder().decode
_decode_map = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_maps = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_raws = msgspec.json.Decoder(list[Raw]).decode
_decode_urls = msgspec.json.Decoder(list[str]).decode
_canonical = msgspec.json.Encoder(order="sorted").encode


def read_subject_request(
    value: bytes | None, policy: IdentityPolicy, max_bytes: int, opener: Opener, key: bytes
) -> SubjectRequest | DeadLetter:
    """Return the request in *value*, or why there is none; never raises.

    *key* keys the digest of its body.
    """
    try:
        fields = opener(value, max_bytes)
    except Fault as fault:
        return DeadLetter(fault.reason, fault.detail)
    request_id = _text(fields, "subject_request_id")
    if not request_id or len(request_id) > _LONGEST_ID:
        detail = f"subject_request_id: is required, text of at most {_LONGEST_ID} characters"
        return DeadLetter("invalid", detail)
    kind = _text(fields, "subject_request_type") or ""
    digest = _digest(fields, key)
    environment: Environment = "production"
    try:
        environment = environment_of(fields) or "production"
        return _read(fields, policy, request_id, kind, environment, digest)
    except Fault as fault:
        error = (400, "INVALID_DATA", fault.detail)
    except (msgspec.DecodeError, UnicodeDecodeError):
        error = (400, "INVALID_DATA", "a field cannot be read (docs/privacy.md)")
    told = kind if kind in REQUEST_TYPES else ""
    return SubjectRequest(request_id, told, environment, digest, error=error)


def _read(
    fields: Fields,
    policy: IdentityPolicy,
    request_id: str,
    kind: str,
    environment: Environment,
    digest: bytes,
) -> SubjectRequest:
    if kind not in REQUEST_TYPES:
        raise Fault(f"subject_request_type: must be one of {', '.join(sorted(REQUEST_TYPES))}")
    if milliseconds_of(_plain(fields.get("submitted_time"))) is None:
        raise Fault("submitted_time: is required, a time in ISO 8601")
    ours, theirs = extensions_of(fields)
    urls = "status_callback_urls"
    found = SubjectRequest(
        request_id,
        kind,
        environment,
        digest,
        wishes=wishes_of(ours, theirs),
        group_id=_text(fields, "group_id"),
        callbacks=tuple(read_at(fields.get(urls), urls, _decode_urls) or ()),
    )
    if kind == "delete":
        return msgspec.structs.replace(found, mpids=deleted_by(ours))
    if kind not in OF_A_PERSON:
        return found
    if not _text(fields, "regulation"):
        raise Fault("regulation: is required, such as gdpr or ccpa")
    named = list(_identities(fields.get("subject_identities"), "subject_identities"))
    for extension in (ours, theirs):
        path = f"{extension.path}.subject_identities"
        named += _identities(extension.fields.get("subject_identities"), path)
    identifiers, mpid = _named(named, policy)
    return msgspec.structs.replace(found, identifiers=identifiers, mpid=mpid)


def _named(
    named: list[tuple[str, str, str]], policy: IdentityPolicy
) -> tuple[tuple[Identifier, ...], int | None]:
    """Return whom a request is about: identifiers, or an MPID, which stands alone."""
    if not named:
        raise Fault("subject_identities: names nobody; write at least one identity with a value")
    if len(named) > MOST_IDENTITIES:
        raise Fault(f"subject_identities: has more than {MOST_IDENTITIES} identities")
    mpids = [value for name, value, _ in named if name == _MPID]
    if mpids:
        if len(named) > 1:
            raise Fault("subject_identities: mpid must be the only identity")
        return (), mpid_of(Raw(msgspec.json.encode(mpids[0])), "subject_identities.mpid")
    return tuple(dict.fromkeys(_identifier(*one, policy) for one in named)), None


def _identifier(name: str, value: str, path: str, policy: IdentityPolicy) -> Identifier:
    kind = subject_type(policy, name)
    if kind is None:
        raise Fault(f"{path}: an identity is of no known type")
    if kind not in policy.priority:
        listed = ", ".join(policy.priority)
        raise Fault(f"{path}.{kind}: finds nobody in this workspace; these do: {listed}")
    return Identifier(kind, value)


def _identities(raw: Raw | None, path: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, value and path of each identity, of either form that OpenDSR has."""
    if raw is None or bytes(raw) == b"null":
        return
    if bytes(raw)[:1] == b"[":
        for listed in read_at(raw, path, _decode_maps):
            name = _text(listed, "identity_type") or ""
            form = _text(listed, "identity_format") or "raw"
            yield name, _value(listed.get("identity_value"), form, path), path
        return
    for name, entry in read_at(raw, path, _decode_map).items():
        for one in _entries(entry):
            if bytes(one)[:1] != b"{":
                yield name, _value(one, "raw", path), path
                continue
            parts = _decode_map(one)
            form = _text(parts, "encoding") or "raw"
            yield name, _value(parts.get("value"), form, path), path


def _entries(raw: Raw) -> list[Raw]:
    return _decode_raws(raw) if bytes(raw)[:1] == b"[" else [raw]


def _value(raw: Raw | None, form: str, path: str) -> str:
    if form != "raw":
        raise Fault(f"{path}: an identity's encoding must be raw; hashes find nobody")
    value = "" if raw is None else text_of(raw, path)
    if not value or len(value) > MAX_TEXT:
        raise Fault(f"{path}: an identity has no value, or one of more than {MAX_TEXT} characters")
    return value


def _text(fields: Mapping[str, Raw], name: str) -> str | None:
    """Return the text in a field, None where it has none."""
    value = _plain(fields.get(name))
    return value if isinstance(value, str) else None


def _plain(raw: Raw | None) -> object:
    """Return any JSON value, None where there is none, or a number beyond what can be held."""
    try:
        return None if raw is None else _decode_any(raw)
    except msgspec.ValidationError:
        return None


def _digest(fields: Fields, key: bytes) -> bytes:
    """Return the digest of a body: neither spaces nor the order of fields count."""
    body = _canonical({name: _whole(raw) for name, raw in fields.items()})
    return blake2b(body, digest_size=16, key=key[:64], person=b"idstream-body").digest()


def _whole(raw: Raw) -> object:
    """Return any JSON value; its text where it has a number beyond what can be held."""
    try:
        return _decode_any(raw)
    except msgspec.ValidationError:
        return bytes(raw).decode()
