"""Time as the loop and the commands see it: handed to them, so that a test can play it."""

import time
from collections.abc import Callable

from msgspec import Struct


class Clock(Struct, frozen=True):
    """Seconds that only grow, and a way to let some pass."""

    now: Callable[[], float] = time.monotonic
    """Seconds since some moment; only differences mean anything."""
    wall: Callable[[], float] = time.time  # noqa: TID251 - this is the clock that others take
    """Seconds since 1970, to be compared with records' timestamps."""
    sleep: Callable[[float], None] = time.sleep
    """Returns after so many seconds."""
