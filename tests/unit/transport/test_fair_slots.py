"""The semaphore that is fair between flows."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piriod_async.transport.fair_slots import FairSlots
from tests.support.tasks import settle, until
from tests.support.workers import Workers

pytestmark = pytest.mark.usefixtures("no_leaks")


@asynccontextmanager
async def workers_of(capacity):
    """Yield workers of slots, all of which must be available again at the end."""
    slots = FairSlots(capacity)
    workers = Workers(slots)
    yield workers
    await workers.finish()
    assert slots.available == slots.capacity == capacity


async def test_fifo():
    """Within one flow, slots are granted first in, first out, and no more than there are."""
    async with workers_of(3) as workers:
        workers.start(10)
        await settle()
        assert workers.entered == [0, 1, 2]
        for last in range(3, 10):
            workers.let_go()
            await settle()
            assert workers.entered == list(range(last + 1))


async def test_no_barging():
    """A released slot goes to the task that waits, not to one that asks at that moment."""
    async with workers_of(1) as workers:
        workers.start(2)
        await settle()
        workers.let_go()
        await until(workers.tasks[0].done)
        workers.start()
        workers.let_go(2)
        await settle()
        assert workers.entered == [0, 1, 2]


async def test_round_robin():
    """A lookup waits for one request of each listing, not for all that they have queued."""
    async with workers_of(1) as workers:
        workers.start(4, flow="listing")
        workers.start(3, flow="another listing")
        workers.start(1, flow="lookup")
        await settle()
        for _ in range(7):
            workers.let_go()
            await settle()
        assert workers.entered == [0, 1, 4, 7, 2, 5, 3, 6]


async def test_cancelled_waiter_keeps_its_flows_turn():
    """A cancelled waiter is skipped, and the next one of its flow takes its slot."""
    async with workers_of(1) as workers:
        workers.start(1, flow="holder")
        workers.start(2, flow="listing")
        workers.start(1, flow="lookup")
        await settle()
        workers.tasks[1].cancel()
        await settle()
        workers.let_go()
        await settle()
        assert workers.entered == [0, 2]


async def test_cancelled_as_granted():
    """A slot that was granted to a task in the iteration of its cancellation goes to the next task."""
    async with workers_of(1) as workers:
        workers.start(3)
        await settle()
        workers.let_go()
        await until(workers.tasks[0].done)
        workers.tasks[1].cancel()  # it was granted the slot, and has not run since
        await settle()
        assert workers.entered == [0, 2]


@given(capacity=st.integers(1, 3), flows=st.lists(st.sampled_from("abc"), max_size=8), data=st.data())
def test_cancelled_anywhere(capacity, flows, data):
    """Whichever tasks are cancelled, no slot is lost, and every other task gets one."""
    cancelled = data.draw(st.sets(st.integers(0, len(flows) - 1))) if flows else set()

    async def main():
        async with workers_of(capacity) as workers:
            for flow in flows:
                workers.start(flow=flow)
            await settle()
            for name in cancelled:
                workers.tasks[name].cancel()
            await settle()
            workers.let_go(len(flows))
            await settle()
            assert set(workers.entered) == set(range(len(flows))) - cancelled | set(range(min(capacity, len(flows))))
            assert {name for name, task in enumerate(workers.tasks) if task.cancelled()} == cancelled

    asyncio.run(main())
