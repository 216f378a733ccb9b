"""Tables of medians and ratios, and plots as data: what measurements become."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Measurement:
    """What was measured of one subject (a processor, a kind of record, a size) in one round."""

    subject: str
    round: int
    values: dict[str, float]


@dataclass(frozen=True)
class Column:
    """A column: the median of a value, or of its ratio to another subject's in the same round.

    *reference* names the subject that is 1, if it is a ratio.
    """

    title: str
    value: str
    form: str = "{:,.0f}"
    reference: str = ""


@dataclass(frozen=True)
class Table:
    """A table as it is shown."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""

    def markdown(self) -> str:
        """Return the table in Markdown, its columns aligned for readers of the source."""
        columns = [self._column(n) for n in range(len(self.heads))]
        lines = [f"| {' | '.join(cells)} |" for cells in zip(*columns, strict=True)]
        return "\n".join([*([f"{self.title}\n"] if self.title else []), *lines])

    def _column(self, n: int) -> list[str]:
        """Return a column's cells: words to the left, numbers to the right."""
        cells = [self.heads[n], *(row[n] for row in self.rows)]
        width = max(3, *map(len, cells))
        words = n == 0 or any(cell[-1:].isalpha() for cell in cells[1:])
        rule = "-" * width if words else "-" * (width - 1) + ":"
        head, *others = [cell.ljust(width) if words else cell.rjust(width) for cell in cells]
        return [head, rule, *others]


@dataclass(frozen=True)
class Plot:
    """A plot: one line or row of bars per series, each a list of places and heights."""

    name: str
    title: str
    x: str
    y: str
    series: dict[str, list[tuple[float | str, float]]] = field(default_factory=dict)
    log_x: bool = False
    bars: bool = False


RATE = Column("batches/s", "rate")
WORKER = Column("worker, µs CPU", "worker_us", "{:.1f}")
REDIS = Column("Redis, µs CPU", "redis_us", "{:.1f}")
SCRIPTS = Column("in scripts, µs", "scripts_us", "{:.1f}")
BROKER = Column("broker, µs CPU", "broker_us", "{:.1f}")
COSTS = (RATE, WORKER, REDIS, SCRIPTS, BROKER)
"""What a record costs; the time in scripts is of the clock, so on a busy machine it is longer."""


def ratios(reference: str) -> tuple[Column, ...]:
    """Return rate and CPU as ratios to those of *reference*."""
    return (
        Column(f"rate / {reference}", "rate", "{:.3g}", reference),
        Column(f"worker / {reference}", "worker_us", "{:.3g}", reference),
    )


def table(
    measurements: Iterable[Measurement], head: str, columns: Sequence[Column], title: str = ""
) -> Table:
    """Return a row for each subject, in the order in which they came first."""
    every = list(measurements)
    subjects = list(dict.fromkeys(one.subject for one in every))
    rows = [[name, *(cell(every, name, column) for column in columns)] for name in subjects]
    return Table([head, *(column.title for column in columns)], rows, title)


def cell(measurements: Sequence[Measurement], subject: str, column: Column) -> str:
    """Return one median as it is shown; a dash where there is nothing to show."""
    found = (
        ratio(measurements, subject, column.reference, column.value)
        if column.reference
        else median(measurements, subject, column.value)
    )
    return "-" if found is None else column.form.format(found)


def median(measurements: Iterable[Measurement], subject: str, value: str) -> float | None:
    """Return the median of a subject's value over its rounds."""
    found = [
        one.values[value] for one in measurements if one.subject == subject and value in one.values
    ]
    return statistics.median(found) if found else None


def ratio(
    measurements: Iterable[Measurement], subject: str, reference: str, value: str
) -> float | None:
    """Return the median over the rounds of a subject's value by that of *reference*."""
    every = list(measurements)
    by_round = {one.round: one.values for one in every if one.subject == reference}
    found = [
        one.values[value] / by_round[one.round][value]
        for one in every
        if one.subject == subject
        and value in one.values
        and by_round.get(one.round, {}).get(value, 0) > 0
    ]
    return statistics.median(found) if found else None


def points(measurements: Iterable[Measurement], value: str) -> list[tuple[float | str, float]]:
    """Return subjects and medians, subjects that are numbers as numbers."""
    every = list(measurements)
    found = []
    for name in dict.fromkeys(one.subject for one in every):
        middle = median(every, name, value)
        if middle is not None:
            found.append((as_number(name), middle))
    return found


def cpu(
    measurements: Iterable[Measurement], *who: str
) -> dict[str, list[tuple[float | str, float]]]:
    """Return the CPU of a record by who used it: worker, Redis, broker."""
    every = list(measurements)
    return {name: sorted_places(points(every, f"{name.lower()}_us")) for name in who}


def sorted_places(
    found: list[tuple[float | str, float]],
) -> list[tuple[float | str, float]]:
    """Return points from left to right, where their places are numbers."""
    if all(isinstance(place, float) for place, _ in found):
        return sorted(found, key=lambda point: float(point[0]))
    return found


def as_number(text: str) -> float | str:
    """Return what a subject such as ``10,000 users`` begins with, if that is a number."""
    try:
        return float(text.split(maxsplit=1)[0].replace(",", ""))
    except ValueError:
        return text
