"""Calls of libraries that may never return: made in a thread that can be left behind."""

from collections.abc import Callable
from threading import Thread
from typing import TypeVar

_Answer = TypeVar("_Answer")


def apart(call: Callable[[], _Answer], seconds: float, name: str) -> _Answer:
    """Return what *call* returns, or raise what it raises; TimeoutError after *seconds*.

    Then its thread, *name*, goes on by itself: what it holds is not to be used any more.
    """
    answers: list[_Answer] = []
    failures: list[Exception] = []

    def run() -> None:
        try:
            answers.append(call())
        except Exception as failure:  # noqa: BLE001 - raised below, in the thread that waits
            failures.append(failure)

    thread = Thread(target=run, name=name, daemon=True)
    thread.start()
    thread.join(max(0.0, seconds))
    if failures:
        raise failures[0]
    if not answers:
        raise TimeoutError(name)
    return answers[0]
