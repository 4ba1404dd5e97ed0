"""A listing that is left, in any way, keeps no request, task or connection."""

import asyncio
from contextlib import aclosing

import pytest

import piriod_async.transport.transport
from piriod_async.testing.mock_server import MockServer
from tests.integration.listing.serving import each_kind, expected, ids_of, serving
from tests.support.tasks import assert_idle, pending_tasks, settle

pytestmark = pytest.mark.usefixtures("no_leaks")


async def leave_by_break(listing, taken, at):
    async with listing:
        async for _ in listing:
            if (taken := taken - 1) == 0:
                at()
                break


async def leave_pages_by_break(listing, taken, at):
    async with listing:
        async for page in listing.pages():
            if (taken := taken - len(page.customers)) <= 0:
                at()
                break


async def leave_by_aclose(listing, taken, at):
    customers = aiter(listing)
    for _ in range(taken):
        await anext(customers)
    at()
    await customers.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(customers)


async def leave_by_aclosing(listing, taken, at):
    async with aclosing(listing.pages()) as pages:
        async for page in pages:
            if (taken := taken - len(page.customers)) <= 0:
                at()
                return


async def leave_by_an_error(listing, taken, at):
    def fail():
        at()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await leave_by_break(listing, taken, fail)


async def leave_by_cancellation(listing, taken, at):
    there = asyncio.Event()

    async def read():
        left = taken
        async with listing:
            async for _ in listing:
                if (left := left - 1) == 0:
                    there.set()
                    await asyncio.Event().wait()

    reading = asyncio.create_task(read())
    await there.wait()
    at()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


WAYS = [
    leave_by_break,
    leave_pages_by_break,
    leave_by_aclose,
    leave_by_aclosing,
    leave_by_an_error,
    leave_by_cancellation,
]


@pytest.mark.parametrize("taken", [1, 21, 300])
@each_kind
@pytest.mark.parametrize("leave", WAYS)
async def test_leaving(leave, ordering, taken):
    """However a loop is left, no task and no request is left behind."""
    async with serving(1_000, latency=(0, 0.005), session={"concurrency": 2}) as (server, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        begun = []
        await leave(listing, taken, lambda: begun.extend(pending_tasks()))
        assert bool(begun) == (taken > 1 or ordering is not None)
        assert_idle(piriod)
        sent = piriod.stats.requests
        await settle()
        assert piriod.stats.requests == sent < 50
        assert ids_of(await listing.collect()) == expected(server, ordering)


@each_kind
async def test_cancelled(ordering):
    """A listing can be cancelled at any point, and read again."""
    async with serving(latency=0.02) as (server, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        for turns in range(0, 120, 8):
            reading = asyncio.create_task(listing.collect())
            for _ in range(turns):
                await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert_idle(piriod)
        server._latency = 0.0, 0.0
        assert ids_of(await listing.collect()) == expected(server, ordering)


@each_kind
async def test_server_error(ordering):
    """An error of the server leaves no task and no request behind."""
    async with serving(latency=(0, 0.005)) as (server, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        server.fail(status=418, page=5)
        with pytest.raises(piriod_async.UnexpectedStatusError):
            await listing.collect()
        assert_idle(piriod)
        assert ids_of(await listing.collect()) == expected(server, ordering)


@each_kind
async def test_break_without_async_with(ordering):
    """Without `async with`, the garbage collector ends the iteration."""
    async with serving() as (_, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        async for _ in listing:
            break
        await settle()
        assert_idle(piriod)


async def test_nested_blocks():
    """Blocks may be nested."""
    async with MockServer(3_000) as server, server.session() as piriod, piriod.customers() as listing:
        iteration = aiter(listing)
        await anext(iteration)
        async with listing:
            pass
        assert (await anext(iteration)).id == server.customers()[1]["id"]


async def drain(customers):
    return [customer async for customer in customers]


async def test_other_task():
    """A block does not end iterations of other tasks."""
    async with MockServer(300, latency=0.001) as server, server.session() as piriod:
        async with piriod.customers() as listing:
            reading = asyncio.create_task(drain(aiter(listing)))
            while not server.requests:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert len(await reading) == 300


async def test_left_by_other_task():
    """A block may be left by another task than entered it."""
    async with MockServer(3_000, latency=0.001) as server, server.session() as piriod:
        listing = piriod.customers()
        await listing.__aenter__()
        customers = aiter(listing)
        await anext(customers)
        await asyncio.create_task(listing.__aexit__(None, None, None))
        assert not pending_tasks()
        assert listing._scopes == []
