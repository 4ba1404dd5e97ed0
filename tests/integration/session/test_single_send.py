"""Each attempt is one request: aiohttp's own repeats are prevented."""

import asyncio
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest

from piriod_async import APIConnectionError, PiriodSession
from piriod_async.testing import MockServer

pytestmark = pytest.mark.usefixtures("no_leaks")


@asynccontextmanager
async def session(server, *, owns_session, **options):
    """Yield a session with its own connections, or with those of the caller."""
    async with (
        aiohttp.ClientSession() as client,
        server.session(client_session=None if owns_session else client, **options) as piriod,
    ):
        yield piriod


@pytest.mark.parametrize("owns_session", [True, False])
@pytest.mark.parametrize("attempts", [1, 3])
async def test_dropped(clock, owns_session, attempts):
    """A connection that is dropped before the response costs one request, and is counted and reported as one."""
    reported = []
    async with MockServer(3) as server:
        server.fail(disconnect="headers", times=None)
        options = {"retry": clock.policy(attempts=attempts), "on_attempt": reported.append}
        async with session(server, owns_session=owns_session, **options) as piriod:
            listing = piriod.customers()
            with pytest.raises(APIConnectionError) as caught:
                await listing.collect()
            assert (piriod.stats.requests, piriod.stats.retries) == (attempts, attempts - 1)
            assert (listing.progress.requests, listing.progress.retries) == (attempts, attempts - 1)
    assert isinstance(caught.value.__cause__, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
    assert caught.value.attempts == len(reported) == len(server.requests) == attempts


async def test_idle_connection_dropped(clock):
    """A request on an idle connection that the server has closed meanwhile is retried by us, and counted."""
    received = []

    async def connected(reader, writer):
        received.append(await reader.readuntil(b"\r\n\r\n"))
        body = b'{"count": 0, "next": null, "results": []}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        with suppress(asyncio.IncompleteReadError):
            received.append(await reader.readuntil(b"\r\n\r\n"))  # dropped as it arrives
        writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1") as server:
        base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with PiriodSession("token", "acc", base_url=base_url, retry=clock.policy()) as piriod:
            assert [await piriod.customers().count() for _ in range(3)] == [0, 0, 0]
            assert (piriod.stats.requests, piriod.stats.retries) == (len(received), 2) == (5, 2)


async def test_middlewares_of_the_caller():
    """The middlewares of a `client_session` run inside ours: what they repeat is theirs to count."""
    sent = []

    async def repeat_once(request, handler):
        for _ in range(2):
            sent.append(request.method)
            try:
                return await handler(request)
            except aiohttp.ClientError:
                pass
        raise AssertionError

    async with (
        MockServer(3) as server,
        aiohttp.ClientSession(middlewares=(repeat_once,)) as client,
        server.session(client_session=client) as piriod,
    ):
        server.fail(disconnect="headers")
        assert await piriod.customers().count() == 3
        assert sent == ["GET", "GET"]
        assert piriod.stats.requests == 1
