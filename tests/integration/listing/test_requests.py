"""The requests of a listing: how many, and when."""

import pytest

from piriod_async import Progress
from tests.integration.listing.serving import ORDERINGS, each_kind, expected, serving, take
from tests.support.tasks import settle

pytestmark = pytest.mark.usefixtures("no_leaks")


@each_kind
async def test_lazy(ordering):
    """Nothing is sent before the listing is read."""
    async with serving(10) as (server, piriod):
        listing = piriod.customers(ordering=ordering)
        assert listing.progress == Progress()
        customers, pages = aiter(listing), listing.pages()
        async with listing:
            await settle()
        assert piriod.stats.requests == len(server.requests) == 0
        assert listing.progress.requests == 0
        assert listing.checkpoint is None
        await customers.aclose()
        await pages.aclose()


@pytest.mark.parametrize(
    ("ordering", "most"), [(None, 26), ("name", 26), ("created", 1.06 * 25 + 3), ("-created", 1.06 * 25 + 3)]
)
async def test_requests(ordering, most):
    """A listing of 2,500 customers takes few more requests than it has pages."""
    async with serving(2_500) as (server, piriod):
        listing = piriod.customers(ordering=ordering)
        assert len(await listing.collect()) == 2_500
        assert 25 <= len(server.requests) <= most
        assert listing.progress.requests == piriod.stats.requests == len(server.requests)


@pytest.mark.parametrize("ordering", ORDERINGS)
async def test_count_and_first(ordering):
    """`count` and `first` send one request each, for one customer."""
    async with serving() as (server, piriod):
        listing = piriod.customers(ordering=ordering)
        assert await listing.count() == 500
        assert len(server.requests) == 1
        assert (await listing.first()).id == expected(server, ordering)[0]
        assert len(server.requests) == 2


@pytest.mark.parametrize("ordering", ["created", "-created"])
@pytest.mark.parametrize("taken", [1, 100, 499])
async def test_first_after_checkpoint(taken, ordering):
    """`first` of a resumed listing is the customer after the checkpoint."""
    async with serving() as (server, piriod):
        listing = piriod.customers(ordering=ordering)
        await take(listing, taken)
        before = piriod.stats.requests
        rest = piriod.customers(ordering=ordering, after=listing.checkpoint)
        assert (await rest.first()).id == expected(server, ordering)[taken]
        await settle()
        assert piriod.stats.requests == before + 1


@pytest.mark.parametrize("way", ["count", "first"])
async def test_count_inside_loop(way):
    """`count` and `first` inside a loop do not change `progress` and `checkpoint`."""
    async with serving(60) as (_, piriod):
        start = piriod.customers(page_size=20)
        await take(start, 5)
        listing = piriod.customers(page_size=20, after=start.checkpoint)
        async with listing:
            async for _ in listing:
                before = listing.checkpoint
                assert before
                await getattr(listing, way)()
                assert (listing.progress.delivered, listing.checkpoint) == (1, before)
                break
