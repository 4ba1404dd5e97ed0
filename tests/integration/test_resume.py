"""Resuming from a checkpoint: wherever a listing stopped, no customer is lost and none is repeated."""

from collections import Counter
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from piriod_async import Checkpoint, IncompleteListError
from piriod_async.pagination import ties
from piriod_async.testing.mock_server import MockServer, Mutations
from tests.support.moving_server import crawl_with_crash

pytestmark = pytest.mark.usefixtures("no_leaks")

both_ways = pytest.mark.parametrize("ordering", ["created", "-created"])


def server_with_ties(customers=300, *, ties=150, **options):
    """Return a mock server with pairs of customers at some instants, and many at another."""
    server = MockServer(customers, **options)
    rows = server.customers()
    for row in rows[::10]:
        server.add(created=row["created"])
    for _ in range(ties):
        server.add(created=rows[len(rows) // 2]["created"])
    server.changes.clear()
    return server


def reloaded(checkpoint):
    return Checkpoint.from_json(checkpoint.to_json())


async def read_in_parts(piriod, size, **query):
    """Read a list `size` customers at a time, each time from the last checkpoint."""
    checkpoint, customers = None, []
    while True:
        listing = piriod.customers(**query, after=checkpoint)
        target = len(customers) + size
        async with listing:
            async for customer in listing:
                customers.append(customer)
                if len(customers) == target:
                    break
        assert len(customers) < 2_000, "the same customers come again and again"
        if len(customers) < target:
            return customers
        checkpoint = reloaded(listing.checkpoint)


def assert_exactly_once(customers, expected, ordering):
    created = [customer.created for customer in customers]
    assert created == sorted(created, reverse=ordering == "-created")
    assert Counter(customer.id for customer in customers) == Counter(expected)


@both_ways
@pytest.mark.parametrize("precision", ["microseconds", "seconds"])
@pytest.mark.parametrize(
    ("size", "page_size", "ties"), [(7, 10, 15), (37, 20, 15), (100, 100, 150), (101, 100, 150), (149, 100, 150)]
)
async def test_anywhere(size, page_size, ties, precision, ordering):
    """A listing resumes within a page, at its end, and among ties, whatever timestamps are printed to."""
    async with server_with_ties(150, ties=ties, timestamp_precision=precision) as server, server.session() as piriod:
        customers = await read_in_parts(piriod, size, ordering=ordering, page_size=page_size)
        assert_exactly_once(customers, [row["id"] for row in server.customers()], ordering)


@both_ways
@pytest.mark.parametrize("size", [13, 120])
async def test_filtered(size, ordering):
    """A filtered listing resumes within its filters."""
    start = datetime(2024, 6, 1, tzinfo=UTC)
    async with server_with_ties() as server, server.session() as piriod:
        query = {"country": "CL", "created__gte": start, "ordering": ordering, "page_size": 20}
        customers = await read_in_parts(piriod, size, **query)
        rows = server.customers()
        expected = [row["id"] for row in rows if row["country"]["id"] == "CL" and row["created"] >= start]
        assert 50 < len(expected) < len(rows)
        assert_exactly_once(customers, expected, ordering)


@both_ways
@pytest.mark.parametrize("size", [37, 100])
@pytest.mark.parametrize("seed", range(3))
async def test_list_changes(seed, size, ordering):
    """A list that changes before every response is resumed with nothing lost and nothing repeated."""
    async with server_with_ties(600, seed=seed, mutations=Mutations(rate=1)) as server, server.session() as piriod:
        at_start = {row["id"] for row in server.customers()}
        customers = await read_in_parts(piriod, size, ordering=ordering)
        ids = Counter(customer.id for customer in customers)
        assert set(ids.values()) == {1}
        assert set(server.unchanged_ids()) <= set(ids) <= at_start | {change.id for change in server.changes}
        assert len(server.changes) > 10


@both_ways
async def test_from_each_page(ordering):
    """The checkpoint in the body of a loop over pages is at the end of the page."""
    async with server_with_ties() as server, server.session() as piriod:
        listing = piriod.customers(ordering=ordering)
        ids, checkpoints = [], []
        async for page in listing.pages():
            ids += [customer.id for customer in page.customers]
            checkpoints.append((len(ids), reloaded(listing.checkpoint)))
        assert len(checkpoints) > 3
        for length, checkpoint in checkpoints:
            rest = await piriod.customers(ordering=ordering, after=checkpoint).collect()
            assert Counter(customer.id for customer in rest) == Counter(ids[length:])


@both_ways
async def test_from_the_end(ordering):
    """After the last customer there is nothing left, until another one is created there."""
    async with MockServer(150) as server, server.session() as piriod:
        listing = piriod.customers(ordering=ordering)
        await listing.collect()
        rest = piriod.customers(ordering=ordering, after=listing.checkpoint)
        assert (await rest.first(), await rest.collect()) == (None, [])
        assert rest.checkpoint == listing.checkpoint
        day = timedelta(days=1 if ordering == "created" else -1)
        new = server.add(created=listing.checkpoint.created + day)
        assert [customer.id async for customer in rest] == [new]


@both_ways
async def test_last_customer_deleted(ordering):
    """A listing resumes after a customer that has been deleted meanwhile."""
    async with server_with_ties() as server, server.session() as piriod:
        customers = await piriod.customers(ordering=ordering).collect()
        for taken in (1, 150, 200, 400):
            listing = piriod.customers(ordering=ordering)
            async with aclosing(aiter(listing)) as iterator:
                first = [await anext(iterator) for _ in range(taken)]
            server.remove(first[-1].id)
            customers.remove(first[-1])
            rest = await piriod.customers(ordering=ordering, after=listing.checkpoint).collect()
            assert Counter(first[:-1] + rest) == Counter(customers)


@both_ways
async def test_incomplete_list(ordering, monkeypatch):
    """After an `IncompleteListError` for ties in random order, a listing resumes once their order is stable."""
    monkeypatch.setattr(ties, "MAX_TIE_PASSES", 2)
    async with server_with_ties(tie_order="shuffled") as server, server.session() as piriod:
        customers = []

        async def read(listing):
            async for customer in listing:
                customers.append(customer)  # noqa: PERF401 (customers before the error count)

        listing = piriod.customers(ordering=ordering)
        with pytest.raises(IncompleteListError, match="2 readings of the 152 customers") as caught:
            await read(listing)
        assert caught.value.checkpoint == listing.checkpoint
        assert 100 <= len(customers) < len(server.customers()) - 152
        server._tie_order = "stable"
        await read(piriod.customers(ordering=ordering, after=reloaded(caught.value.checkpoint)))
        assert_exactly_once(customers, [row["id"] for row in server.customers()], ordering)


@pytest.mark.parametrize("seed", range(20))
async def test_server_crashes(seed):
    """After a crash of the server, the listing resumes with nothing lost and nothing repeated."""
    delivered, expected, before_crash = await crawl_with_crash(seed)
    assert delivered == expected
    assert before_crash < len(expected)


async def test_crashes_differ():
    """The crashes of the test above come at different moments."""
    assert len({(await crawl_with_crash(seed))[2] for seed in range(100, 104)}) > 2
