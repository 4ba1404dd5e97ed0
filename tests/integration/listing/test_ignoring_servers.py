"""Servers that ignore a part of the query, and what the errors say."""

import pytest

from piriod_async import DecodeError, FilterIgnoredError, NotFoundError
from piriod_async.testing.mock_server import MockServer, Unchecked
from tests.integration.listing.serving import each_kind, expected, read_pages, serving
from tests.support.tasks import assert_idle

pytestmark = pytest.mark.usefixtures("no_leaks")

IGNORED = [
    ({"ordering"}, "created", "does not order by `created`", 0),
    ({"created__gte"}, "created", "does not filter by `created`", 20),
    ({"created__lte"}, "created", "does not filter by `created`", 20),
    ({"created__lte"}, "-created", "does not filter by `created`", 20),
]


@pytest.mark.parametrize(("ignores", "ordering", "message", "at_least"), IGNORED)
async def test_server_ignores(ignores, ordering, message, at_least):
    """A server that ignores ordering or ranges is an error that names the way out."""
    async with serving(ignored_params=ignores) as (server, piriod):
        delivered, _, error = await read_pages(piriod.customers(ordering=ordering, page_size=20))
        assert message in str(error)
        assert "ordering=None" in str(error)
        assert delivered == expected(server, ordering)[: len(delivered)]
        assert len(delivered) >= at_least
        assert_idle(piriod)
        assert len(await piriod.customers(ordering=None).collect()) == 500


@each_kind
async def test_wrong_base_url(ordering):
    """A base URL that is not the API is a `NotFoundError`."""
    async with serving() as (server, _), server.session(base_url=f"{server.url}/v2") as piriod:
        for read in ("collect", "first", "count"):
            with pytest.raises(NotFoundError):
                await getattr(piriod.customers(ordering=ordering), read)()
        assert_idle(piriod)
        assert len(server.requests) == 3


FILTERS = [
    ("country", {"country": "PE"}),
    ("name", {"name": "nobody is called this"}),
    ("tax_id", {"tax_id": "not one of them"}),
    ("metadata__plan", {"metadata": {"plan": "platinum"}}),
]


@each_kind
@pytest.mark.parametrize(("name", "filters"), FILTERS)
async def test_ignored_filter(name, filters, ordering):
    """A filter that the server ignores is an error before the first wrong customer."""
    async with serving(300, ignored_params={name}) as (_, piriod):
        listing = piriod.customers(**filters, ordering=ordering)
        for read in ("collect", "first"):
            with pytest.raises(FilterIgnoredError, match=rf"ignore the filter {name}: .*check_filters=False"):
                await getattr(listing, read)()
        assert listing.progress.delivered == 0
        assert_idle(piriod)
        unchecked = piriod.customers(**filters, ordering=ordering, check_filters=False)
        assert len(await unchecked.collect()) == 300


@each_kind
async def test_filter_ignored_later(ordering):
    """Customers that a filter excludes are not delivered, on later pages either."""
    async with serving(500) as (server, piriod):
        countries = set()

        async def read():
            async for customer in piriod.customers(country="CL", ordering=ordering, page_size=20):
                countries.add(customer.country.id)
                server._ignored_params = {"country"}

        with pytest.raises(FilterIgnoredError):
            await read()
        assert countries == {"CL"}


@pytest.mark.parametrize("read", ["first", "collect"])
async def test_error_names_workspace(read):
    """An error names the workspace."""
    async with MockServer(3) as server, server.session() as piriod:
        server.update(server.customers()[0]["id"], phone=Unchecked(5))
        with pytest.raises(DecodeError, match=r"\(workspace acc_mock\)") as caught:
            await getattr(piriod.customers(), read)()
        assert caught.value.workspace == "acc_mock"
