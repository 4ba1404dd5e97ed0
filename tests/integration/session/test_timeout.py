"""The timeout of one attempt, beside the limiter and the caller's deadline."""

import asyncio
import time
from contextlib import asynccontextmanager, suppress

import pytest

from piriod_async import APITimeoutError, PiriodSession, RetryPolicy
from piriod_async.testing import MockServer

pytestmark = pytest.mark.usefixtures("no_leaks")

HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
PARTS = {"no headers": [], "no body": [HEADERS], "slow body": [HEADERS, *[b"{"] * 20]}


@asynccontextmanager
async def slow_server(parts):
    """Send a response in parts, a tenth of a second apart, and never its end."""
    disconnected = asyncio.Event()

    async def connected(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        with suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await asyncio.sleep(0.1)
                await writer.drain()
            await reader.read()
        writer.close()
        disconnected.set()

    async with await asyncio.start_server(connected, "127.0.0.1") as server:
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            await disconnected.wait()


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
async def test_headers_and_body(parts):
    """The timeout covers the response to its last byte."""
    message = r"GET /customers/ page 1.*: no complete response within 0\.25 s"
    async with slow_server(parts) as base_url:
        retry = RetryPolicy(attempts=1)
        async with PiriodSession("token", "acc", base_url=base_url, timeout=0.25, retry=retry) as piriod:
            with pytest.raises(APITimeoutError, match=message) as caught:
                await piriod.customers().collect()
            assert isinstance(caught.value.__cause__, TimeoutError)


async def test_waiting_for_a_slot():
    """The time that a request waits for the limiter does not count."""
    async with MockServer(3, latency=0.05) as server, server.session(concurrency=1, timeout=0.4) as piriod:
        assert await asyncio.gather(*(piriod.customers().count() for _ in range(12))) == [3] * 12
        assert piriod.stats.retries == 0


@pytest.mark.parametrize("across", [False, True])
async def test_deadline_in_the_same_iteration(across):
    """A deadline that expires in the event-loop iteration of the timeout ends the listing, without a retry."""
    # aiohttp's own timeout would swallow the cancellation
    async with MockServer(300, latency=60) as server, server.session(timeout=0.1) as piriod:
        listing = piriod.across(["acc_mock"]) if across else piriod.customers()
        asyncio.get_running_loop().call_later(0.09, time.sleep, 0.05)  # when it returns, both are due
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await listing.collect()
        assert (piriod.stats.requests, piriod.stats.in_flight, len(piriod._transport._loop_state.pending)) == (1, 0, 0)
