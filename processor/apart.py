"""Calls that may not be answered: left behind after a while, or made again until they are."""

from collections.abc import Callable
from threading import Thread
from typing import TypeVar

_Answer = TypeVar("_Answer")
_Failure = TypeVar("_Failure", bound=Exception)


def apart(call: Callable[[], _Answer], seconds: float, name: str) -> _Answer:
    """Return what *call* returns, or raise what it raises; TimeoutError after *seconds*.

    For calls of libraries that may never return: *call* is made in a thread called *name*. After a
    TimeoutError that thread is still inside the call, so what it uses must not be used any more.
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


def until_answered(
    ask: Callable[[], _Answer], unavailable: type[_Failure], waits: Callable[[_Failure], bool]
) -> _Answer | None:
    """Return what *ask* returns, asking again after each failure of the type *unavailable*.

    *waits* is called with the failure: it pauses and returns True to ask again, returns False to
    give up (then None is returned), or raises what must not be waited for.
    """
    while True:
        try:
            return ask()
        except unavailable as failure:
            if not waits(failure):
                return None
