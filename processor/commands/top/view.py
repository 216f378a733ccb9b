"""A picture of processes for people: a few lines, and tables below them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from processor.commands.top.rates import Phase, Picture, Refusal

Section = tuple[str, Sequence[str], Sequence[Sequence[str]]]
"""Title, head and rows of a table."""

ORDER: Final = ("forwarded", "stored", "answered", "duplicate", "dropped", "dead_letter")
MOST_REFUSALS: Final = 8
PHASES: Final[Mapping[str, tuple[str, str]]] = {
    "consume": ("consume", "waits for records, and takes them"),
    "process": ("process", "all that is done with them, of which"),
    "take_in": ("  take_in", "decodes and checks"),
    "resolve": ("  resolve", "asks Redis, decides, and writes there"),
    "encode": ("  encode", "writes what comes out"),
    "produce": ("produce", "hands it to the producer"),
    "commit": ("commit", "ends a transaction"),
}
"""Phases in their order, those within another one indented, and what each does."""
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
    if picture.refusals:
        yield _refused(picture.refusals)
    yield (
        "Time of the loop; what is missing to 100 % is idle",
        ("phase", "share", "mean ms", "what it does"),
        [_phase(one) for one in sorted(picture.phases, key=_place)],
    )


def fitting(lines: Sequence[str], height: int, end: str) -> list[str]:
    """Return what of *lines* fits into *height* above *end*, and how many more there are."""
    room = max(height - 1, 1)
    if len(lines) <= room:
        return [*lines, end]
    kept = lines[: room - 1]
    missing = len(lines) - len(kept)
    return [*kept, f"… {missing} more lines: a taller window shows them", end]


def _refused(refusals: Sequence[Refusal]) -> Section:
    shown = refusals[:MOST_REFUSALS]
    part = f" ({len(shown)} of {len(refusals)})" if len(shown) < len(refusals) else ""
    return (
        f"Refusals, those that grow most first{part}",
        ("input", "outcome", "reason", "a second", "since start"),
        [
            (r.input or "(unknown)", r.outcome, r.reason, _rate(r.per_s), f"{r.total:,}")
            for r in shown
        ],
    )


def _place(phase: Phase) -> int:
    """Return where *phase* stands; one that a process of another release has comes last."""
    names = list(PHASES)
    return names.index(phase.name) if phase.name in PHASES else len(names)


def _phase(phase: Phase) -> tuple[str, str, str, str]:
    name, does = PHASES.get(phase.name, (phase.name, ""))
    mean = "-" if phase.mean_ms is None else f"{phase.mean_ms:.2f}"
    return name, f"{100 * phase.share:.1f} %", mean, does


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
