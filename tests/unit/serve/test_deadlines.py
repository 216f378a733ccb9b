"""What takes too long is given up, and only that."""

import asyncio

import pytest

from processor.serve.deadlines import Deadlines


async def never() -> None:
    await asyncio.get_running_loop().create_future()


async def soon(result: int) -> int:
    await asyncio.sleep(0)
    return result


def test_what_takes_too_long_is_given_up_and_the_caller_goes_on():
    async def run() -> list[object]:
        deadlines = Deadlines(0.001)

        async def one(work: object) -> object:
            try:
                return await deadlines.within(0.002, work)
            except TimeoutError:
                return await deadlines.within(60, soon(7))

        return await asyncio.gather(one(never()), one(soon(1)), one(never()))

    assert asyncio.run(run()) == [7, 1, 7]


def test_who_is_cancelled_by_others_is_not_late():
    async def run() -> None:
        deadlines = Deadlines(0.001)
        task = asyncio.create_task(deadlines.within(60, never()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_errors_of_the_work_are_those_of_the_caller():
    async def broken() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        asyncio.run(Deadlines(0.001).within(60, broken()))
