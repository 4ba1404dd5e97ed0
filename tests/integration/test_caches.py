"""Caches between the server and us, which show the list as it was."""

import pytest

from piriod_async import APIConnectionError, PermissionDeniedError
from piriod_async.testing import MockServer
from tests.integration.session.servers import HeaderRecorder
from tests.support.raw_client import serve

pytestmark = pytest.mark.usefixtures("no_leaks")

ORDERINGS = ["created", "-created", "name", None]


async def test_no_cache(clock):
    """Every attempt asks caches for a current response."""
    async with HeaderRecorder(250) as server, server.session(retry=clock.policy()) as piriod:
        server.fail(status=500, page=1)
        assert len(await piriod.customers().collect()) == 250
        assert {tuple(headers.getall("Cache-Control")) for headers in server.headers} == {("no-cache",)}
        assert len(server.headers) > 3


@pytest.mark.parametrize("ordering", ORDERINGS)
async def test_cached_page(clock, ordering):
    """A first page from a cache is requested again: it would hide the customers created since."""
    async with serve(90) as (server, client), server.session(retry=clock.policy()) as piriod:
        query = "page=1&page_size=100" + (f"&ordering={ordering}" if ordering else "")
        async with client.send(query) as response:
            body = await response.read()
        server.requests.clear()
        for number in range(160):
            server.add(name=f"Customer {number}")
        server.fail(body=body, headers={"Age": "299"}, page=1)
        listing = piriod.customers(ordering=ordering)
        assert len(await listing.collect()) == 250
        assert (listing.progress.retries, piriod.stats.retries) == (1, 1)
        assert [request.page for request in server.requests[:2]] == [1, 1]


async def test_always_cached(clock):
    """If a cache does not let requests through, the error says so."""
    async with MockServer(3) as server, server.session(retry=clock.policy(attempts=3)) as piriod:
        server.fail(body=b'{"count": 0, "next": null, "results": []}', headers={"Age": "299"}, times=None)
        with pytest.raises(APIConnectionError, match="the response is 299 s old, from a cache") as caught:
            await piriod.customers().collect()
        assert caught.value.retryable
        assert caught.value.attempts == len(server.requests) == 3


async def test_cached_end(clock):
    """A 404 from a cache does not end a list that has grown since."""
    async with MockServer(250) as server, server.session(retry=clock.policy()) as piriod:
        server.fail(status=404, body=b'{"detail": "Invalid page."}', headers={"Age": "60"}, page=3)
        assert len(await piriod.customers(ordering=None).collect()) == 250
        assert piriod.stats.retries == 1


@pytest.mark.parametrize("age", ["0", "5", "soon"])
async def test_current(clock, age):
    """A response that is at most five seconds old, or does not tell its age, is accepted."""
    async with serve(3) as (server, client), server.session(retry=clock.policy()) as piriod:
        async with client.send("") as response:
            body = await response.read()
        server.fail(body=body, headers={"Age": age})
        assert await piriod.customers().count() == 3
        assert piriod.stats.requests == 1


async def test_cached_error(clock):
    """An error response from a cache keeps its own meaning."""
    async with MockServer(3) as server, server.session(retry=clock.policy()) as piriod:
        server.fail(status=403, headers={"Age": "60"})
        with pytest.raises(PermissionDeniedError, match="403 Forbidden"):
            await piriod.customers().count()
        assert len(server.requests) == 1
