"""What becomes of a person's request, over the view of the index. Pure.

(docs/privacy.md, "States and receipts")
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from processor.clock.place import NOWHERE, is_entered_anew, placed
from processor.clock.wheel import Entry
from processor.codecs.subject_request import SubjectRequest
from processor.identity.ending import end_profile, have_read
from processor.identity.filed import Filed
from processor.identity.grave import Grave
from processor.identity.marker import ever_ms
from processor.identity.unnamed import of_mpid, of_token
from processor.identity.view import View
from processor.privacy.case import (
    LEGAL,
    NOBODY,
    OPEN,
    Case,
    State,
    about_identifier,
    about_of,
    case_number,
    filed,
    unpack_case,
)
from processor.privacy.erasing import Asked, Ground, erase, going, gone, own_instant
from processor.privacy.family import Family, Sought, counted, family_of
from processor.privacy.receipt import (
    CREATED,
    OK,
    Residue,
    Told,
    deletion,
    receipt_of,
    refusal,
)

MINUTE_MS: Final = 60_000
"""How often a case is looked at whose tombstones are on their way."""


class Step(Struct, frozen=True):
    """What a request, or time, has made of a case."""

    receipts: tuple[bytes, ...] = ()
    code: str | None = None
    """Of a refusal."""


NO_STEP: Final = Step()


def decide(
    request: SubjectRequest, view: View, ground: Ground, residues: Sequence[Residue] = ()
) -> Step:
    """Decide *request* and write to *view*; raises Unread where more must be read first."""
    if request.request_type == "delete":
        return _delete(request, view, ground)
    number = case_number(request.request_id, ground.workspace, ground.key)
    before = held_case(view, number)
    if request.request_type in {"cancel", "lift"}:
        return _about_case(request, before, view, ground, residues)
    if before is None:
        return _open(request, number, view, ground, residues)
    if before.digest != request.digest:
        return refuse(request, ground, 400, "DUPLICATE", "another request has this id")
    return _told(before, OK, ground, residues)


def _open(
    request: SubjectRequest, number: int, view: View, ground: Ground, residues: Sequence[Residue]
) -> Step:
    """Open a case, and do at once what does not wait."""
    its = request.request_type, request.identifiers, request.mpid
    about = about_of(ground.workspace, *its, ground.key)
    if not request.wishes.dry_run and view.holders(about_identifier(about)):
        why = "another open request of this type is about the same identities"
        return refuse(request, ground, 409, "IN_PROGRESS", why)
    case = _opened(request, number, about, view, ground)
    if request.wishes.dry_run:
        return _dry_run(case, view, ground, residues)
    if request.request_type != "erasure":
        case = _moved(case, "completed", completed_ms=ground.now_ms)
    elif case.expected_ms <= ground.now_ms:
        case = _carried_out(case, view, ground)
    write_case(case, None, view, ground)
    return _told(case, CREATED, ground, residues)


def refuse(request: SubjectRequest, ground: Ground, status: int, code: str, why: str) -> Step:
    """Return the refusal of *request*: it changes nothing."""
    told = Told(status, "refused", errors=[(code, why)])
    return Step((refusal(request, ground.workspace, ground.now_ms, told, ground.key),), code)


def carry_out(
    case: Case, view: View, ground: Ground, residues: Sequence[Residue], *, is_quiet: bool
) -> tuple[Case, Step]:
    """Carry *case* out, whose waiting is over; the caller writes it.

    *is_quiet*: no journal has any entry, and nobody owes the log one of whom it found at first.
    """
    after = _carried_out(case, view, ground, is_quiet=is_quiet)
    return after, _told(after, CREATED, ground, residues)


def complete(case: Case, ground: Ground, residues: Sequence[Residue] = ()) -> tuple[Case, Step]:
    """Say of *case* that neither the index nor the newest record of a profile has the person."""
    after = _moved(case, "completed", completed_ms=ground.now_ms)
    after = replace(after, roots=case.roots, due_ms=_closing_ms(after, ground))
    return after, _told(after, CREATED, ground, residues)


def close(case: Case, view: View, ground: Ground) -> None:
    """Take *case* away with its markers and graves: no record of before is left anywhere.

    Graves of those whom another case has erased, or who aged out, are none of its own. Where
    another one has a marker of the MPID, the grave is that one's from now on.
    """
    if case.marked is not None:
        graves = _buried(case, view)
        have_read(view, [of_mpid(grave.mpid) for grave in graves])
        view.files.filing.unmarks.extend(case.marked.markers().items())
        for grave in graves:
            its = of_mpid(grave.mpid)
            if left := view.files.markers_left(its, ground.token(its)):
                view.files.entomb(replace(grave, time_ms=max(one.until_ms for one in left)))
            else:
                view.files.filing.exhumed.append(grave.mpid)
    view.files.file(Filed(case.number, case.version + 1, b""))


def held_case(view: View, number: int) -> Case | None:
    """Return the case that *view* has under a number."""
    found = view.files.filed(number)
    return None if found is None else unpack_case(found.data)


def write_case(case: Case, before: Case | None, view: View, ground: Ground) -> Case:
    """Write *case* as its next version, at its place in the wheel."""
    stood = NOWHERE if before is None else before.place
    place = placed(stood, case.due_ms, ground.now_ms)
    version = 1 if before is None else before.version + 1
    after = replace(case, version=version, due_ms=place.due_ms, bucket=place.bucket)
    if place.bucket is not None and is_entered_anew(stood, place):
        view.files.filing.entered.append(Entry(place.bucket, case.number))
    settle_holding(after, before, view)
    view.files.file(filed(after))
    return after


def settle_holding(after: Case, before: Case | None, view: View) -> None:
    """Let a case stand under whom it is about while it is pending, and no longer."""
    about, number = after.opened_for, after.number
    if before is not None and before.state == "pending" and after.state != "pending":
        left = tuple(m for m in view.holders(about) if m != number)
        view.files.let_hold(about, left)
    if before is None and after.state == "pending":
        view.files.let_hold(about, (*view.holders(about), number))


def _opened(request: SubjectRequest, number: int, about: str, view: View, ground: Ground) -> Case:
    """Return the case of a request as it is received: whom it finds now, and when it is due."""
    wishes, rules = request.wishes, ground.rules
    follow = rules.follow if wishes.follow is None else wishes.follow
    mpids = () if request.mpid is None else (request.mpid,)
    sought = Sought(request.identifiers, mpids, follow, wishes.all_holders, ground.now_ms)
    family = family_of(sought, view, ground.policy)
    waits = request.request_type == "erasure" and not wishes.skip_waiting
    expected = ground.now_ms + (rules.waiting_ms if waits else 0)
    due = expected if request.request_type == "erasure" else ground.now_ms + rules.record_ms
    return Case(
        scope=view.space.scope,
        environment=view.space.environment,
        number=number,
        version=0,
        request_id=request.request_id,
        request_type=request.request_type,
        workspace=ground.workspace,
        state="pending",
        digest=request.digest,
        about=about,
        received_ms=ground.now_ms,
        expected_ms=expected,
        found=counted(family, ground.workspace),
        identifiers=request.identifiers,
        mpid=request.mpid,
        roots=tuple(one.mpid for one in family.profiles[: family.persons]),
        follow=tuple(follow),
        suppress=wishes.suppress,
        all_holders=wishes.all_holders,
        group_id=request.group_id,
        callbacks=request.callbacks,
        due_ms=due,
    )


def _family(case: Case, view: View, ground: Ground) -> Family:
    """Return whom *case* named when it was received, through merges since, or names now.

    With those who went with them then: whom it named may have ended while it waited, and they live.
    """
    mpids = case.roots if case.mpid is None else (*case.roots, case.mpid)
    known = case.found.followed if case.version else NOBODY
    sought = Sought(case.identifiers, mpids, case.follow, case.all_holders, ground.now_ms, known)
    return family_of(sought, view, ground.policy)


def _carried_out(case: Case, view: View, ground: Ground, *, is_quiet: bool = True) -> Case:
    gone = _gone_since(case, view, ground.now_ms)
    family = _family(case, view, ground)
    ever = ever_ms(case.number) if case.suppress else None
    found, marked = erase(family, Asked(case.identifiers, gone, ever), view, ground)
    after = replace(case, found=found, marked=marked, erased_ms=ground.now_ms)
    others = tuple(one.mpid for one in gone if one.why == "erased")
    if not family.profiles and (is_quiet or not gone):
        after = _moved(after, "completed", completed_ms=ground.now_ms)
        return replace(after, roots=others, due_ms=_closing_ms(after, ground))
    after = _moved(after, "in_progress", completed_ms=None)
    return replace(after, roots=others, due_ms=ground.now_ms + MINUTE_MS)


def _gone_since(case: Case, view: View, now_ms: int) -> list[Grave]:
    """Return the graves of those whom *case* found when it was received, and who live no more.

    Where one has been taken away since, a new one stands for it, as after a restore. And that of
    whom it names by MPID and is to suppress, where another request had erased them before.
    """
    mpids = case.found.mpids if case.version else ()
    living = have_read(view, mpids=mpids)
    gone = [mpid for mpid, profile in zip(mpids, living, strict=True) if profile is None]
    found = [view.grave(mpid) or Grave(mpid, 1, now_ms, "deleted") for mpid in gone]
    if case.suppress and case.mpid is not None and case.mpid not in mpids:
        have_read(view, mpids=[case.mpid])
        grave = view.grave(case.mpid)
        found += [grave] if grave is not None and grave.why == "erased" else []
    return found


def is_kept(case: Case) -> bool:
    """Whether a case stays for ever: while it suppresses somebody it must not be taken away."""
    return case.marked is not None and case.marked.is_suppressed


def _closing_ms(case: Case, ground: Ground) -> int | None:
    """Return when a case that is completed now is taken away; None: not before it is lifted."""
    return None if is_kept(case) else ground.now_ms + ground.rules.record_ms


def _moved(case: Case, state: State, completed_ms: int | None) -> Case:
    """Return *case* in another state; identities are raw only while it is pending."""
    assert state in LEGAL[case.state]
    return replace(
        case, state=state, completed_ms=completed_ms, identifiers=(), mpid=None, roots=()
    )


def _dry_run(case: Case, view: View, ground: Ground, residues: Sequence[Residue]) -> Step:
    goes, stays = going(_family(case, view, ground), ground)
    kept = tuple(one.mpid for one in stays)
    case = replace(case, found=replace(case.found, kept=kept))
    told = Told(OK, None, residues, would_erase=gone(goes))
    return Step((receipt_of(case, told, ground.key),))


def _told(case: Case, status: int, ground: Ground, residues: Sequence[Residue]) -> Step:
    return Step((receipt_of(case, Told(status, case.state, residues), ground.key),))


def _about_case(
    request: SubjectRequest,
    before: Case | None,
    view: View,
    ground: Ground,
    residues: Sequence[Residue],
) -> Step:
    """Cancel a case, or lift its suppression."""
    if before is None:
        return refuse(request, ground, 404, "NOT_FOUND_ERROR", "no request has this id")
    act = _cancel if request.request_type == "cancel" else _lift
    return act(request, before, view, ground, residues)


def _cancel(
    request: SubjectRequest,
    before: Case,
    view: View,
    ground: Ground,
    residues: Sequence[Residue],
) -> Step:
    if before.state != "pending":
        why = f"the request is {before.state}: only one that waits can be cancelled"
        return refuse(request, ground, 409, "NOT_PENDING", why)
    after = _moved(before, "cancelled", completed_ms=None)
    after = replace(after, due_ms=ground.now_ms + ground.rules.record_ms)
    write_case(after, before, view, ground)
    return _told(after, OK, ground, residues)


def _lift(
    request: SubjectRequest,
    before: Case,
    view: View,
    ground: Ground,
    residues: Sequence[Residue],
) -> Step:
    marked = before.marked
    if marked is None or not marked.is_suppressed:
        why = "the request suppresses nobody (any more)"
        return refuse(request, ground, 409, "NOT_PENDING", why)
    lying = _lying(before, view)
    marking = [*map(of_token, marked.markers()), *[of_mpid(grave.mpid) for grave in lying]]
    have_read(view, marking)
    lifted_ms = own_instant(marking, lying, view, ground)
    ended = replace(marked, is_suppressed=False, lifted_ms=lifted_ms)
    for grave in _buried(before, view):
        view.files.entomb(replace(grave, time_ms=ended.end_ms))
    view.files.filing.unmarks.extend(marked.markers().items())
    view.files.filing.marks.extend(ended.markers().items())
    after = replace(before, marked=ended, suppress=False)
    if after.state == "completed":
        after = replace(after, due_ms=ground.now_ms + ground.rules.record_ms)
    write_case(after, before, view, ground)
    return _told(after, OK, ground, residues)


def _buried(case: Case, view: View) -> list[Grave]:
    """Return the graves that are those of *case*; raises Unread where they were not read.

    A grave is that of the case whose end it says: who erased the person, or another one after it.
    """
    if case.marked is None:
        return []
    end_ms = case.marked.end_ms
    return [grave for grave in _lying(case, view) if grave.time_ms == end_ms]


def _lying(case: Case, view: View) -> list[Grave]:
    """Return the graves of all whom *case* keeps away; raises Unread where they were not read."""
    found = case.found
    # Those that were merged into whom others kept have its markers too.
    kept = (*found.kept, *found.followed.merges)
    mpids = tuple(dict.fromkeys((*found.mpids, *kept, *case.roots)))
    have_read(view, mpids=mpids)
    graves = [grave for mpid in mpids if (grave := view.grave(mpid)) is not None]
    return [grave for grave in graves if grave.why == "erased"]


def _delete(request: SubjectRequest, view: View, ground: Ground) -> Step:
    """End the profiles that are named by MPID: it is no person's request."""
    have_read(view, mpids=request.mpids)
    found = {p.mpid: p for m in request.mpids if (p := view.profile(m)) is not None}
    unknown = sum(view.profile(mpid) is None for mpid in request.mpids)
    mpids = gone(list(found.values()))
    for profile in found.values():
        end_profile(view, profile, "deleted", ground.now_ms)
    counts = {
        "found": len(found),
        "mpids": [str(mpid) for mpid in mpids],
        "unknown": unknown,
    }
    receipt = deletion(request, ground.workspace, ground.now_ms, counts, ground.key)
    return Step((receipt,))


def is_open(case: Case) -> bool:
    """Whether *case* waits, or is on its way."""
    return case.state in OPEN
