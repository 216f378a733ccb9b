"""Makes the plan of a run that goes wrong as short as it can be, so that one can read it."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.model.play import play
from tests.model.world import Plan


def shrunk(plan: Plan, is_wrong: Callable[[Plan], bool]) -> Plan:
    """Return what is left of *plan* when nothing more can go and *is_wrong* still holds of it."""
    before = None
    while before != plan:
        before = plan
        for name, unit in (("history", 1), ("schedule", 2)):  # two bytes say what happens next
            for size in _sizes(len(getattr(plan, name)), unit):
                at = 0
                while at < len(all_of_it := getattr(plan, name)):
                    shorter = replace(plan, **{name: all_of_it[:at] + all_of_it[at + size :]})
                    if is_wrong(shorter):
                        plan = shorter
                    else:
                        at += size
    return plan


def _sizes(length: int, unit: int) -> Iterator[int]:
    """Yield half of *length*, half of that, and so on, in whole units."""
    while length > unit:
        length = max(unit, length // 2 // unit * unit)
        yield length


def goes_wrong_like(plan: Plan) -> Callable[[Plan], bool]:
    """Return what tells whether another plan makes the same check complain as *plan*."""
    kinds = _kinds(plan)
    return lambda other: bool(kinds & _kinds(other))


def _kinds(plan: Plan) -> set[str]:
    """Return the names of the checks that complain, or the exceptions that ended a processor."""
    return {one.strip().rpartition("\n")[2].partition(":")[0] for one in play(plan).wrong}
