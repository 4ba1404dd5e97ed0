"""The checkpoint of a listing: its position, and the listings that it may resume."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from attrs import evolve

from piriod_async import Checkpoint, QueryError
from piriod_async.testing.mock_server import MockServer

pytestmark = pytest.mark.usefixtures("no_leaks")

JUNE = datetime(2024, 6, 1, tzinfo=UTC)
QUERY = {"country": "CL", "created__gte": JUNE, "metadata": {"plan": "gold"}}
OTHER_QUERIES = {
    "workspace": {"workspace": "acc_2"},
    "ordering": {"ordering": "-created"},
    "country": {"country": "PE"},
    "no country": {"country": None},
    "created__gte": {"created__gte": JUNE + timedelta(microseconds=1)},
    "created__lte": {"created__lte": JUNE + timedelta(days=900)},
    "metadata": {"metadata": {"plan": "silver"}},
    "name": {"name": "a"},
    "email": {"email": "a@b.cl"},
    "tax_id": {"tax_id": "1"},
    "subscriptions": {"subscriptions": "sub_1"},
    "sources": {"sources": "src_1"},
}
SAME_QUERY = {
    "page_size": {"page_size": 10},
    "check_filters": {"check_filters": False},
    "time zone": {"created__gte": JUNE.astimezone(timezone(timedelta(hours=-4)))},
}


async def checkpoint_of(piriod, **query):
    """Return the checkpoint after the first customer of a listing."""
    listing = piriod.customers(**query)
    async with listing:
        await anext(aiter(listing))
    return listing.checkpoint and Checkpoint.from_json(listing.checkpoint.to_json())


@pytest.mark.parametrize("ordering", ["created", "-created"])
async def test_position(ordering):
    """In the body of a loop, the checkpoint is after the current customer, with the ids of its instant so far."""
    async with MockServer(300) as server, server.session() as piriod:
        rows = server.customers()
        for row in [*rows[::10], *[rows[150]] * 150]:
            server.add(created=row["created"])
        listing = piriod.customers(ordering=ordering, page_size=20)
        assert listing.checkpoint is None
        delivered = []
        async for customer in listing:
            delivered.append(customer)
            checkpoint = listing.checkpoint
            assert checkpoint.created == customer.created
            assert checkpoint.ids == {each.id for each in delivered if each.created == customer.created}
        assert listing.checkpoint == checkpoint


async def test_before_first_customer():
    """Before its first customer, a resumed listing is at the checkpoint that it starts from."""
    async with MockServer(60) as server, server.session() as piriod:
        checkpoint = await checkpoint_of(piriod, page_size=20)
        listing = piriod.customers(after=checkpoint)
        assert listing.checkpoint == checkpoint
        customers = aiter(listing)
        assert listing.checkpoint == checkpoint
        await customers.aclose()


@pytest.mark.parametrize("name", OTHER_QUERIES)
async def test_another_query(name):
    """A checkpoint of another query is a `QueryError`."""
    async with MockServer({"acc_1": 300, "acc_2": 300}) as server, server.session() as piriod:
        checkpoint = await checkpoint_of(piriod, **QUERY)
        with pytest.raises(QueryError, match=r"after=a checkpoint of .*: expected one of "):
            piriod.customers(**{**QUERY, **OTHER_QUERIES[name]}, after=checkpoint)


async def test_test_mode():
    """A checkpoint of live data does not fit test data, nor the other way round."""
    async with MockServer(60) as server, server.session() as live, server.session(test_mode=True) as test:
        for one, other in ((live, test), (test, live)):
            checkpoint = await checkpoint_of(one)
            with pytest.raises(QueryError, match=r"after=a checkpoint of .*: expected one of "):
                other.customers(after=checkpoint)


@pytest.mark.parametrize("name", SAME_QUERY)
async def test_same_query(name):
    """Options that do not change which customers match, or in which order, may differ."""
    async with MockServer(600) as server, server.session() as piriod:
        checkpoint = await checkpoint_of(piriod, **QUERY)
        rest = await piriod.customers(**{**QUERY, **SAME_QUERY[name]}, after=checkpoint).collect()
        assert len(rest) == await piriod.customers(**QUERY).count() - 1 > 10


async def test_metadata_order():
    """The order of metadata keys does not make another query."""
    async with MockServer(300) as server, server.session() as piriod:
        checkpoint = await checkpoint_of(piriod, metadata={"plan": "silver", "segment": "pyme"})
        piriod.customers(metadata={"segment": "pyme", "plan": "silver"}, after=checkpoint)


@pytest.mark.parametrize("ordering", [None, "name", "created,name"])
async def test_ordering(ordering):
    """Only listings by `created` alone have checkpoints and resume from one."""
    async with MockServer(60) as server, server.session() as piriod:
        checkpoint = await checkpoint_of(piriod)
        with pytest.raises(QueryError, match=f"expected None for ordering={ordering!r}"):
            piriod.customers(ordering=ordering, after=checkpoint)
        assert await checkpoint_of(piriod, ordering=ordering) is None


async def test_another_server():
    """A checkpoint of another server is a `QueryError`, though the workspace has the same name."""
    async with MockServer(60) as staging, MockServer(60) as production:
        async with staging.session() as one, production.session() as other:
            checkpoint = await checkpoint_of(one)
            with pytest.raises(QueryError, match=f"after=a checkpoint of base_url={staging.url}.*: expected one of "):
                other.customers(after=checkpoint)
            with pytest.raises(QueryError, match="base_url="):
                other.customers(after=evolve(checkpoint, query=checkpoint.query.partition("&")[2]))
        async with production.session(base_url=f"{production.url}/") as one, production.session() as same:
            checkpoint = await checkpoint_of(one)
            assert len(await same.customers(after=checkpoint).collect()) == 59


async def test_type():
    """A value that is not a checkpoint is a `QueryError`."""
    async with MockServer(60) as server, server.session() as piriod:
        with pytest.raises(QueryError, match="after='cus_1': expected a Checkpoint, or None"):
            piriod.customers(after="cus_1")
