"""The consumer is cancelled at every await of a crawl, one after the other: each time, nothing is left behind."""

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


class Steps:
    """Counts how often tasks of the crawl are suspended, and cancels the consumer at one of those times."""

    def __init__(self, at):
        self.at, self.taken, self.tasks, self.consumer = at, 0, [], None

    def task(self, loop, coro, **options):
        file = coro.cr_code.co_filename
        if not file.startswith((PACKAGE, __file__)) or "mock_server" in file:
            return asyncio.Task(coro, loop=loop, **options)
        self.tasks.append(asyncio.Task(Counted(coro, self), loop=loop, **options))
        return self.tasks[-1]

    def step(self):
        self.taken += 1
        if self.taken == self.at:
            self.consumer.cancel()


class Counted(Coroutine):
    """A coroutine whose suspensions count."""

    def __init__(self, coro, steps):
        self.coro, self.steps = coro, steps

    def send(self, value):
        awaited = self.coro.send(value)
        self.steps.step()
        return awaited

    def throw(self, *error):
        awaited = self.coro.throw(*error)
        self.steps.step()
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


async def leave_early(piriod):
    async with piriod.across(SIZES, page_size=10) as listing:
        async for _, customer in listing:
            if customer.id.endswith("0"):
                break


CRAWLS = {
    "by created": read_customers,
    "with an await in the loop": read_pages,
    "by number": lambda piriod: read_customers(piriod, ordering=None),
    "across": read_workspaces,
    "left early": leave_early,
}


@pytest.mark.parametrize("crawl", CRAWLS.values(), ids=CRAWLS)
async def test_cancelled_at_every_await(crawl):
    loop = asyncio.get_running_loop()
    retry = RetryPolicy(initial=0, attempts=20)
    async with MockServer(SIZES) as sandbox, sandbox.session(concurrency=3, retry=retry) as piriod:
        await piriod.customers().count()
        binding, at, cancelled = piriod._transport._binding, 0, True
        while cancelled:
            at += 1
            steps = Steps(at)
            sandbox.fail(status=500)
            sandbox.fail(status=503, page=2)
            loop.set_task_factory(steps.task)
            steps.consumer = asyncio.create_task(crawl(piriod))
            with suppress(asyncio.CancelledError):
                await steps.consumer
            loop.set_task_factory(None)
            cancelled = steps.consumer.cancelled()
            assert all(task.done() for task in steps.tasks), at
            assert (binding.retrier.gate.in_flight, binding.retrier.gate._free) == (0, 3), at
            assert not binding.client.connector._acquired, at
            assert not piriod._transport._under_way, at
            sandbox.heal()
        assert at > 20
        assert len(await piriod.customers().collect()) == SIZES["acc_1"]
