"""Where else data of people is who ask to be forgotten: told in receipts, judged by ``check``."""

from collections.abc import Callable, Iterator, Mapping
from threading import Event, Thread
from typing import Final

from confluent_kafka import KafkaException

from processor.kafka.asking import Unreachable
from processor.kafka.keeping import Keeping, keepings
from processor.kafka.topics import COMPACTED
from processor.privacy.receipt import Residue
from processor.rules import INPUT_ROLES
from processor.settings import KafkaSettings
from processor.settings.advice import Advice

HOLDING: Final = (*INPUT_ROLES, "enriched", "responses", "dead_letters", "audience_changes")
"""Topics that may hold what identifies a person, for as long as they keep it."""
READ_AGAIN: Final = (*INPUT_ROLES, "dead_letters")
"""Topics whose records may come in once more."""
APPEND_ONLY_FILE: Final = "redis append-only file"
HOUR_S: Final = 3600.0
_DAY_MS: Final = 86_400_000
_WEEK_MS: Final = 7 * _DAY_MS


def holding(kafka: KafkaSettings) -> Iterator[tuple[str, str]]:
    """Yield role and name of each topic that may hold what identifies a person."""
    roles = [(role, name) for name, role in kafka.topics.roles.items()]
    for role, name in (*roles, *kafka.topics.outputs.items()):
        if role in HOLDING or role in COMPACTED:
            yield role, name


def advice(role: str, keeping: Keeping, record_ms: int) -> Iterator[Advice]:
    """Yield what of a topic of *role* is unwise while people may ask to be forgotten.

    *record_ms*: for how long it is known who was.
    """
    kept = keeping.gone_by(0)
    if role in COMPACTED and (kept is None or kept > _WEEK_MS):
        text = "max.compaction.lag.ms is longer than a week: so long old versions may hold people"
        yield Advice("topics.compaction", f"{text} who were erased; set {_WEEK_MS}")
    if role not in HOLDING:
        return
    if kept is None:
        text = "retention.ms has no end: it holds people who were erased for ever"
        yield Advice("topics.erasure", text)
    elif role in READ_AGAIN and kept > record_ms:
        days = -(-kept // _DAY_MS)
        text = f"keeps records for up to {days} days, longer than privacy.record_days"
        yield Advice("topics.erasure", f"{text}: read again then, they bring the erased back")


class Residues:
    """What the cluster said last of how long topics keep what they hold; asked each hour."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._topics = [name for _, name in holding(kafka)]
        self._known: Mapping[str, Keeping] = {}
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="residues", daemon=True)

    def start(self) -> Callable[[], None]:
        """Ask now, and from then on beside the loop; return what ends it."""
        self.ask()
        self._thread.start()
        return self._stopped.set

    def at(self, now_ms: int) -> tuple[Residue, ...]:
        """Return where data of a person that came by an instant may still be, and until when."""
        known = self._known
        told = [
            Residue(name, known[name].gone_by(now_ms) if name in known else None)
            for name in self._topics
        ]
        return (*told, Residue(APPEND_ONLY_FILE, None))

    def ask(self) -> None:
        """Ask the cluster; what it said before stays where it does not answer."""
        try:
            self._known = keepings(self._kafka, self._topics)
        except (KafkaException, Unreachable):
            return

    def _run(self) -> None:
        while not self._stopped.wait(HOUR_S):
            self.ask()
