"""Consent: what a batch changes of it, and the notifications that outputs get."""

from collections.abc import Mapping
from typing import Any, Final

ConsentState = dict[str, Any]
"""Regulation (gdpr, ccpa) to purpose to {consented, timestamp_unixtime_ms, ...}."""

_NOTIFICATIONS: Final = {"gdpr": "gdpr_change", "ccpa": "ccpa_change"}
"""Regulations whose changes are announced, with the type of the system notification."""


def cap_consent(given: ConsentState, received_ms: int, max_future_ms: int) -> None:
    """Return *given*, its answers from too far in the future dated at the time of their record.

    Else the answer of a clock that runs years ahead would outrank all that follow.
    """
    for purposes in given.values():
        for entry in (purposes or {}).values():
            if entry and _time(entry) > received_ms + max_future_ms:
                entry["timestamp_unixtime_ms"] = received_ms


def is_of_record(given: ConsentState, received_ms: int) -> bool:
    """Whether an answer of *given* is dated by its record, or ahead of it.

    Said again in a later record it may be dated by that one.
    """
    return any(
        entry and _time(entry) >= received_ms
        for purposes in given.values()
        for entry in (purposes or {}).values()
    )


def merge_consent(stored: ConsentState, given: ConsentState) -> ConsentState:
    """Return *stored* with the purposes that *given* names, or *stored* itself if that is the same.

    Purposes that are not named stay. An entry that does not say ``consented`` is no answer and
    changes nothing, nor does null: a withdrawal is ``consented: false``. CCPA has one purpose,
    ``data_sale_opt_out``; others are ignored. An older answer never replaces a newer one, one
    without a time never one with a time (docs/decisions.md, "Consent").
    """
    merged = stored
    for regulation, purposes in given.items():
        known = stored.get(regulation) or {}
        changed = {
            purpose: entry
            for purpose, entry in (purposes or {}).items()
            if _is_answer(regulation, purpose, entry) and _is_news(known.get(purpose), entry)
        }
        if changed:
            merged = {**merged, regulation: {**known, **changed}}
    return merged


def _is_answer(regulation: str, purpose: str, entry: Mapping[str, Any] | None) -> bool:
    if entry is None or not isinstance(entry.get("consented"), bool):
        return False
    return regulation != "ccpa" or purpose == "data_sale_opt_out"


def _is_news(known: Mapping[str, Any] | None, entry: Mapping[str, Any] | None) -> bool:
    if not known or not entry:
        return known != entry
    return known != entry and _time(entry) >= _time(known)


def join_consent(state: ConsentState, other: ConsentState) -> ConsentState:
    """Return the consent of two profiles: of a purpose that both know, the newer answer.

    Where the times are the same, or none is known, *state* stays.
    """
    joined = {regulation: dict(purposes or {}) for regulation, purposes in state.items()}
    for regulation, purposes in other.items():
        known = joined.setdefault(regulation, {})
        for purpose, entry in (purposes or {}).items():
            if purpose not in known or _time(entry) > _time(known[purpose]):
                known[purpose] = entry
    return joined


def _time(entry: Mapping[str, Any]) -> float:
    """Return when an answer was given; one without a time is older than any other."""
    time_ms = entry.get("timestamp_unixtime_ms")
    return time_ms if isinstance(time_ms, int | float) else -1


def consent_notifications(old: ConsentState, new: ConsentState) -> list[dict[str, Any]]:
    """Return a system notification for each purpose given, withdrawn or named for the first time.

    A new timestamp or document under the same answer is stored, but nobody has changed their mind.
    """
    notifications = []
    for regulation, kind in _NOTIFICATIONS.items():
        known = old.get(regulation) or {}
        for purpose, entry in (new.get(regulation) or {}).items():
            before = known.get(purpose)
            if before is not None and before.get("consented") == entry.get("consented"):
                continue
            data = {
                "purpose": purpose,
                "current": _with_regulation(regulation, entry),
                "old": None if before is None else _with_regulation(regulation, before),
            }
            notifications.append({"type": kind, "data": data})
    return notifications


def _with_regulation(regulation: str, entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "regulation": regulation.upper()}
