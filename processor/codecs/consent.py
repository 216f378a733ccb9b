"""``consent_state`` of batches: what decides is a fault where it is odd, the rest is left out."""

from collections.abc import Iterable
from typing import Any, Final

from processor.codecs.fault import Fault, near_miss
from processor.codecs.moment import milliseconds_of
from processor.codecs.nearness import likely_meant, squeezed
from processor.records import Ignored

_REGULATIONS: Final = ("gdpr", "ccpa")
_OPT_OUT: Final = "data_sale_opt_out"
_SINCE_2001_S: Final = 1e9
_LEAST_MS: Final = 1e11
_LEAST_US: Final = 1e14
_ENTRY: Final = "consent_state[...][...]"


def checked_consent(state: dict[str, Any], ignored: list[Ignored]) -> dict[str, Any]:
    """Return *state* with its times as numbers; what answers nothing is noted in *ignored*.

    Fault where an answer would be lost: ``consented`` is no boolean, or it or the regulation goes
    by another name.
    """
    _check_regulations(state)
    for regulation, purposes in state.items():
        for purpose, entry in (purposes or {}).items():
            if regulation == "ccpa" and purpose != _OPT_OUT:
                if likely_meant(purpose, (_OPT_OUT,)):
                    raise Fault(f"consent_state.ccpa[...]: no purpose (did you mean {_OPT_OUT}?)")
                ignored.append(Ignored("consent_state.ccpa[...]", "value", purpose))
            elif entry is not None:
                _check_entry(entry, purpose, ignored)
    return state


def _check_regulations(state: Iterable[str]) -> None:
    for place, name in enumerate(state, 1):
        meant = "" if name in _REGULATIONS else squeezed(name)
        if meant in _REGULATIONS and meant not in state:
            raise near_miss("consent_state", place, meant)


def _check_entry(entry: dict[str, Any], purpose: str, ignored: list[Ignored]) -> None:
    if "consented" not in entry:
        for place, name in enumerate(entry, 1):
            if likely_meant(name, ("consented", "consent")):
                raise near_miss(_ENTRY, place, "consented")
        ignored.append(Ignored(_ENTRY, "missing", purpose))
    elif type(entry["consented"]) is not bool:
        raise Fault(f"{_ENTRY}.consented: must be true or false")
    time = entry.get("timestamp_unixtime_ms")
    if time is not None and not (type(time) in (int, float) and _is_in_ms(time)):
        _read_time(entry, time, ignored)


def _is_in_ms(time: float) -> bool:
    """Return whether a number is a time in milliseconds, a small one of a clock that stood still.

    Seconds since 2001 and what is finer than milliseconds are not.
    """
    return time < _SINCE_2001_S or _LEAST_MS <= time < _LEAST_US


def _read_time(entry: dict[str, Any], time: object, ignored: list[Ignored]) -> None:
    """Put *time* into *entry* as milliseconds, in whatever unit or form it is."""
    time_ms = milliseconds_of(time)
    if time_ms is None:
        ignored.append(Ignored(f"{_ENTRY}.timestamp_unixtime_ms", "time"))
        del entry["timestamp_unixtime_ms"]
    else:
        entry["timestamp_unixtime_ms"] = time_ms
