"""All customers that match, in the order asked for."""

import json

import pytest
from attrs import evolve

from piriod_async.testing.mock_server import OMITTED, MockServer
from tests.integration.listing.serving import ORDERINGS, each_kind, expected, ids_of, raw_ids, serving

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize("page_size", [20, 100])
@pytest.mark.parametrize("ordering", ORDERINGS)
async def test_order(ordering, page_size):
    """Each way of reading returns all customers, in the order asked for."""
    async with serving() as (server, piriod):
        listing = piriod.customers(ordering=ordering, page_size=page_size)
        ids = expected(server, ordering)
        assert [customer.id async for customer in listing] == ids
        assert ids_of(await listing.collect()) == ids
        assert [customer.id async for page in listing.pages() for customer in page.customers] == ids


@pytest.mark.parametrize("ordering", ORDERINGS)
async def test_pages(ordering):
    """Each page has the customers that its response adds, the first count, and the body."""
    async with serving() as (_, piriod):
        pages = [page async for page in piriod.customers(ordering=ordering, page_size=20).pages()]
        assert all(page.customers for page in pages)
        assert all(set(ids_of(page.customers)) <= set(raw_ids(page)) for page in pages)
        assert pages[0].count == 500


@pytest.mark.parametrize("page_size", [1, 7])
async def test_small_pages(page_size):
    """By page number, pages may have any size."""
    async with serving(21) as (server, piriod):
        listing = piriod.customers(ordering="name", page_size=page_size)
        assert ids_of(await listing.collect()) == expected(server, "name")
        assert len(server.requests) == 21 / page_size + 1


@each_kind
async def test_filters(ordering):
    """Each request has the filters, and the results match them."""
    async with serving() as (server, piriod):
        listing = piriod.customers(country="CL", metadata={"plan": "gold"}, ordering=ordering, page_size=10)
        customers = await listing.collect()
        chosen = [
            customer["id"]
            for customer in server.customers()
            if customer["country"]["id"] == "CL" and customer["metadata"].get("plan") == "gold"
        ]
        assert ids_of(customers) == (chosen if ordering else chosen[::-1])
        assert len(chosen) > 20
        sent = [(request.params["country"], request.params["metadata__plan"]) for request in server.requests]
        assert set(sent) == {("CL", "gold")}


@each_kind
@pytest.mark.parametrize("length", [0, 1, 100])
async def test_one_page(length, ordering):
    """A list of one page takes one request."""
    async with serving(length) as (server, piriod):
        assert len(await piriod.customers(ordering=ordering).collect()) == length
        assert len(server.requests) == 1


@pytest.mark.parametrize("ordering", ORDERINGS)
async def test_empty(ordering):
    """A list without customers is empty, however it is read."""
    async with serving() as (_, piriod):
        listing = piriod.customers(name="nobody is called this", ordering=ordering)
        assert (await listing.count(), await listing.first(), await listing.collect()) == (0, None, [])
        assert [page.count async for page in listing.pages()] == [0]
        assert listing.checkpoint is None


async def test_single_page_order():
    """A list of one page is sorted, even if the server ignored the ordering."""
    async with serving(50, ignored_params={"ordering"}) as (server, piriod):
        assert ids_of(await piriod.customers().collect()) == expected(server, "created")


async def test_missing_created():
    """A list of one page may lack `created`; then there is no checkpoint."""
    async with serving(0) as (server, piriod):
        server.add(created=OMITTED)
        listing = piriod.customers()
        async for customer in listing:
            assert customer.created is None
            assert listing.checkpoint is None


@pytest.mark.parametrize("ordering", ["created", "name"])
async def test_duplicate(ordering):
    """As of a filter that joins tables, without DISTINCT."""

    class Joined(MockServer):
        def _list(self, *asked):
            answer = super()._list(*asked)
            page = json.loads(answer.body)
            page["results"] = [row for row in page["results"] for _ in range(2)]
            return evolve(answer, body=json.dumps(page).encode())

    came = []
    async with Joined(20) as server, server.session() as piriod:
        async for page in piriod.customers(ordering=ordering).pages():
            came += ids_of(page.customers)
        assert sorted(came) == sorted(ids_of(server.customers()))
