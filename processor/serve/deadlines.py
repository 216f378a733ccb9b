"""Deadlines: what takes too long is given up, and a timer of its own for each is not needed."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class Deadlines:
    """Gives up what takes too long, up to *tick_s* later; for one event loop.

    As ``asyncio.timeout``, but for requests that nearly always end in time: it looks at all of them
    now and then.
    """

    def __init__(self, tick_s: float) -> None:
        self._tick_s = tick_s
        self._due: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def within(self, seconds: float, work: Awaitable[_Result]) -> _Result:
        """Return what *work* returns; TimeoutError where that takes longer than *seconds*."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._due[task] = loop.time() + seconds
        if self._timer is None:
            self._timer = loop.call_later(self._tick_s, self._look, loop)
        try:
            return await work
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            task.uncancel()
            raise TimeoutError from None
        finally:
            self._due.pop(task, None)
            self._late.discard(task)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for task in [task for task, due in self._due.items() if due <= now]:
            del self._due[task]
            self._late.add(task)
            task.cancel()
        # Nobody is left: nobody needs to be looked after.
        self._timer = loop.call_later(self._tick_s, self._look, loop) if self._due else None
