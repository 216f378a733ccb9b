"""Waiting for what will be true soon, with a deadline instead of a sleep."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(probe: Callable[[], T], within: float = 30.0, every: float = 0.05) -> T:
    """Call *probe* until what it returns is true, and return that; fail after *within* seconds.

    An AssertionError of *probe* counts as "not yet" and is shown if time runs out.
    """
    deadline = time.monotonic() + within
    while True:
        failure: AssertionError | None = None
        try:
            if found := probe():
                return found
        except AssertionError as error:
            failure = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {failure or probe}") from failure
        time.sleep(every)
