"""A report as a table that a person can read."""

from collections import Counter
from collections.abc import Iterable, Iterator
from statistics import median

from tests.faults.load import BAD
from tests.faults.storm import Report
from tests.faults.strikes import AGAINST_ALL, CRASHES

MOST_SILENCES = 3
GROUPS = ("kills at points", "others against one", "against all")


def table(report: Report) -> str:
    """Return what a run was, met and left."""
    weather = report.weather
    crashes = sum(n for name, n in report.faults.items() if name in CRASHES)
    others = report.faults.total() - crashes
    lines = [
        f"seed {weather.seed}: {report.records} records in {report.seconds:.0f} s",
        f"{weather.rate:.0f} a second, {weather.bad:.0%} bad",
        "",
        f"{'fault':<34}{'struck':>7}{'missed':>8}{'back after s: median':>23}{'most':>7}",
    ]
    for name in sorted({*report.faults, *report.missed}, key=_rank):
        times = report.recovery.get(name, [])
        times_text = f"{median(times):>23.1f}{max(times):>7.1f}" if times else ""
        lines.append(
            f"{name:<34}{report.faults[name]:>7}{report.missed[name] or '':>8}{times_text}"
        )
    lines += [
        f"{'all':<34}{report.faults.total():>7}   ({crashes} at crash points, {others} others)",
        "",
        f"{'records lost':<34}{report.lost:>7}",
        f"{'outcomes and outputs doubled':<34}{report.doubled:>7}",
        *_pairs("outcomes", report.outcomes.items()),
        *_pairs("changes of audiences", report.flips.items()),
        _classes(report.classes),
        *_pairs("in each other's way, at least", report.contention.items()),
        *_pairs("how processors ended", report.ends.items()),
        *_silences(report),
        "",
    ]
    for name, wrong in report.wrong.items():
        lines.append(f"{name:<40}{'holds' if not wrong else 'BROKEN'}")
        lines += [f"    {one}" for one in wrong]
    return "\n".join(lines)


def _classes(met: Counter[str]) -> str:
    least = min((met[name] for name in BAD), default=0)
    return f"bad input: {len(met)} of {len(BAD)} classes, {met.total()} records, {least} at least"


def _silences(report: Report) -> Iterator[str]:
    """Yield the longest times without an outcome of a partition, and what was struck meanwhile."""
    told: list[float] = []
    for silence, end in report.silences:
        if len(told) < MOST_SILENCES and all(abs(end - other) > silence for other in told):
            told.append(end)
            blows = [b for b in report.struck if b.ended > end - silence and b.began < end]
            groups = Counter(GROUPS[_rank(blow.name)[0]] for blow in blows)
            under = ", ".join(f"{count} {group}" for group, count in sorted(groups.items()))
            yield f"{silence:.1f} s without an outcome of a partition, under {under or 'nothing'}"


def _rank(name: str) -> tuple[int, str]:
    return (0 if name in CRASHES else 2 if name in AGAINST_ALL else 1), name


def _pairs(head: str, pairs: Iterable[tuple[str, int]]) -> list[str]:
    return [f"{head}: " + ", ".join(f"{name} {count}" for name, count in sorted(pairs))]
