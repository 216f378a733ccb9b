"""Screening: whether a record is an erased person's, before anybody is looked up. Pure.

Everybody whom the record names is to be asked of the view before, so that the commit checks their
markers too. Where the index holds no marker and no grave of what was read, nothing is asked here.
(docs/privacy.md, "What keeps the erased away")
"""

from msgspec import Struct
from msgspec.structs import replace

from processor.identity.decision import Decision, NotFound, Refused
from processor.identity.grave import Grave
from processor.identity.marker import EVERY_WORKSPACE, Markers, is_ever, latest
from processor.identity.model import Identifier, IdentityPolicy, IdentityRequest
from processor.identity.types import DEVICE_TYPES
from processor.identity.unnamed import of_mpid
from processor.identity.view import Unread, View

ERASED = "erased"
SUPPRESSED = "suppressed"


class Screen(Struct, frozen=True, gc=False):
    """When and where a record that is screened comes from."""

    at_ms: int
    """The earliest of the record's time and that of the letter that it was put back from."""
    workspace: bytes
    """Its mark (``marker.workspace_mark``)."""


def screened(
    request: IdentityRequest, view: View, policy: IdentityPolicy, screen: Screen
) -> IdentityRequest | Decision:
    """Return *request* without what is an erased person's, or what becomes of it as a whole."""
    if not view.files.is_marked:
        return request
    named = identifiers_of(request)
    strong = strong_types(policy, named)
    weak: list[Identifier] = []
    end = _erased_mpid(request, view, screen)
    for identifier in named:
        if identifier.identity_type not in policy.priority:
            continue
        until = latest(view.files.markers(identifier), screen.at_ms, screen.workspace)
        if until is None:
            continue
        if identifier.identity_type in strong:
            end = max(until, end or 0)
        else:
            weak.append(identifier)
    if end is not None:
        return _dismissed(request, end)
    return _without(request, weak, view, policy)


def is_erased(
    identifiers: tuple[Identifier, ...], view: View, policy: IdentityPolicy, screen: Screen
) -> str | None:
    """Return why a record that only asks is dropped; None where it is nobody's who was erased."""
    found = screened(IdentityRequest("batch", identifiers, read_only=True), view, policy, screen)
    return found.reason if isinstance(found, NotFound) else None


def identifiers_of(request: IdentityRequest) -> tuple[Identifier, ...]:
    """Return every identifier that *request* names, those of its changes included."""
    changed = [
        Identifier(one.identity_type, value)
        for one in request.changes
        for value in (one.old_value, one.new_value)
        if value is not None
    ]
    return (*request.identifiers, *changed) if changed else request.identifiers


def strong_types(policy: IdentityPolicy, named: tuple[Identifier, ...]) -> frozenset[str]:
    """Return the types of *named* that say whose a record is.

    Where identifiers have one owner all of them do; where there are no logins the strongest of a
    record; else the unique types and login IDs.
    """
    if policy.traits.has_one_owner:
        return frozenset(policy.priority)
    if not policy.traits.has_logins:
        types = {one.identity_type for one in named}
        return frozenset([kind for kind in policy.priority if kind in types][:1])
    return policy.unique_ids | policy.login_ids


def marking_types(policy: IdentityPolicy) -> frozenset[str]:
    """Return the types whose markers can say that a record is an erased person's as a whole."""
    if policy.traits.has_one_owner:
        return frozenset(policy.priority)
    if not policy.traits.has_logins:
        return frozenset(policy.priority[:1]) | policy.unique_ids | policy.login_ids
    return policy.unique_ids | policy.login_ids


def lasting_types(policy: IdentityPolicy) -> frozenset[str]:
    """Return the types whose markers never end while somebody is suppressed.

    Where the strongest identity of a record says whose it is, any may be that: all but those of
    devices, which get another user.
    """
    types = marking_types(policy)
    return types if policy.traits.has_logins else types | (set(policy.priority) - DEVICE_TYPES)


def _erased_mpid(request: IdentityRequest, view: View, screen: Screen) -> int | None:
    """Return up to when records that name the MPID of *request* are an erased person's."""
    if request.mpid is None:
        return None
    grave = view.grave(request.mpid)
    if grave is not None and grave.why != "erased":
        grave = None
    markers = view.files.markers(of_mpid(request.mpid)) if grave is None else _beside(grave, view)
    end = latest(markers, screen.at_ms, screen.workspace)
    # Beside a marker of one workspace alone the grave does not say whose records it keeps away.
    is_of_all = all(one.workspace == EVERY_WORKSPACE for one in markers)
    if grave is None or not is_of_all or screen.at_ms > grave.time_ms:
        return end
    return max(grave.time_ms, end or 0)


def _beside(grave: Grave, view: View) -> Markers:
    """Return the markers of an MPID under which somebody lies who was erased.

    In a scope of one workspace nobody who lives has any, so they are asked for here and not before:
    those of all whose graves were read at once.
    """
    its = of_mpid(grave.mpid)
    try:
        view.holders(its)
    except Unread:
        raise Unread([its, *map(of_mpid, view.files.erased())]) from None
    return view.files.markers(its)


def _dismissed(request: IdentityRequest, until_ms: int) -> Decision:
    """Return what becomes of a record that is an erased person's."""
    is_suppressed = is_ever(until_ms)
    if request.action == "batch":
        return NotFound(SUPPRESSED if is_suppressed else ERASED)
    if is_suppressed:
        return Refused(403, "SUPPRESSED", "data of this person is not taken: they are suppressed")
    return Refused(410, "ERASED", "this record is of a person who was erased since")


def _without(
    request: IdentityRequest, weak: list[Identifier], view: View, policy: IdentityPolicy
) -> IdentityRequest | Decision:
    """Return *request* without devices of the erased, and without an MPID that lives no more."""
    mpid = request.mpid
    if request.action == "batch" and mpid is not None:
        grave = view.grave(mpid)
        if grave is not None and grave.why == "erased":
            mpid = None
    if not weak and mpid == request.mpid:
        return request
    left = tuple(one for one in request.identifiers if one not in weak)
    has_lookup = any(one.identity_type in policy.priority for one in left)
    changes = tuple(
        one
        for one in request.changes
        if Identifier(one.identity_type, one.new_value or "") not in weak
    )
    if mpid is None and not has_lookup and not changes:
        return _dismissed(request, 0)
    refused = (*request.refused, *((one, ERASED) for one in weak))
    return replace(request, identifiers=left, refused=refused, mpid=mpid, changes=changes)
