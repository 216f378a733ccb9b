"""How long a benchmark may take: the short form of minutes, the long one of hours."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Form:
    """The form that was asked for."""

    long: bool = False
    rounds: int = 2
    seconds: float = 3.0
    """How long each measurement looks."""

    def records(self, short: int, long: int) -> int:
        """Return how many records a load needs, such that its rounds do not run dry."""
        return long if self.long else short


SHORT = Form()
LONG = Form(long=True, rounds=5, seconds=20.0)
