"""Iterators that `async with` closes."""

import asyncio

import pytest
from attrs import define, field

from piriod_async.pagination.scoped import ScopedIterable


@define(eq=False)
class Numbers(ScopedIterable):
    """Counts without end.

    Attributes:
        closed: Start of each iteration that was closed.
    """

    closed: list = field(factory=list)

    def count_from(self, start):
        return self._register(self._count(start))

    async def _count(self, number):
        start = number
        try:
            while True:
                yield number
                number += 1
        finally:
            await asyncio.sleep(0)
            self.closed.append(start)


async def test_close():
    """All iterations that were started inside the block are closed when it exits."""
    async with Numbers() as numbers:
        first, second = numbers.count_from(1), numbers.count_from(2)
        assert [await anext(first), await anext(first), await anext(second)] == [1, 2, 2]
        assert numbers.closed == []
    assert sorted(numbers.closed) == [1, 2]


async def test_without_block():
    """Without the block, the caller closes the iteration."""
    numbers = Numbers()
    iterator = numbers.count_from(1)
    async with numbers:
        assert await anext(iterator) == 1
    assert numbers.closed == []
    await iterator.aclose()


async def test_nested():
    """An inner block closes the iterations started in it, and no others."""
    async with Numbers() as numbers:
        outer = numbers.count_from(1)
        await anext(outer)
        async with numbers:
            await anext(numbers.count_from(2))
        assert numbers.closed == [2]
        assert await anext(outer) == 2
    assert numbers.closed == [2, 1]


async def test_tasks():
    """A block closes the iterations of its own task; the iteration of another task goes on."""
    numbers, entered, may_exit = Numbers(), asyncio.Event(), asyncio.Event()

    async def iterate():
        async with numbers:
            iterator = numbers.count_from(2)
            await anext(iterator)
            entered.set()
            await may_exit.wait()
            return await anext(iterator)

    async with numbers:
        other = asyncio.create_task(iterate())
        await entered.wait()
        await anext(numbers.count_from(1))
    assert numbers.closed == [1]
    may_exit.set()
    assert await other == 3
    assert numbers.closed == [1, 2]


async def test_exit_in_another_task():
    """A block that another task exits, as an exit stack or a fixture may, is closed as well."""
    numbers = Numbers()

    async def enter():
        await numbers.__aenter__()
        await anext(numbers.count_from(1))

    await asyncio.create_task(enter())
    await numbers.__aexit__(None, None, None)
    assert numbers.closed == [1]


async def test_running():
    """A generator that another task iterates over at that moment is left to it."""
    waiting, may_continue = asyncio.Event(), asyncio.Event()

    async def wait():
        waiting.set()
        await may_continue.wait()
        yield 1

    async with Numbers() as numbers:
        iterator = numbers._register(wait())
        other = asyncio.create_task(anext(iterator))
        await waiting.wait()
    may_continue.set()
    assert await other == 1
    await iterator.aclose()


async def test_finished():
    """A block does not keep the iterations that have ended."""
    async with Numbers() as numbers:
        for start in range(5):
            iterator = numbers.count_from(start)
            await anext(iterator)
            await iterator.aclose()
        [scope] = numbers._scopes
        assert len(scope.generators) == 1
    assert not numbers._scopes


async def test_not_entered():
    """Exiting a block that was not entered is an error."""
    with pytest.raises(RuntimeError, match=r"Numbers\.__aexit__\(\) was called without __aenter__\(\)"):
        await Numbers().__aexit__(None, None, None)
