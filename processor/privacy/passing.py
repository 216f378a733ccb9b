"""What time makes of a case: carried out, completed, taken away. Pure."""

from collections.abc import Sequence

from msgspec.structs import replace

from processor.clock.place import NOWHERE, placed
from processor.identity.view import View
from processor.privacy.case import Case, filed
from processor.privacy.deciding import (
    MINUTE_MS,
    NO_STEP,
    Step,
    carry_out,
    close,
    complete,
    is_kept,
    settle_holding,
)
from processor.privacy.erasing import Ground
from processor.privacy.receipt import Residue


def passed(
    case: Case, view: View, ground: Ground, residues: Sequence[Residue], *, is_quiet: bool
) -> tuple[Case | None, Step]:
    """Do what is due of *case*, and write it; None where it is taken away.

    *is_quiet*: no journal has an entry of before it was carried out, of one that waits none at all,
    and nobody owes the log one of its profiles. Raises Unread where more must be read first.
    """
    if case.state == "pending":
        after, step = carry_out(case, view, ground, residues, is_quiet=is_quiet)
    elif case.state == "in_progress" and is_quiet:
        after, step = complete(case, ground, residues)
    elif case.state == "in_progress":
        after, step = replace(case, due_ms=ground.now_ms + MINUTE_MS), NO_STEP
    elif is_kept(case):  # of a release that took such cases away
        after, step = replace(case, due_ms=None), NO_STEP
    else:
        close(case, view, ground)
        return None, NO_STEP
    return _written(after, case, view, ground), step


def _written(case: Case, before: Case, view: View, ground: Ground) -> Case:
    """Write *case*, whose entry was met and is taken off: it is entered anew by the caller."""
    place = placed(NOWHERE, case.due_ms, ground.now_ms)
    after = replace(case, version=before.version + 1, due_ms=place.due_ms, bucket=place.bucket)
    settle_holding(after, before, view)
    view.files.file(filed(after))
    return after
