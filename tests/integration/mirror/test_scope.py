"""A mirror remembers what it mirrors, and refuses other listings."""

import re

import pytest
from attrs import evolve

from piriod_async import Checkpoint, IncompleteListError, QueryError
from piriod_async.mirror import Mirror, MirrorError
from piriod_async.testing import MockServer
from tests.support.mirrors import ids_in

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize(
    ("session", "filters", "message"),
    [
        ({}, {"country": "CL"}, "mirrors customers with no filters: .* got country=CL"),
        ({"workspace": "acc_2"}, {}, "mirrors workspace acc_1: .* got workspace acc_2"),
        ({"test_mode": True}, {}, "workspace acc_1 at http.* live data: .* test data"),
        ({"base_url": "http://localhost:9"}, {}, "expected a listing of the same, got http://localhost:9"),
    ],
    ids=["filters", "workspace", "test mode", "server"],
)
async def test_other_listing(database, session, filters, message):
    """Another filter, workspace, mode or server is refused before anything is sent, and nothing changes."""
    async with MockServer({"acc_1": 30, "acc_2": 30}) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        requests = len(server.requests)
        async with server.session(**session) as other:
            with pytest.raises(MirrorError, match=message):
                await mirror.sync(other.customers(**filters))
        assert len(server.requests) == requests
        assert len(await ids_in(mirror)) == 30
        assert (await mirror.sync(piriod.customers(ordering="-created", page_size=10))).unchanged == 30


async def test_filters(database):
    """With a filter, who no longer matches is removed."""
    async with MockServer(60) as server, server.session() as piriod, Mirror(database) as mirror:
        first = await mirror.sync(piriod.customers(country="CL"))
        moved = next(customer for customer in server.customers() if customer["country"]["id"] == "CL")
        server.update(moved["id"], country={"id": "PE"})
        sync = await mirror.sync(piriod.customers(country="CL"))
        assert (sync.removed, sync.unchanged) == (1, first.added - 1)


async def test_created_filters(database):
    """Bounds of `created` hold for those who are asked for again, too."""
    async with MockServer(90) as server, server.session() as piriod, Mirror(database) as mirror:
        customers = server.customers()
        filters = {"created__gte": customers[10]["created"], "created__lte": customers[79]["created"]}
        await mirror.sync(piriod.customers(**filters))
        for index in (10, 40, 79):
            server.remove(customers[index]["id"])
        sync = await mirror.sync(piriod.customers(**filters))
        assert (sync.removed, sync.unchanged) == (3, 67)


async def test_incomplete_listings(tmp_path):
    """Only a listing by `created`, from its start, can be mirrored; the reason is named."""
    async with MockServer(30) as server, server.session() as piriod, Mirror(tmp_path / "mirror.db") as mirror:
        for ordering in ("name", None):
            with pytest.raises(QueryError, match=f"ordering={ordering!r}: expected .* complete"):
                await mirror.sync(piriod.customers(ordering=ordering))
        listing = piriod.customers()
        await listing.collect()
        assert isinstance(listing.checkpoint, Checkpoint)
        with pytest.raises(QueryError, match="checkpoint"):
            await mirror.sync(piriod.customers(after=listing.checkpoint))
        with pytest.raises(QueryError, match=r"listing=\[\]: expected a listing"):
            await mirror.sync([])
        with pytest.raises(QueryError, match="ordering='name'"):
            await mirror.sync(piriod.across([server.workspace], ordering="name"))


async def test_without_created(tmp_path):
    """A list whose customers have no `created` is refused: nobody could be asked for again."""
    customers = [{"name": "Uno"}]
    async with MockServer(customers) as server, Mirror(tmp_path / "mirror.db") as mirror:
        page = server._list
        server._list = lambda *args: _without_created(page(*args))
        async with server.session() as piriod:
            with pytest.raises(IncompleteListError, match="has no `created`"):
                await mirror.sync(piriod.customers())


def _without_created(response):
    return evolve(response, body=re.sub(rb'"created":"[^"]*",?', b"", response.body))


def test_nothing_is_opened(tmp_path):
    """A mirror that is not used opens nothing."""
    Mirror(tmp_path / "new.db")
    assert not list(tmp_path.iterdir())
