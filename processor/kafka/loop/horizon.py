"""How far the clock may go: to an instant up to which every record is decided, whoever read it.

    At a moment t the cluster is asked for the end of every input partition. Once the group's
    committed offsets have reached all of these, everything that had been appended by t is decided,
    and what is due by t less a grace may be done.

So a lag lets the clock follow later, and it stands where nobody reads a partition, where Kafka does
not answer, and where no input has a record of late: then it is rather producers that are away than
people.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeVar

import structlog
from confluent_kafka import KafkaException
from msgspec import Struct

from processor.kafka.clock import Clock
from processor.kafka.loop.inputs import Ends, Inputs, Question
from processor.records import RowKey

Held = Literal["lag", "silence", "unanswered"]
"""Why the clock stands: records wait, no input has one of late, or Kafka does not answer."""

ASK_S: Final = 5.0
"""How often it is asked anew where partitions end, at most."""
COMMITTED_S: Final = 1.0
"""How often it is asked where the group stands, while that is behind."""

log = structlog.get_logger()
_Found = TypeVar("_Found")


class HorizonPace(Struct, frozen=True):
    """The settings of a horizon (docs/architecture.md, "The clock")."""

    grace_s: float = 10
    """How long records may be under way to Kafka."""
    max_silence_s: float = 86_400
    """After how long without any record the clock stands still; 0: it never does."""


class Horizon:
    """Asks one question at a time and waits for none: ``look`` is called again and again."""

    def __init__(self, inputs: Inputs, pace: HorizonPace, clock: Clock) -> None:
        self._inputs = inputs
        self._pace = pace
        self._now, self._wall = clock.now, clock.wall
        self._as_of_ms = 0
        self._asked_ms = 0
        self._ends: Ends | None = None
        self._question: Callable[[], bool] | None = None
        self._next_ends_at = self._next_committed_at = 0.0
        self._since: float | None = None
        self._why: Held = "unanswered"

    def look(self) -> int:
        """Return up to which instant, in milliseconds, everything is decided; 0: not known.

        Goes on with what is being asked, or asks anew.
        """
        if self._since is None:
            self._since = self._now()
        before = self._as_of_ms
        if self._question is None:
            self._ask()
        if self._question is not None:
            self._go_on(self._question)
        if self._as_of_ms > before:
            self._since = self._now()
        return self._as_of_ms

    def rest(self) -> None:
        """Note that nobody wants to know at present: the clock stands in nobody's way."""
        self._since = None

    def held(self) -> tuple[Held, float]:
        """Return for how many seconds the clock has stood while it was wanted, and why."""
        return self._why, 0.0 if self._since is None else self._now() - self._since

    def _ask(self) -> None:
        now = self._now()
        if self._ends is not None:
            if now >= self._next_committed_at:
                self._next_committed_at = now + COMMITTED_S
                self._question = _asking(self._inputs.committed(self._ends.ends), self._compare)
        elif now >= self._next_ends_at:
            self._next_ends_at = now + ASK_S
            self._asked_ms = round(self._wall() * 1000)
            silence_ms = round(self._pace.max_silence_s * 1000)
            since_ms = self._asked_ms - silence_ms if silence_ms else None
            self._question = _asking(self._inputs.ends(since_ms), self._told_ends)

    def _go_on(self, question: Callable[[], bool]) -> None:
        try:
            is_answered = question()
        except KafkaException as failure:
            log.warning("clock_unanswered", kind=failure.args[0].name())
            self._why, self._ends, self._question = "unanswered", None, None
            return
        if is_answered and self._question is question:
            self._question = None

    def _told_ends(self, ends: Ends) -> None:
        if ends.is_silent:
            self._why = "silence"
        else:
            self._ends = ends

    def _compare(self, committed: Mapping[RowKey, int]) -> None:
        assert self._ends is not None
        if any(committed.get(key, -1) < end for key, end in self._ends.ends.items() if end > 0):
            self._why = "lag"
            return
        self._ends = None
        self._why = "unanswered"
        self._as_of_ms = max(self._as_of_ms, self._asked_ms - round(self._pace.grace_s * 1000))


def _asking(question: Question[_Found], told: Callable[[_Found], None]) -> Callable[[], bool]:
    """Return what goes on with *question*, hands its answer to *told*, and says whether it did."""

    def go_on() -> bool:
        try:
            next(question)
        except StopIteration as end:
            told(end.value)
            return True
        return False

    return go_on
