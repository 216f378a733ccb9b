"""What two looks at the metrics say of the time between them: rates, shares, quantiles. Pure."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from processor.watch.scrape import Sample

RECORDS: Final = "idstream_records_total"
LATENCY: Final = "idstream_record_latency_seconds"
PHASES: Final = "idstream_batch_seconds"
REFUSALS: Final = frozenset({"dead_letter", "dropped"})
_INF: Final = float("inf")

Pairs = Sequence[tuple[Sample, Sample]]
"""Of each process the look before, and the one now."""


class Phase(Struct, frozen=True):
    """A phase of the loop."""

    name: str
    share: float
    """Of the time that passed, all processes together."""
    mean_ms: float | None


class Refusal(Struct, frozen=True):
    """Records of one input that were refused for one reason."""

    input: str
    outcome: str
    reason: str
    per_s: float
    total: int


class Picture(Struct, frozen=True):
    """How processes did between two looks."""

    processes: int
    version: str
    up_s: float
    """Of the process that started last."""
    per_s: dict[str, float]
    """Records a second, by outcome."""
    by_input: dict[str, dict[str, float]]
    """Records a second, by input and outcome."""
    latency_ms: dict[str, float | None]
    """p50 and p99, from a record's timestamp to the commit; None where none was committed."""
    lag_records: int
    lag_s: float
    phases: tuple[Phase, ...]
    refusals: tuple[Refusal, ...]
    """Those that grew most first, then those with the highest total."""
    away: tuple[str, ...]
    """Servers that do not answer some process."""
    partitions: dict[str, int]
    """By state."""
    cores: float
    memory_bytes: int


def picture(pairs: Pairs, now_s: float) -> Picture:
    """Return what *pairs* say; *now_s* are seconds since 1970."""
    latest = [after for _, after in pairs]
    outcomes = {o: _rate(pairs, RECORDS, outcome=o) for o in _values(pairs, RECORDS, "outcome")}
    return Picture(
        processes=len(pairs),
        version=" ".join(sorted(_values(pairs, "idstream_info", "version"))),
        up_s=min(now_s - one.total("process_start_time_seconds") for one in latest),
        per_s=outcomes,
        by_input=_by_input(pairs),
        latency_ms={"p50": _quantile(pairs, 0.5), "p99": _quantile(pairs, 0.99)},
        lag_records=int(sum(one.total("idstream_consumer_lag_records") for one in latest)),
        lag_s=max((v for one in latest for _, v in one.of("idstream_lag_seconds")), default=0.0),
        phases=tuple(_phases(pairs)),
        refusals=tuple(_refusals(pairs)),
        away=tuple(sorted(_away(latest))),
        partitions={
            state: int(sum(one.total("idstream_partitions", state=state) for one in latest))
            for state in ("processed", "waiting")
        },
        cores=_rate(pairs, "process_cpu_seconds_total"),
        memory_bytes=int(sum(one.total("process_resident_memory_bytes") for one in latest)),
    )


def _rate(pairs: Pairs, name: str, **labels: str) -> float:
    """Return by how much *name* grew in a second, all processes together."""
    return sum(_grown(pair, name, **labels) / _seconds(pair) for pair in pairs)


def _grown(pair: tuple[Sample, Sample], name: str, **labels: str) -> float:
    before, after = (one.total(name, **labels) for one in pair)
    return after - before if after >= before else after  # it began anew


def _seconds(pair: tuple[Sample, Sample]) -> float:
    return max(pair[1].at - pair[0].at, 0.001)


def _values(pairs: Pairs, name: str, label: str) -> list[str]:
    return sorted({labels[label] for _, after in pairs for labels, _ in after.of(name)})


def _by_input(pairs: Pairs) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for name in _values(pairs, RECORDS, "input"):
        rates = {
            outcome: _rate(pairs, RECORDS, input=name, outcome=outcome)
            for outcome in _values(pairs, RECORDS, "outcome")
        }
        found[name] = rates
    return found


def _phases(pairs: Pairs) -> list[Phase]:
    seconds = sum(map(_seconds, pairs)) or 1.0
    found = []
    for name in _values(pairs, f"{PHASES}_sum", "phase"):
        spent = sum(_grown(pair, f"{PHASES}_sum", phase=name) for pair in pairs)
        count = sum(_grown(pair, f"{PHASES}_count", phase=name) for pair in pairs)
        found.append(Phase(name, spent / seconds, 1000 * spent / count if count else None))
    return sorted(found, key=lambda one: -one.share)


def _refusals(pairs: Pairs) -> list[Refusal]:
    kinds = {
        (labels["input"], labels["outcome"], labels["reason"])
        for _, after in pairs
        for labels, total in after.of(RECORDS)
        if total and labels["outcome"] in REFUSALS
    }
    found = []
    for name, outcome, reason in kinds:
        labels = {"input": name, "outcome": outcome, "reason": reason}
        total = int(sum(after.total(RECORDS, **labels) for _, after in pairs))
        found.append(Refusal(name, outcome, reason, _rate(pairs, RECORDS, **labels), total))
    return sorted(found, key=lambda one: (-one.per_s, -one.total, one.input, one.reason))


def _away(latest: Sequence[Sample]) -> set[str]:
    return {labels["to"] for one in latest for labels, up in one.of("idstream_connected") if not up}


def _quantile(pairs: Pairs, share: float) -> float | None:
    """Return the latency that *share* of the records had at most, in ms, between its bounds."""
    bounds = {
        float(le): sum(_grown(pair, f"{LATENCY}_bucket", le=le) for pair in pairs)
        for le in _values(pairs, f"{LATENCY}_bucket", "le")
    }
    total, below, start = bounds.get(_INF, 0.0), 0.0, 0.0
    if not total:
        return None
    for bound, count in sorted(bounds.items()):
        if count >= share * total:
            if bound == _INF:
                break
            inside = (share * total - below) / (count - below) if count > below else 1.0
            return 1000 * (start + inside * (bound - start))
        below, start = count, bound
    return 1000 * start
