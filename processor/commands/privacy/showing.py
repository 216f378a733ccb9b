"""``idstream privacy show``: how a request stands, and what was told of it, as tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from processor.commands.options import option_of
from processor.commands.privacy.finding import case_of
from processor.commands.privacy.receipts import Receipt, receipts_of
from processor.commands.terminal.console import note, say, visible
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.moments import moment
from processor.commands.terminal.tables import Give, print_table
from processor.privacy.case import Case
from processor.settings import load

_HEAD: Final = ("told", "state", "status", "found", "identities", "attributes", "devices", "why")
_GIVE: Final = Give(("devices", "attributes", "status"), "why")
_FEW: Final = 10
"""MPIDs that are shown; a family may have hundreds."""


def show(config: Path, environ: Mapping[str, str], request_id: str, *, as_json: bool) -> None:
    """Print the case of a request and its receipts."""
    settings = load(config, environ)
    case = case_of(settings, request_id)
    told = receipts_of(settings, request_id)
    if case is None and not told:
        raise Failure(
            f"nothing is known of a request {visible(request_id)}: no case in the index, and no"
            f" receipt on {settings.kafka.topics.receipts}. Was it sent, and is `idstream run`"
            " running?"
        )
    if as_json:
        _say_json(request_id, case, told)
        return
    if case is not None:
        print_table("Request (times are in UTC)", ("", ""), _facts(case))
    if told:
        print_table("Receipts", _HEAD, [_row(one) for one in told], give=_GIVE)
        _print_residues(told[-1].body)
    for line in _next(request_id, case, option_of(config)):
        note(line)


def _facts(case: Case) -> list[tuple[str, str]]:
    found = case.found
    followed = found.followed
    by_merges, by_source, by_alias = (
        len(one) for one in (followed.merges, followed.source, followed.aliases)
    )
    rows = [
        ("id", case.request_id),
        ("type", case.request_type),
        ("state", case.state.replace("_", " ")),
        ("workspace", f"{case.workspace} ({case.environment})"),
        ("received", moment(case.received_ms)),
        ("carried out", moment(case.erased_ms) if case.erased_ms else _waits(case)),
        ("completed", moment(case.completed_ms) if case.completed_ms else ""),
        ("profiles", _profiles(case, by_merges, by_source, by_alias)),
        ("kept by others", _mpids(found.kept)),
        ("markers", _markers(case)),
        ("suppressed", "until it is lifted" if case.marked and case.marked.is_suppressed else ""),
        ("kept on record", _kept(case)),
    ]
    return [row for row in rows if row[1]]


def _markers(case: Case) -> str:
    marked = case.marked
    counts = () if marked is None else ((marked.identities, "identities"), (marked.mpids, "MPIDs"))
    said = " and ".join(f"{count} {what}" for count, what in counts if count)
    return f"on {said}" if said else ""


def _waits(case: Case) -> str:
    if case.state != "pending":
        return ""
    return f"not before {moment(case.expected_ms)}"


def _kept(case: Case) -> str:
    is_over = case.state in {"completed", "cancelled"} and case.due_ms is not None
    return f"until {moment(case.due_ms)}" if is_over and case.due_ms is not None else ""


def _profiles(case: Case, merges: int, source: int, aliases: int) -> str:
    ways = [(merges, "by merges"), (source, "as source"), (aliases, "by aliases")]
    followed = ", ".join(f"{count} {how}" for count, how in ways if count)
    listed = _mpids(case.found.mpids)
    if not listed:
        return "nobody" if case.state != "pending" else ""
    more = f" ({followed})" if followed else ""
    bound = "; more than 200, where nobody is followed further" if case.found.is_bounded else ""
    return f"{listed}{more}{bound}"


def _mpids(mpids: Sequence[int]) -> str:
    listed = ", ".join(str(mpid) for mpid in mpids[:_FEW])
    return f"{listed} and {len(mpids) - _FEW} more" if len(mpids) > _FEW else listed


def _row(one: Receipt) -> tuple[str, ...]:
    body = one.body
    identities = body.get("identities") or {}
    would = body.get("would_erase")
    state = str(body.get("state") or "").replace("_", " ")
    return (
        moment(one.time_ms),
        f"{state} (dry run)" if body.get("dry_run") else state,
        str(body.get("status", "")),
        str(len(would) if would is not None else body.get("found", "")),
        ", ".join(f"{count} {kind}" for kind, count in sorted(identities.items())),
        str(body.get("attributes", "")),
        str(body.get("devices", "")),
        "; ".join(f"{e.get('code')}: {e.get('message')}" for e in body.get("errors") or ()),
    )


def _print_residues(body: Mapping[str, Any]) -> None:
    rows = [
        (str(one.get("where")), _gone(one.get("gone_by_ms"))) for one in body.get("residues") or ()
    ]
    if rows:
        print_table("What else still holds it", ("where", "gone by"), rows)


def _gone(time_ms: int | None) -> str:
    return "no end is known" if time_ms is None else moment(time_ms)


def _next(request_id: str, case: Case | None, option: str) -> list[str]:
    name = visible(request_id)
    if case is None:
        return ["The index has no case of it: it was a dry run, refused, a delete, or is over."]
    if case.state == "pending":
        return [f"To stop it: idstream privacy cancel{option} {name}"]
    if case.state == "in_progress":
        return ["Tombstones are on their way; a sweep looks each minute whether it is completed."]
    if case.request_type == "erasure" and case.state == "completed":
        return [f"Whether anything is left: idstream privacy verify{option} --request {name}"]
    return []


def _say_json(request_id: str, case: Case | None, told: Sequence[Receipt]) -> None:
    found = {
        "subject_request_id": request_id,
        "case": None if case is None else _case_json(case),
        "receipts": [one.body for one in told],
    }
    say(msgspec.json.encode(found).decode())


def _case_json(case: Case) -> dict[str, Any]:
    """Return *case* without what identifies anybody: it may be on its way to a ticket."""
    return {
        "subject_request_type": case.request_type,
        "state": case.state,
        "workspace": case.workspace,
        "environment": case.environment,
        "received_ms": case.received_ms,
        "expected_ms": case.expected_ms,
        "erased_ms": case.erased_ms,
        "completed_ms": case.completed_ms,
        "due_ms": case.due_ms,
        "mpids": [str(mpid) for mpid in case.found.mpids],
        "kept": [str(mpid) for mpid in case.found.kept],
        "is_suppressed": case.marked is not None and case.marked.is_suppressed,
        "group_id": case.group_id,
    }
