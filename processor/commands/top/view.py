"""A picture of processes for people: a few lines, and tables below them."""

from collections.abc import Iterator, Sequence
from typing import Final

from processor.commands.top.rates import Picture

Section = tuple[str, Sequence[str], Sequence[Sequence[str]]]
"""Title, head and rows of a table."""

ORDER: Final = ("forwarded", "stored", "answered", "duplicate", "dropped", "dead_letter")
MOST_REFUSALS: Final = 8
_MIB: Final = 1024 * 1024
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600


def sections(picture: Picture) -> Iterator[Section]:
    """Yield the tables that show *picture*."""
    yield _title(picture), ("", ""), list(_facts(picture))
    outcomes = [o for o in ORDER if o in picture.per_s]
    yield (
        "Records a second",
        ("input", *outcomes),
        [
            (name or "(unknown)", *(_rate(rates.get(o, 0.0)) for o in outcomes))
            for name, rates in picture.by_input.items()
        ],
    )
    yield (
        "Time of the loop",
        ("phase", "share", "mean ms"),
        [
            (p.name, f"{100 * p.share:.1f} %", "-" if p.mean_ms is None else f"{p.mean_ms:.2f}")
            for p in picture.phases
        ],
    )
    if picture.refusals:
        yield (
            "Refusals, the latest first",
            ("input", "outcome", "reason", "a second", "since start"),
            [
                (r.input or "(unknown)", r.outcome, r.reason, _rate(r.per_s), f"{r.total:,}")
                for r in picture.refusals[:MOST_REFUSALS]
            ],
        )


def _title(picture: Picture) -> str:
    count = picture.processes
    processes = f"{count} process{'' if count == 1 else 'es'}"
    return f"idstream {picture.version}, {processes}, up {_duration(picture.up_s)}"


def _facts(picture: Picture) -> Iterator[tuple[str, str]]:
    yield "records", f"{sum(picture.per_s.values()):,.1f} a second"
    latencies = [
        f"{name} {value:,.0f} ms" for name, value in picture.latency_ms.items() if value is not None
    ]
    yield "latency", ", ".join(latencies) or "nothing was committed"
    yield "lag", f"{picture.lag_records:,} records, {picture.lag_s:.1f} s"
    states = picture.partitions
    waiting = f", {states['waiting']} waiting" if states["waiting"] else ""
    yield "partitions", f"{states['processed']} processed{waiting}"
    yield "servers", f"{' and '.join(picture.away)} away" if picture.away else "ok"
    yield "process", f"{picture.cores:.2f} cores, {picture.memory_bytes / _MIB:,.0f} MiB"


def _rate(per_s: float) -> str:
    return f"{per_s:,.1f}" if per_s else "0"


def _duration(seconds: float) -> str:
    whole = int(max(seconds, 0))
    hours, rest = divmod(whole, _HOUR_S)
    minutes, left = divmod(rest, _MINUTE_S)
    return f"{hours}:{minutes:02d}:{left:02d}"
