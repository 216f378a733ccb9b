"""Named crash points: where a test can make a process die or freeze (docs/operations.md).

A random kill rarely hits the millisecond that matters. ``IDSTREAM_CRASH_AT=POINT[:N]`` kills the
process at its N-th passage of a point, ``IDSTREAM_STOP_AT=POINT[:N]`` freezes it there,
``IDSTREAM_CRASH_ON=TOPIC/PARTITION/OFFSET`` kills it when it is about to decode that record. With
none set, passing a point is an empty function call per poll batch.
"""

import os
import signal
from collections.abc import Callable, Mapping, Sequence

from processor.records import Record

POINTS = {
    "after_consume": "A poll batch was taken from Kafka; nothing was done with it.",
    "before_index_commit": "A batch is decided; the index does not know of it.",
    "after_index_commit": "The index holds a batch's effects; Kafka does not know of it.",
    "after_trim": "Journals of committed transactions were trimmed.",
    "sweep_appended": "Sweeps are in the open transaction; it is not committed.",
    "before_sweep_commit": "A sweep is worked out; the index does not know of it.",
    "after_sweep_commit": "The index holds what a sweep did; Kafka does not know of it.",
    "before_produce": "A batch is processed; none of its outputs were handed to the producer.",
    "after_produce": "A batch's outputs are in the open transaction.",
    "import_produced": "Rows of `import` are in the open transaction, their position is not.",
    "before_import_commit": "Rows of `import` and their position are in a transaction.",
    "before_send_offsets": "A transaction holds all outputs and none of its offsets.",
    "before_kafka_commit": "A transaction holds outputs and offsets; its commit was not asked for.",
    "after_kafka_commit": "Kafka committed; nothing in this process has noted it.",
    "before_claim": "Partitions are assigned; their rows are not claimed in the index.",
    "after_claim": "Rows are claimed in the index; their partitions are not started.",
    "before_start": "First offsets of new partitions are committed; they are not started.",
    "before_revoke": "Partitions are to be given up; the open transaction is not committed.",
    "after_revoke": "The last transaction of partitions committed; they are not given up yet.",
    "in_rewind": "A transaction was aborted; positions are not read again.",
    "restore_begun": "A restore has begun generations; they hold nothing.",
    "restore_reading": "A restore has written a batch of profiles into its generations.",
    "restore_published": "A restore has published a slice of its changes; nothing is switched.",
    "before_restore_switch": "A restore has built all generations; none is live.",
    "after_restore_switch": "A restore has switched one space; the others are as they were.",
    "restore_deleting": "A restore has deleted a slice of a generation that nobody needs.",
    "in_recompute": "A recompute has appended some of its sweeps; others are to follow.",
    "replay_produced": "A replay has put letters into its transaction, no position yet.",
    "before_replay_commit": "A replay's transaction holds letters and positions, uncommitted.",
}


class NoSuchPoint(Exception):
    """A variable names no crash point, or no passage of it; the message lists the points."""


class CrashPoints:
    """Kills or freezes this process where *environ* says so."""

    reach: Callable[[str], None]
    """Called with a point's name each time that it is passed."""
    look: Callable[[Sequence[Record]], None]
    """Called with the records of a poll batch before they are decoded."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._deadly: dict[str, tuple[int, int]] = {}
        self._passages: dict[str, int] = {}
        for variable, number in (
            ("IDSTREAM_CRASH_AT", signal.SIGKILL),
            ("IDSTREAM_STOP_AT", signal.SIGSTOP),
        ):
            if text := environ.get(variable):
                point, nth = _parsed(variable, text)
                self._deadly[point] = (nth, number)
        self.reach = self._count if self._deadly else _pass
        self._deadly_record = environ.get("IDSTREAM_CRASH_ON", "")
        self.look = self._compare if self._deadly_record else _overlook

    def _count(self, point: str) -> None:
        assert point in POINTS, point
        if point not in self._deadly:
            return
        self._passages[point] = self._passages.get(point, 0) + 1
        nth, number = self._deadly[point]
        if self._passages[point] == nth:
            os.kill(os.getpid(), number)

    def _compare(self, records: Sequence[Record]) -> None:
        for record in records:
            if f"{record.topic}/{record.partition}/{record.offset}" == self._deadly_record:
                os.kill(os.getpid(), signal.SIGKILL)


def _pass(_point: str) -> None:
    """Do nothing: no crash point is set."""


def _overlook(_records: Sequence[Record]) -> None:
    """Do nothing: no record is set to kill the process."""


def _parsed(variable: str, text: str) -> tuple[str, int]:
    point, _, nth = text.partition(":")
    if point not in POINTS:
        raise NoSuchPoint(f"{variable}: no crash point {point!r}; there are {', '.join(POINTS)}")
    if nth and (not nth.isdecimal() or int(nth) == 0):
        raise NoSuchPoint(f"{variable}: {nth!r} is not a count of passages")
    return point, int(nth or 1)
