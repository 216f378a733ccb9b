"""Signals: what SIGTERM and Ctrl-C mean to a command that goes on until it is told to stop."""

import signal
from threading import Event


def stopped_by_signals() -> Event:
    """Return an event that SIGTERM and SIGINT set: what is in hand is finished first."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
