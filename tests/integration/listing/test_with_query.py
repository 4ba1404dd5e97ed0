"""A listing of the same workspace with another query."""

import asyncio

import pytest

from piriod_async import ConfigurationError, QueryError
from piriod_async.testing import MockServer

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_with_query():
    """It has the other filters and options, reads from the start, and leaves the first listing as it is."""
    async with MockServer(60) as server, server.session(test_mode=False) as piriod:
        listing = piriod.customers(country="CL", page_size=10)
        collected = await listing.collect()
        resumed = piriod.customers(country="CL", page_size=10, after=listing.checkpoint)
        assert resumed.is_resumed
        assert not listing.is_resumed
        other = resumed.with_query(ordering="-created")
        assert not other.is_resumed
        assert await other.collect() == collected[::-1]
        assert resumed.query.ordering == "created"
        assert other.progress.delivered == len(collected)
        with pytest.raises(QueryError, match="page_size=500"):
            listing.with_query(page_size=500)


async def test_prefetch():
    """With a limit of one page, no page is requested before the one before it is consumed."""
    async with MockServer(1_000) as server, server.session() as piriod:
        pages = piriod.customers().with_query(ordering="-updated", prefetch=1).pages()
        await anext(pages)
        await anext(pages)
        assert len(server.requests) <= 3
        await pages.aclose()


async def test_prefetch_by_created():
    """A limit of one page is enough for a listing by `created`, whose jobs wait for each other."""
    async with MockServer(450) as server, server.session() as piriod:
        async with asyncio.timeout(20):  # if a job waits for one that is never started
            assert len(await piriod.customers().with_query(prefetch=1).collect()) == 450


@pytest.mark.parametrize("prefetch", [0, -1, 1.5, True])
async def test_invalid_prefetch(prefetch):
    """A limit that lets no page through is refused."""
    async with MockServer() as server, server.session() as piriod:
        with pytest.raises(ConfigurationError, match=f"prefetch={prefetch}: expected a whole number, 1 or more"):
            piriod.customers().with_query(prefetch=prefetch)
