"""Whether a server answers: since when it does not, why, and what the log says of that."""

from collections.abc import Callable
from typing import Final, Literal

from processor.watch.logs import Log

Server = Literal["kafka", "redis"]
NAMES: Final[dict[Server, str]] = {"kafka": "Kafka", "redis": "Redis"}
REMINDER_S: Final = 60.0
"""How often the log says again that a server is waited for."""


class Contact:
    """The contact to one server, as the last answer or failure left it.

    A change of state is told to *heard* (1: it answers, 0: not) and logged at once; a failure that
    lasts is logged once a minute. The loop's thread writes; others may ask ``missing``.
    """

    def __init__(
        self,
        to: Server,
        address: str,
        log: Log,
        now: Callable[[], float],
        heard: Callable[[float], None],
    ) -> None:
        self._to = to
        self._address = address
        self._log = log
        self._now = now
        self._heard = heard
        self._away: tuple[float, str] | None = None
        self._told_at = 0.0
        self.heard_at: float | None = None
        """When the server last answered or failed to; None before."""

    @property
    def is_lost(self) -> bool:
        """Return whether the last that was heard is a failure."""
        return self._away is not None

    def answered(self) -> None:
        """Note an answer."""
        now = self._now()
        if self.heard_at is None or self._away is not None:
            self._heard(1)
        self.heard_at = now
        if self._away is not None:
            away_s = round(now - self._away[0])
            self._away = None
            self._log.info(f"{self._to}_answers", address=self._address, away_s=away_s)

    def failed(self, reason: str) -> None:
        """Note that the server did not answer; *reason* names no record's content."""
        now = self.heard_at = self._now()
        since = now if self._away is None else self._away[0]
        is_news = self._away is None
        self._away = since, reason
        if is_news:
            self._heard(0)
        if is_news or now - self._told_at >= REMINDER_S:
            self._told_at = now
            self._log.warning(
                f"waiting_for_{self._to}",
                address=self._address,
                reason=reason,
                since_s=round(now - since),
            )

    def missing(self) -> str:
        """Return in words that the server does not answer; '' where it does, or was not asked."""
        away = self._away
        if away is None:
            return ""
        since, reason = away
        return f"{NAMES[self._to]} does not answer since {self._now() - since:.0f} s ({reason})"
