"""Calls that may not be answered: left behind after a while, or made again until they are."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar

_Answer = TypeVar("_Answer")
_Failure = TypeVar("_Failure", bound=Exception)


def apart(call: Callable[[], _Answer], seconds: float, name: str) -> _Answer:
    """Return what *call* returns, or raise what it raises; TimeoutError after *seconds*.

    For calls of libraries that may never return: *call* is made in a thread called *name*. After a
    TimeoutError that thread is still inside the call, so what it uses must not be used any more.
    """
    made = begun(call, name)
    if not wait([made], max(0.0, seconds)).done:
        raise TimeoutError(name)
    return made.result()


def begun(call: Callable[[], _Answer], name: str) -> Future[_Answer]:
    """Make *call* in a thread called *name*, and return at once what will have its answer.

    The process does not wait for that thread when it ends.
    """
    made: Future[_Answer] = Future()

    def run() -> None:
        try:
            made.set_result(call())
        except Exception as failure:  # noqa: BLE001 - raised where the answer is asked for
            made.set_exception(failure)

    Thread(target=run, name=name, daemon=True).start()
    return made


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
