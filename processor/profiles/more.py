"""What few profiles have, in their published form: there by name where it is set, else left out.

A field of ``More`` or ``WorkspaceMore`` (``identity.profile``) that is published as it is stored
takes a line there and one in ``profiles.document``, which says of what type it is in JSON; one that
is not has two functions here.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from msgspec import UNSET, Struct

from processor.identity.model import AliasRole, AliasScope
from processor.identity.profile import (
    NO_MORE,
    NO_WORKSPACE_MORE,
    Alias,
    Attribution,
    Computed,
    Membership,
    More,
    PartnerIdentity,
    WorkspaceMore,
)

ReadMpid = Callable[[str, str | int], int]
"""Read the MPID that a field (named first) holds; raises ValueError."""


class AliasDocument(Struct):
    """An alias as published."""

    role: AliasRole
    mpid: str | int
    start_ms: int
    end_ms: int
    scope: AliasScope
    device: str | None = None


class AttributionDocument(Struct):
    """An attribution as published."""

    publisher: str | None = None
    campaign: str | None = None
    service_provider: str | None = None
    time_ms: int = 0


class MembershipDocument(Struct):
    """A membership as published."""

    version: int
    entered_ms: int
    expires_ms: int | None = None


class PartnerDocument(Struct):
    """A partner identity as published."""

    value: str
    updated_ms: int = 0
    input: str = "default"


class ComputedDocument(Struct, omit_defaults=True):
    """What is computed in a workspace, as published; what is empty is left out, or null in Avro."""

    calculated: dict[str, Any] | None = None
    fresh_until_ms: int | None = None
    audiences: dict[str, MembershipDocument] | None = None
    state: bytes | None = None


def more_document(more: More | WorkspaceMore) -> dict[str, Any]:
    """Return the fields of *more* that are set, as they are published."""
    nothing = NO_MORE if isinstance(more, More) else NO_WORKSPACE_MORE
    if more is nothing or more == nothing:
        return {}
    fields = _FIELDS[type(more)]
    return {
        name: value if publish is None else publish(value)
        for (name, publish), value, default in zip(
            fields.published, fields.values(more), fields.values(nothing), strict=True
        )
        if value is not default and value != default
    }


def read_more(document: Struct, mpid: ReadMpid) -> More:
    """Return the ``more`` of a profile's published *document*."""
    found = _set(document, More)
    if not found:
        return NO_MORE
    if "aliases" in found:
        found["aliases"] = tuple(_alias(one, mpid) for one in found["aliases"])
    if "stamp" in found:
        found["stamp"] = _stamp(found["stamp"])
    return More(**found)


def read_workspace_more(document: Struct) -> WorkspaceMore:
    """Return the ``more`` of a workspace in a published document."""
    found = _set(document, WorkspaceMore)
    if not found:
        return NO_WORKSPACE_MORE
    if "attribution" in found:
        found["attribution"] = _attribution(found["attribution"])
    if "computed" in found:
        found["computed"] = _computed(found["computed"])
    if "partner_identities" in found:
        found["partner_identities"] = {
            name: PartnerIdentity(one.value, one.updated_ms, one.input)
            for name, one in found["partner_identities"].items()
        }
    return WorkspaceMore(**found)


def _set(document: Struct, kind: type[Struct]) -> dict[str, Any]:
    """Return the values that *document* has for the fields of *kind*; null stands for none."""
    values = {name: getattr(document, name) for name in kind.__struct_fields__}
    return {n: value for n, value in values.items() if value is not UNSET and value is not None}


def _aliases_document(aliases: tuple[Alias, ...]) -> list[AliasDocument]:
    return [
        AliasDocument(a.role, str(a.mpid), a.start_ms, a.end_ms, a.scope, a.device) for a in aliases
    ]


def _alias(alias: AliasDocument, mpid: ReadMpid) -> Alias:
    other = mpid("aliases", alias.mpid)
    return Alias(alias.role, other, alias.start_ms, alias.end_ms, alias.scope, alias.device)


def _attribution_document(its: Attribution) -> AttributionDocument:
    return AttributionDocument(its.publisher, its.campaign, its.service_provider, its.time_ms)


def _attribution(its: AttributionDocument) -> Attribution:
    return Attribution(its.publisher, its.campaign, its.service_provider, its.time_ms)


def _computed_document(its: Computed) -> ComputedDocument:
    audiences = {
        name: MembershipDocument(one.version, one.entered_ms, one.expires_ms)
        for name, one in its.audiences.items()
    }
    return ComputedDocument(
        its.calculated or None, its.fresh_until_ms, audiences or None, its.state or None
    )


def _computed(its: ComputedDocument) -> Computed:
    audiences = {
        name: Membership(one.version, one.entered_ms, one.expires_ms)
        for name, one in (its.audiences or {}).items()
    }
    return Computed(its.calculated or {}, its.fresh_until_ms, audiences, its.state or b"")


def _partner_document(its: Mapping[str, PartnerIdentity]) -> dict[str, PartnerDocument]:
    return {n: PartnerDocument(one.value, one.updated_ms, one.input) for n, one in its.items()}


def _stamp(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError("stamp: must be hex digits") from None


_PUBLISHED: Final[Mapping[str, Callable[[Any], Any]]] = MappingProxyType(
    {
        "aliases": _aliases_document,
        "attribution": _attribution_document,
        "computed": _computed_document,
        "partner_identities": _partner_document,
        "stamp": bytes.hex,
    }
)
"""How the fields are published that are not published as they are stored."""


class _Fields(NamedTuple):
    """The fields of one kind of ``more``: each has its name and how it is published."""

    published: tuple[tuple[str, Callable[[Any], Any] | None], ...]
    """None: as it is."""
    values: Callable[[Any], tuple[Any, ...]]


def _fields(kind: type[Struct]) -> _Fields:
    names = kind.__struct_fields__
    return _Fields(tuple((n, _PUBLISHED.get(n)) for n in names), attrgetter(*names))


_FIELDS: Final[Mapping[type[Struct], _Fields]] = {
    kind: _fields(kind) for kind in (More, WorkspaceMore)
}
