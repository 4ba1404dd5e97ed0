"""Closing a session, idle or in use."""

import asyncio
from contextlib import aclosing

import aiohttp
import pytest

from piriod_async import APIConnectionError, PiriodSession, RetryPolicy
from piriod_async.testing import MockServer
from tests.support.clock import Clock, ManualSleep
from tests.support.tasks import settle, until

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_twice():
    """Closing again does nothing, and using a closed session is an error that is not retryable."""
    async with MockServer(3) as server, server.session() as piriod:
        listing = piriod.customers()
        assert await listing.count() == 3
        await piriod.close()
        await piriod.close()
        for use in (listing.count, listing.first, listing.collect, piriod.customers().count):
            with pytest.raises(APIConnectionError, match="the session is closed") as caught:
                await use()
            assert not caught.value.retryable
    assert len(server.requests) == 1


async def test_unused():
    """A session can be closed before its first request."""
    piriod = PiriodSession("token", "acc")
    await piriod.close()
    await piriod.close()
    with pytest.raises(APIConnectionError, match="the session is closed"):
        await piriod.customers().count()


async def test_error_in_async_with():
    """`async with` closes the session when its body raises."""
    async with MockServer(3) as server:
        with pytest.raises(ZeroDivisionError):
            async with server.session() as piriod:
                assert await piriod.customers().count() / 0
        with pytest.raises(APIConnectionError, match="the session is closed"):
            await piriod.customers().count()


@pytest.mark.parametrize("iterations", range(8))
async def test_concurrently(iterations):
    """A second `close` may start at any event-loop iteration of the first."""
    async with MockServer(3, latency=10) as server:
        piriod = server.session()
        task = asyncio.create_task(piriod.customers().collect())
        await until(lambda: piriod.stats.requests)
        first = asyncio.create_task(piriod.close())
        for _ in range(iterations):
            await asyncio.sleep(0)
        await piriod.close()
        await first
        with pytest.raises(APIConnectionError, match="closed while a request was pending"):
            await task


@pytest.mark.parametrize("ordering", [None, "created", "-created"])
async def test_while_listing(ordering):
    """Closing ends a listing with an error, and closes all connections."""
    async with MockServer(1_000) as server:
        piriod = server.session()
        customers = aiter(piriod.customers(ordering=ordering))
        ids = [(await anext(customers)).id for _ in range(150)]
        await piriod.close()
        with pytest.raises(APIConnectionError, match=r"the session (is|was) closed"):
            ids += [customer.id async for customer in customers]
        assert len(ids) == len(set(ids)) < 1_000
        assert piriod._transport._loop_state.sender.client_session.closed
        assert piriod.stats.in_flight == 0
        async with asyncio.timeout(5):
            await until(lambda: not server._runner.server.connections)


@pytest.mark.parametrize(
    ("fault", "sleeps"),
    [({"stall": True}, 0), ({"status": 500}, 1), ({"status": 429, "retry_after": 60}, 1)],
    ids=["response", "retry", "pause"],
)
@pytest.mark.parametrize("owns_session", [True, False])
async def test_while_waiting(fault, sleeps, owns_session):
    """Closing ends every listing with our error: one that waits for the fault to end, and two for a slot."""
    sleep = ManualSleep(Clock())
    async with MockServer(3) as server, aiohttp.ClientSession() as client:
        retry = RetryPolicy(wait_initial=10, sleep=sleep)
        piriod = server.session(concurrency=1, retry=retry, client_session=None if owns_session else client)
        server.fail(**fault, times=None)
        tasks = [asyncio.create_task(piriod.customers().collect()) for _ in range(3)]
        await until(lambda: server.requests and len(sleep.pending) >= sleeps)
        await settle()
        assert not any(task.done() for task in tasks)
        await piriod.close()
        assert (piriod.stats.in_flight, len(piriod._transport._loop_state.pending)) == (0, 0)
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        assert [(type(error), str(error)) for error in errors] == [
            (APIConnectionError, "the session was closed while a request was pending (workspace acc_mock)")
        ] * 3


async def test_after_cancellation():
    """A cancelled listing leaves nothing pending, and the session remains usable."""
    async with MockServer(300, latency=10) as server, server.session() as piriod:
        task = asyncio.create_task(piriod.customers().collect())
        await until(lambda: piriod.stats.in_flight)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (piriod.stats.in_flight, len(piriod._transport._loop_state.pending)) == (0, 0)
        server._latency = 0, 0
        assert len(await piriod.customers().collect()) == 300


async def test_aclosing():
    """`contextlib.aclosing` closes a session."""
    async with MockServer(3) as server:
        async with aclosing(server.session()) as piriod:
            assert await piriod.customers().count() == 3
        with pytest.raises(APIConnectionError, match="the session is closed"):
            await piriod.customers().count()
