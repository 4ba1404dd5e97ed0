"""A listing of the same workspace with another query."""

import pytest

from piriod_async import QueryError
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
