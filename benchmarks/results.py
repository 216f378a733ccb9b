"""What a benchmark measured, kept until the page is written: `.cache/benchmarks/NAME.json`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from benchmarks.outside import ROOT
from benchmarks.table import Measurement

FOLDER = ROOT / ".cache" / "benchmarks"


@dataclass(frozen=True)
class Result:
    """One run of one benchmark, and under what conditions it was made."""

    name: str
    commit: str
    day: str
    machine: str
    versions: str
    cores: int
    form: str
    load_before: float
    """The machine's load average when it began."""
    load_after: float
    measurements: list[Measurement]

    @property
    def is_disturbed(self) -> bool:
        """Return whether others had more to do on the machine than a benchmark has by itself."""
        return self.load_before > 3 * self.cores

    def save(self, folder: Path = FOLDER) -> None:
        """Keep it, in place of an earlier one of the same form."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}-{self.form}.json"
        path.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return what was kept."""
        kept = json.loads(path.read_text())
        kept["measurements"] = [Measurement(**one) for one in kept["measurements"]]
        return cls(**kept)


def latest(name: str, folder: Path = FOLDER) -> Result | None:
    """Return the run of a benchmark that the page shows: the long one, if there is one."""
    for form in ("long", "short"):
        path = folder / f"{name}-{form}.json"
        if path.exists():
            return Result.read(path)
    return None
