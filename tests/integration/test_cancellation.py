"""Cancellation at every `await` of a listing leaves nothing behind."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path

import pytest

import piriod_async
from piriod_async import RetryPolicy
from piriod_async.testing.mock_server import MockServer

pytestmark = pytest.mark.usefixtures("no_leaks")

PACKAGE = str(Path(piriod_async.__file__).parent)
SIZES = {"acc_1": 75, "acc_2": 8, "acc_3": 30}


class CancelAt:
    """A task factory that counts how often the tasks of a listing suspend, and cancels the consumer at one of those."""

    def __init__(self, step):
        self.step, self.taken, self.tasks, self.consumer = step, 0, [], None

    def __call__(self, loop, coro, **options):
        file = coro.cr_code.co_filename
        if not file.startswith((PACKAGE, __file__)) or "mock_server" in file:
            return asyncio.Task(coro, loop=loop, **options)
        self.tasks.append(asyncio.Task(CountedCoroutine(coro, self), loop=loop, **options))
        return self.tasks[-1]

    def count(self):
        self.taken += 1
        if self.taken == self.step:
            self.consumer.cancel()


class CountedCoroutine(Coroutine):
    """A coroutine that reports when it suspends."""

    def __init__(self, coro, cancel_at):
        self.coro, self.cancel_at = coro, cancel_at

    def send(self, value):
        awaited = self.coro.send(value)
        self.cancel_at.count()
        return awaited

    def throw(self, *error):
        awaited = self.coro.throw(*error)
        self.cancel_at.count()
        return awaited

    def close(self):
        self.coro.close()

    def __await__(self):
        raise NotImplementedError


async def read_customers(piriod, **query):
    async for _ in piriod.customers(page_size=10, **query):
        pass


async def read_pages(piriod):
    async with piriod.customers(page_size=10) as listing:
        async for _ in listing.pages():
            await asyncio.sleep(0)


async def read_workspaces(piriod):
    async with piriod.across(SIZES, page_size=10) as listing:
        async for _ in listing:
            await asyncio.sleep(0)


async def break_early(piriod):
    async with piriod.across(SIZES, page_size=10) as listing:
        async for _, customer in listing:
            if customer.id.endswith("0"):
                break


CONSUMERS = {
    "by created": read_customers,
    "with an await in the loop": read_pages,
    "by page number": lambda piriod: read_customers(piriod, ordering=None),
    "across": read_workspaces,
    "break": break_early,
}


@pytest.mark.parametrize("consume", CONSUMERS.values(), ids=CONSUMERS)
async def test_every_await(consume):
    """Each time, all tasks end, and slots, connections and pending requests are released."""
    loop = asyncio.get_running_loop()
    retry = RetryPolicy(wait_initial=0, attempts=20)
    async with MockServer(SIZES) as server, server.session(concurrency=3, retry=retry) as piriod:
        await piriod.customers().count()
        state, step, cancelled = piriod._transport._loop_state, 0, True
        while cancelled:
            step += 1
            cancel_at = CancelAt(step)
            server.fail(status=500)
            server.fail(status=503, page=2)
            loop.set_task_factory(cancel_at)
            cancel_at.consumer = asyncio.create_task(consume(piriod))
            with suppress(asyncio.CancelledError):
                await cancel_at.consumer
            loop.set_task_factory(None)
            cancelled = cancel_at.consumer.cancelled()
            assert all(task.done() for task in cancel_at.tasks), step
            assert (state.retrier.limiter.in_flight, state.retrier.limiter.slots.available) == (0, 3), step
            assert not state.sender.client_session.connector._acquired, step
            assert not state.pending, step
            server.clear_faults()
        assert step > 20
        assert len(await piriod.customers().collect()) == SIZES["acc_1"]
