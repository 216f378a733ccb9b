"""What must hold of audience changes, whatever the order in which sweeps and records were decided.

That each message is the resolver's, byte for byte, is a check of ``reference``. These need no
resolver: they hold what was told against itself, and against the input. Pure functions.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

import msgspec

from processor.clock.bucket import MINUTE_MS
from processor.clock.place import shard_of
from tests.faults.oracle import Published, few

Line = tuple[str, str, str]
"""Scope and environment, MPID, and audience."""


def flips_take_turns(published: Published) -> list[str]:
    """Of each person and audience entering and leaving are told in turns, and nothing twice."""
    told: dict[Line, list[tuple[int, int, str]]] = defaultdict(list)
    for one in published.by_role.get("audience_changes", ()):
        body = one.body
        line = (one.key or b"").decode(), body["mpid"], body["audience"]
        told[line].append((body["version"], body["timestamp_ms"], body["change"]))
    wrong = []
    for line, changes in told.items():
        twice = [change for change, count in Counter(changes).items() if count > 1]
        wrong += [f"told twice: {change}: {line}" for change in twice]
        is_member = False
        for version, _, change in sorted(changes):
            if is_member == (change == "entered"):
                wrong.append(f"{change} in version {version}, but member: {is_member}: {line}")
            is_member = change != "left"
    return few(wrong)


def nobody_left_early(
    published: Published, within_ms: Mapping[str, int], has_event: Callable[[bytes], bool]
) -> list[str]:
    """Nobody is told to have left by time while the input held an event that keeps them in.

    *within_ms* are audiences of whoever sent a batch not longer ago of which *has_event* is true.
    It holds of people who never merge: an event is that of the profile that its record was
    attributed to.
    """
    events: dict[str, list[int]] = defaultdict(list)
    outcomes = published.outcomes()
    for source, record in published.inputs.items():
        outcome = outcomes.get(source, {})
        is_of_somebody = outcome.get("outcome") == "forwarded" and outcome["mpid"]
        if is_of_somebody and has_event(record.value or b""):
            events[outcome["mpid"]].append(record.timestamp_ms)
    for times in events.values():
        times.sort()
    wrong = []
    for one in published.by_role.get("audience_changes", ()):
        body = one.body
        width = within_ms.get(body["audience"])
        if width is None or (body["change"], body["reason"]) != ("left", "time"):
            continue
        at, times = body["timestamp_ms"], events[body["mpid"]]
        last = times[bisect_right(times, at) - 1] if times else None
        if last is None or last + width != at:
            wrong.append(f"left {body['audience']} at {at}, the last event was at {last}")
    return few(wrong)


def overdue(published: Published, dues: Mapping[str, int]) -> list[str]:
    """Return who of *dues*, by key, is due still by the last sweep of their shard."""
    done: dict[tuple[str, int], int] = {}
    outcomes = published.outcomes()
    for source, record in published.inputs.items():
        if outcomes.get(source, {}).get("outcome") == "swept":
            order = _decode(record.value or b"{}")
            if order.shard is not None:
                line = f"{order.scope}/{order.environment}", order.shard
                as_of_ms = min(order.as_of_ms, record.timestamp_ms)
                done[line] = max(done.get(line, 0), as_of_ms)
    wrong = []
    for key, due in dues.items():
        space, _, mpid = key.rpartition("/")
        as_of_ms = done.get((space, shard_of(int(mpid))), 0)
        if due + MINUTE_MS <= as_of_ms:
            wrong.append(f"due at {due}, swept as of {as_of_ms}: {key}")
    return few(wrong)


class _Order(msgspec.Struct):
    scope: str = ""
    environment: str = ""
    as_of_ms: int = 0
    shard: int | None = None


_decode = msgspec.json.Decoder(_Order).decode


class _Data(msgspec.Struct):
    session_number: float = 2**53


class _Event(msgspec.Struct):
    event_type: str = ""
    data: _Data = msgspec.field(default_factory=_Data)


class _Batch(msgspec.Struct):
    events: list[_Event] = []


_decode_batch = msgspec.json.Decoder(_Batch).decode


def visits_before(number: float) -> Callable[[bytes], bool]:
    """Return what tells whether a batch has a session that began, numbered below *number*."""

    def has(value: bytes) -> bool:
        try:
            events = _decode_batch(value).events
        except msgspec.DecodeError:
            return False
        return any(
            one.event_type == "session_start" and one.data.session_number < number for one in events
        )

    return has
