"""What rows would become over a snapshot of profiles: the pipeline of ``resolve`` decides them."""

from collections import Counter
from typing import Final

import msgspec

from processor.commands.imports.options import ImportOptions
from processor.commands.offline.resolve import load_index, offline_pipeline
from processor.imports.verdict import Taken
from processor.kafka.clock import Clock
from processor.records import Record
from processor.settings import Settings

_ORDER: Final = ("created", "changed", "unchanged")


class Outcomes:
    """Counts what becomes of rows."""

    def __init__(self, settings: Settings, options: ImportOptions) -> None:
        index = load_index(settings, options.against)
        self._pipeline = offline_pipeline(settings, index)
        self._headers = (("input", options.input.encode()),)
        self._now_ms = int(Clock().wall() * 1000)
        self._offset = 0
        self._counts: Counter[str] = Counter()

    def add(self, row: Taken) -> None:
        """Decide a row over what the rows before it have made."""
        record = Record(
            topic="batches",
            partition=0,
            offset=self._offset,
            timestamp_ms=self._now_ms,
            key=row.key,
            value=row.value,
            headers=self._headers,
        )
        self._offset += 1
        (settled,) = self._pipeline.settle([record])
        self._pipeline.committed()
        outcome = settled.outcome
        if outcome.name != "stored":
            reason = f" ({outcome.reason})" if outcome.reason else ""
            self._counts[f"{outcome.name}{reason}"] += 1
            return
        told = msgspec.json.decode(settled.resolution or b"{}")
        if told.get("outcome") == "created":
            self._counts["created"] += 1
        else:
            self._counts["changed" if settled.profiles else "unchanged"] += 1

    def facts(self) -> list[tuple[str, str]]:
        """Return the counts as lines of a table."""
        names = [*_ORDER, *sorted(self._counts.keys() - set(_ORDER))]
        return [(f"would be {name}", f"{self._counts[name]:,}") for name in names]
