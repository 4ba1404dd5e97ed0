"""Requests that a session sends: headers, workspace, cookies, and none before it must."""

from importlib.metadata import version

import aiohttp
import pytest

from piriod_async import RetryPolicy
from piriod_async.testing import MockServer
from tests.integration.session.servers import HeaderRecorder, host_of

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize("test_mode", [False, True])
async def test_headers(test_mode):
    """A request has exactly these headers."""
    async with HeaderRecorder(3) as server, server.session(test_mode=test_mode) as piriod:
        assert len(await piriod.customers().collect()) == (25 if test_mode else 3)
    (headers,) = server.headers
    assert dict(headers) == {
        "Host": host_of(piriod),
        "Accept": "application/json",
        "Cache-Control": "no-cache",
        "User-Agent": f"piriod-async/{version('piriod-async')} aiohttp/{aiohttp.__version__}",
        "Authorization": "Token mock-token",
        "x-piriod-test-mode": str(test_mode).lower(),
        "x-simple-workspace": "acc_mock",
        "Accept-Encoding": headers["Accept-Encoding"],
    }


async def test_workspace():
    """A listing's own workspace takes precedence over the session's, for that listing only."""
    async with MockServer({"acc_a": 3, "acc_b": 5}) as server, server.session() as piriod:
        assert await piriod.customers().count() == 3
        assert await piriod.customers(workspace="acc_b").count() == 5
        assert await piriod.customers().count() == 3
    assert [request.workspace for request in server.requests] == ["acc_a", "acc_b", "acc_a"]


async def test_cookies():
    """Cookies are not stored."""
    async with HeaderRecorder(3) as server:
        base_url = server.url.replace("127.0.0.1", "localhost")  # aiohttp stores no cookies of an IP address
        async with server.session(base_url=base_url, retry=RetryPolicy(wait_initial=0)) as piriod:
            server.fail(status=500, headers={"Set-Cookie": "sid=1; Path=/"})
            await piriod.customers().collect()
    assert len(server.headers) == 2
    assert not [headers for headers in server.headers if "Cookie" in headers]


async def test_lazy():
    """Creating a listing and its iterators sends nothing and opens no connection."""
    async with HeaderRecorder(3) as server:
        async with server.session() as piriod:
            listing = piriod.customers()
            aiter(listing)
            listing.pages()
            assert (piriod.stats.requests, listing.progress.requests, listing.checkpoint) == (0, 0, None)
            assert piriod._transport._loop_state is None
        assert server._runner.server.requests_count == 0
