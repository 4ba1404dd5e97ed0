"""The caller's own limit: `requests_per_second`."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from piriod_async import APIConnectionError, ConfigurationError, PiriodSession, RetryPolicy
from piriod_async.testing.mock_server import MockServer
from tests.support.tasks import settle

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture
def swift_server(clock, monkeypatch):
    """Make time pass in sleeps alone, for the server too: all that was sent arrives before."""
    monkeypatch.setattr("piriod_async.testing.mock_server.rate_limit.time", clock)

    @asynccontextmanager
    async def serve(customers, rate, **options):
        async def sleep(seconds):
            while piriod.stats.in_flight:  # noqa: ASYNC110
                await asyncio.sleep(0)
            await clock.sleep(seconds)

        async with MockServer(customers) as server:
            policy = RetryPolicy(sleep=sleep)
            async with server.session(requests_per_second=rate, retry=policy, **options) as piriod:
                yield server, piriod

    return serve


@pytest.mark.parametrize("rate", [0.5, 4, 32])
async def test_no_429(swift_server, clock, rate):
    """At the server's own limit, no request is refused, however many run at once."""
    async with swift_server(2_500, rate) as (server, piriod):
        server.rate_limit(rate=rate)
        first, second = await asyncio.gather(piriod.customers().collect(), piriod.customers(ordering=None).collect())
        assert len(first) == len(second) == 2_500
        assert piriod.stats.retries == 0
        assert clock.now - 1_000 == (len(server.requests) - 1) / rate  # and it is used in full


async def test_retries(swift_server, clock):
    """Retries keep to the limit too."""
    async with swift_server(900, 4) as (server, piriod):
        server.rate_limit(rate=4)
        server.fail(status=500, times=3)
        assert len(await piriod.customers().collect()) == 900
        assert piriod.stats.retries == 3
        assert clock.now - 1_000 >= (len(server.requests) - 1) / 4


async def test_pause(swift_server, clock):
    """A pause that the server asks for holds beside the limit."""
    async with swift_server(900, 4) as (server, piriod):
        server.fail(status=429, retry_after=60, times=1)
        assert len(await piriod.customers().collect()) == 900
        assert clock.now - 1_000 >= 60 + (len(server.requests) - 2) / 4
        assert piriod.stats.rate <= 4


async def test_shared(swift_server, clock):
    """Sessions with one token and one limit share it; another limit is another one."""
    async with swift_server(100, 2) as (_, piriod):
        same, slower, free = (
            piriod.with_options(test_mode=False),
            piriod.with_options(requests_per_second=0.1),
            piriod.with_options(requests_per_second=None),
        )
        for session in (piriod, same, piriod, same):
            await session.customers().count()
        assert clock.now == 1_001.5
        await slower.customers().count()
        await free.customers().count()
        assert clock.now == 1_001.5
        assert [each.stats.rate for each in (piriod, same, slower, free)] == [2, 2, 0.1, None]


async def test_each_token(swift_server, clock):
    """Each token has its own limit, of the same size."""
    async with swift_server({"acc_1": 100, "acc_2": 100}, 1) as (server, piriod):
        server.tokens["acc_2"] = "another-token"
        other = piriod.with_options(token="another-token", workspace="acc_2")
        assert other.stats.rate == 1
        for session in (piriod, other, piriod):
            assert await session.customers().count() == 100
        assert clock.now == 1_001


async def test_close_while_waiting():
    """Closing the session ends the requests that wait for the limit."""
    async with MockServer(100) as server:
        piriod = server.session(requests_per_second=0.001)
        await piriod.customers().count()
        waiting = asyncio.create_task(piriod.customers().count())
        await settle()
        await piriod.close()
        with pytest.raises(APIConnectionError, match="the session was closed"):
            await waiting
        assert len(server.requests) == 1


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "5", [5]])
def test_invalid(value):
    """A value that is no rate is refused by name, also when a session is derived."""
    message = r"requests_per_second=.*: expected a number of requests per second above 0, or None"
    with pytest.raises(ConfigurationError, match=message):
        PiriodSession("token", "acc_1", requests_per_second=value)
    with pytest.raises(ConfigurationError, match=message):
        PiriodSession("token", "acc_1").with_options(requests_per_second=value)
