"""Two processors at one time over one index, each with partitions of its own."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any, TypeVar

from msgspec.structs import replace

from processor.index.port import Assignment, Index
from processor.pipeline.pipeline import Parts, Pipeline
from processor.pipeline.work import Settled
from processor.records import Record, RowKey
from tests.contract.test_erasure import settings_in

ROLES = ("batches", "requests", "privacy", "clock")
One, Other = TypeVar("One"), TypeVar("Other")


class Processor:
    """A processor that owns *rows*; one thread uses it."""

    def __init__(self, index: Index, folder: Path, configuration: str, *rows: RowKey) -> None:
        folder.mkdir()
        settings = settings_in(folder, configuration)
        self._pipeline = Pipeline(
            Parts(
                rules=replace(settings.rules(), roles={name: name for name in ROLES}),
                spaces=settings.space_rules(),
                index=index,
                owner="both",
                key=b"key",
                computed=settings.computed,
            )
        )
        self._offsets = dict.fromkeys(rows, 0)
        self._pipeline.assign([Assignment(*row, row.topic, None, "") for row in rows], [])

    def take(self, row: RowKey, time_ms: int, value: bytes | Mapping[str, Any]) -> Settled:
        """Take the next record of *row* in, and commit."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        record = Record(*row, self._offsets[row], time_ms, None, body)
        self._offsets[row] += 1
        (settled,) = self._pipeline.settle([record])
        self._pipeline.committed()
        self._pipeline.idle()
        return settled


def at_once(
    rounds: int, one: Callable[[int], One], other: Callable[[int], Other]
) -> list[tuple[One, Other]]:
    """Return what *one* and *other* return for each number, called at the same moment."""
    barrier = Barrier(2)

    def all_of(do: Callable[[int], Any]) -> list[Any]:
        found = []
        try:
            for number in range(rounds):
                barrier.wait(60)
                found.append(do(number))
        except BaseException:
            barrier.abort()
            raise
        return found

    with ThreadPoolExecutor(2) as pool:
        ones, others = pool.submit(all_of, one), pool.submit(all_of, other)
        return list(zip(ones.result(), others.result(), strict=True))
