"""One session on several event loops."""

import asyncio
import gc

import aiohttp
import pytest

from piriod_async import ConfigurationError, PiriodSession
from piriod_async.testing import MockServer
from tests.support.ports import free_port
from tests.support.tasks import until

pytestmark = pytest.mark.usefixtures("no_leaks")


def make_session(**options):
    """Make a session for servers that are started later, on any event loop."""
    return PiriodSession("mock-token", "acc_mock", base_url=f"http://127.0.0.1:{free_port()}", **options)


def start_server(piriod, **options):
    """Return the server of a session, for the running event loop."""
    return MockServer(250, port=piriod._transport.url.port, **options)


async def read(piriod):
    async with start_server(piriod):
        return len(await piriod.customers().collect())


def test_one_after_the_other():
    """A session reopens its connections on the next event loop, and closes those of the last one."""
    piriod = make_session()
    client_sessions = []
    for _ in range(3):
        assert asyncio.run(read(piriod)) == 250
        client_sessions.append(piriod._transport._loop_state.sender.client_session)
    asyncio.run(piriod.close())
    assert len(set(client_sessions)) == 3
    assert all(each.closed for each in client_sessions)


def test_unfinished_listing():
    """A listing that its event loop did not finish does not disturb the next loop."""
    piriod = make_session(concurrency=2)

    async def abandon():
        async with start_server(piriod, latency=0.01):
            asyncio.create_task(piriod.customers().collect())  # noqa: RUF006 (it is abandoned on purpose)
            await until(lambda: piriod.stats.requests >= 3)

    asyncio.run(abandon())
    assert asyncio.run(read(piriod)) == 250
    assert piriod.stats.in_flight == 0
    asyncio.run(piriod.close())


def test_two_at_once():
    """Two running event loops cannot share a session."""
    piriod = make_session()

    async def use():
        assert await read(piriod) == 250
        with pytest.raises(
            ConfigurationError, match="in use on another event loop: create a PiriodSession for each loop"
        ):
            await asyncio.to_thread(asyncio.run, piriod.customers().count())
        await piriod.close()

    asyncio.run(use())


def test_client_session_unused():
    """A `client_session` of another event loop is refused at the first request, and not closed."""

    async def make():
        client = aiohttp.ClientSession()
        return client, make_session(client_session=client)

    async def use(client, piriod):
        with pytest.raises(ConfigurationError, match="client_session belongs to another event loop"):
            await piriod.customers().count()
        await piriod.close()
        assert not client.closed
        await client.close()

    asyncio.run(use(*asyncio.run(make())))


def test_client_session_used():
    """A `client_session` that was used on its own event loop is refused on another."""

    async def make():
        client = aiohttp.ClientSession()
        piriod = make_session(client_session=client)
        assert await read(piriod) == 250
        return client, piriod

    async def use(client, piriod):
        with pytest.raises(ConfigurationError, match="client_session belongs to another event loop"):
            await piriod.customers().count()
        await client.close()

    with asyncio.Runner() as first:
        client, piriod = first.run(make())
        asyncio.run(use(client, piriod))


def test_end_of_loop(caplog):
    """`async with` inside the event loop leaves nothing for aiohttp or asyncio to warn about."""

    async def use():
        async with make_session() as piriod:
            await read(piriod)
            return piriod._transport._loop_state.sender.client_session

    client_session = asyncio.run(use())
    assert client_session.closed
    del client_session
    gc.collect()
    assert not caplog.records
