"""The progress of a listing."""

import asyncio

import pytest

from piriod_async import RetryPolicy
from tests.integration.listing.serving import each_kind, serving

pytestmark = pytest.mark.usefixtures("no_leaks")


@each_kind
async def test_progress(ordering):
    """`progress` counts customers and requests during an iteration."""
    async with serving(200, session={"concurrency": 2}) as (server, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        seen = []
        async for _ in listing:
            progress = listing.progress
            seen.append(progress.delivered)
            assert progress.total == 200
            assert len(server.requests) <= progress.requests <= len(server.requests) + 2
            assert progress.retries == 0
            assert progress.paused_until is None
        assert seen == list(range(1, 201))
        assert listing.progress.requests == len(server.requests)


@each_kind
async def test_progress_of_pages(ordering):
    """A page counts as delivered when it is yielded."""
    async with serving(200) as (_, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        delivered = 0
        async for page in listing.pages():
            delivered += len(page.customers)
            assert listing.progress.delivered == delivered
        assert delivered == 200


async def test_progress_with_retries():
    """`progress` counts retries."""

    async def sleep(_):
        await asyncio.sleep(0)

    async with serving(session={"retry": RetryPolicy(sleep=sleep)}) as (server, piriod):
        server.fail(status=503, times=3)
        listing = piriod.customers()
        await listing.collect()
        assert listing.progress.retries == 3
        assert listing.progress.requests == len(server.requests)


async def test_progress_of_latest_iteration():
    """`progress` is of the latest iteration."""
    async with serving(60) as (_, piriod):
        listing = piriod.customers(page_size=20, country="CL")
        first = aiter(listing)
        await anext(first)
        second = aiter(listing)
        assert listing.progress.delivered == 0
        await anext(first)
        assert listing.progress.delivered == 0
        await anext(second)
        assert listing.progress.delivered == 1
        await first.aclose()
        await second.aclose()
