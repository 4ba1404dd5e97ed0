"""A server that asks for more silence than `max_retry_after` gets it."""

import asyncio

import pytest

from piriod_async import PiriodSession, RateLimitError, RetryPolicy, ServerError
from piriod_async.testing import MockServer
from tests.support.ports import free_port

WORKSPACES = [f"acc_{number}" for number in range(30)]


@pytest.mark.parametrize(("status", "kind"), [(429, RateLimitError), (503, ServerError)])
@pytest.mark.usefixtures("no_leaks")
async def test_across(clock, status, kind):
    """Of 30 workspaces, only the first requests are sent; every other one fails at once, and so does a new listing."""
    async with (
        MockServer(dict.fromkeys(WORKSPACES, 3)) as server,
        server.session(concurrency=2, retry=clock.policy()) as piriod,
    ):
        server.fail(status=status, retry_after=300, times=None)
        listing = piriod.across(WORKSPACES, on_error="collect")
        assert await listing.collect() == {}
        assert len(server.requests) <= 2
        assert listing.errors.keys() == set(WORKSPACES)
        errors = listing.errors.values()
        assert len(set(map(id, errors))) == 30
        assert {type(error) for error in errors} == {kind}
        assert sum(error.attempts for error in errors) == len(server.requests) == piriod.stats.requests
        assert all(error.workspace == workspace for workspace, error in listing.errors.items())
        with pytest.raises(kind, match="not sent"):
            await piriod.customers().first()
        assert len(server.requests) <= 2
        assert clock.sleeps == []
        server.clear_faults()
        clock.now += 300
        assert len(await piriod.across(WORKSPACES).collect()) == 30


def test_next_event_loop():
    """It is remembered for the session, not for the event loop."""
    piriod = PiriodSession("mock-token", "acc_mock", base_url=f"http://127.0.0.1:{free_port()}", retry=RetryPolicy())

    async def count():
        async with MockServer(3, port=piriod._transport.url.port) as server:
            server.fail(status=429, retry_after=300)
            with pytest.raises(RateLimitError) as caught:
                await piriod.customers().count()
            return len(server.requests), caught.value.attempts

    assert [asyncio.run(count()) for _ in range(2)] == [(1, 1), (0, 0)]
    asyncio.run(piriod.close())
