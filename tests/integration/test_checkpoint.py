"""Stopping anywhere and going on: nothing is lost, nothing comes twice."""

from collections import Counter
from contextlib import aclosing
from datetime import UTC, datetime, timedelta, timezone

import pytest
from attrs import evolve

from piriod_async import Checkpoint, IncompleteListError, QueryError
from piriod_async.testing.mock_server import MockServer, Mutations
from tests.support.moving_server import killed

pytestmark = pytest.mark.usefixtures("no_leaks")

EDGE = datetime(2024, 6, 1, tzinfo=UTC)
both_ways = pytest.mark.parametrize("ordering", ["created", "-created"])


def with_ties(customers=300, *, crowd=150, **options):
    """A sandbox with pairs at one instant, and a crowd at another."""
    sandbox = MockServer(customers, **options)
    rows = sandbox.customers()
    for row in rows[::10]:
        sandbox.add(created=row["created"])
    if rows:
        for _ in range(crowd):
            sandbox.add(created=rows[len(rows) // 2]["created"])
    sandbox.changes.clear()
    return sandbox


def kept(checkpoint):
    return checkpoint and Checkpoint.from_json(checkpoint.to_json())


async def in_stretches(piriod, length, **query):
    """Read a list some customers at a time, each time from the last checkpoint."""
    checkpoint, customers = None, []
    while True:
        listing = piriod.customers(**query, after=checkpoint)
        before = len(customers)
        async with listing:
            async for customer in listing:
                customers.append(customer)
                if len(customers) == before + length:
                    break
        assert len(customers) < 2_000, "it goes round in circles"
        if len(customers) < before + length:
            return customers
        checkpoint = kept(listing.checkpoint)


def assert_each_once(customers, expected, ordering):
    instants = [customer.created for customer in customers]
    assert instants == sorted(instants, reverse=ordering == "-created")
    assert Counter(customer.id for customer in customers) == Counter(expected)


@both_ways
@pytest.mark.parametrize("stamps", ["microseconds", "seconds"])
@pytest.mark.parametrize(("length", "page_size"), [(7, 10), (37, 20), (100, 100), (101, 100), (149, 100)])
async def test_going_on_from_any_customer(length, page_size, stamps, ordering):
    async with (
        with_ties(150, crowd=15 if page_size < 100 else 150, stamps=stamps) as sandbox,
        sandbox.session() as piriod,
    ):
        customers = await in_stretches(piriod, length, ordering=ordering, page_size=page_size)
        assert_each_once(customers, [row["id"] for row in sandbox.customers()], ordering)


@both_ways
@pytest.mark.parametrize("length", [13, 120])
async def test_going_on_within_a_filter(length, ordering):
    async with with_ties() as sandbox, sandbox.session() as piriod:
        query = {"country": "CL", "created__gte": EDGE, "ordering": ordering, "page_size": 20}
        customers = await in_stretches(piriod, length, **query)
        rows = sandbox.customers()
        expected = [row["id"] for row in rows if row["country"]["id"] == "CL" and row["created"] >= EDGE]
        assert 50 < len(expected) < len(rows)
        assert_each_once(customers, expected, ordering)


@both_ways
@pytest.mark.parametrize("length", [37, 100])
@pytest.mark.parametrize("seed", range(3))
async def test_going_on_while_the_list_moves(seed, length, ordering):
    async with with_ties(600, seed=seed, churn=Mutations(rate=1)) as sandbox, sandbox.session() as piriod:
        customers = await in_stretches(piriod, length, ordering=ordering)
        ids = Counter(customer.id for customer in customers)
        assert set(ids.values()) == {1}
        start = set(ids) | {change.id for change in sandbox.changes}
        assert set(sandbox.untouched()) <= set(ids) <= start
        assert len(sandbox.changes) > 10


@both_ways
async def test_it_covers_what_the_loop_body_holds(ordering):
    async with with_ties() as sandbox, sandbox.session() as piriod:
        listing = piriod.customers(ordering=ordering, page_size=20)
        assert listing.checkpoint is None
        before = []
        async for customer in listing:
            before.append(customer)
            checkpoint = listing.checkpoint
            assert checkpoint.created == customer.created
            assert checkpoint.ids == {each.id for each in before if each.created == customer.created}
        assert listing.checkpoint == checkpoint


@both_ways
async def test_it_covers_the_page_that_the_loop_body_holds(ordering):
    async with with_ties() as sandbox, sandbox.session() as piriod:
        listing = piriod.customers(ordering=ordering)
        ids, kept_ = [], []
        async for page in listing.pages():
            ids += [customer.id for customer in page.customers]
            kept_.append((len(ids), kept(listing.checkpoint)))
        assert len(kept_) > 3
        for length, checkpoint in kept_:
            rest = await piriod.customers(ordering=ordering, after=checkpoint).collect()
            assert Counter(customer.id for customer in rest) == Counter(ids[length:])


async def test_before_the_first_customer_it_is_where_the_listing_starts():
    async with MockServer(60) as sandbox, sandbox.session() as piriod:
        listing = piriod.customers(page_size=20)
        async with listing:
            await anext(aiter(listing))
        rest = piriod.customers(after=listing.checkpoint)
        assert rest.checkpoint == listing.checkpoint
        customers = aiter(rest)
        assert rest.checkpoint == listing.checkpoint
        await customers.aclose()


@both_ways
async def test_at_the_end_there_is_nothing_left_until_something_comes(ordering):
    async with MockServer(150) as sandbox, sandbox.session() as piriod:
        listing = piriod.customers(ordering=ordering)
        await listing.collect()
        rest = piriod.customers(ordering=ordering, after=listing.checkpoint)
        assert (await rest.first(), await rest.collect()) == (None, [])
        assert rest.checkpoint == listing.checkpoint
        sides = {"created": timedelta(days=1), "-created": timedelta(days=-1)}
        new = sandbox.add(created=listing.checkpoint.created + sides[ordering])
        assert [customer.id async for customer in rest] == [new]


@both_ways
async def test_the_last_customer_may_be_gone(ordering):
    async with with_ties() as sandbox, sandbox.session() as piriod:
        whole = await piriod.customers(ordering=ordering).collect()
        for taken in (1, 150, 200, 400):
            listing = piriod.customers(ordering=ordering)
            async with aclosing(aiter(listing)) as customers:
                had = [await anext(customers) for _ in range(taken)]
            sandbox.remove(had[-1].id)
            whole.remove(had[-1])
            rest = await piriod.customers(ordering=ordering, after=listing.checkpoint).collect()
            assert Counter(had[:-1] + rest) == Counter(whole)


# --- what it fits ---

QUERY = {"country": "CL", "created__gte": EDGE, "metadata": {"plan": "gold"}}
OTHERS = {
    "workspace": {"workspace": "acc_2"},
    "ordering": {"ordering": "-created"},
    "country": {"country": "PE"},
    "no country": {"country": None},
    "created__gte": {"created__gte": EDGE + timedelta(microseconds=1)},
    "created__lte": {"created__lte": EDGE + timedelta(days=900)},
    "metadata": {"metadata": {"plan": "silver"}},
    "name": {"name": "a"},
    "email": {"email": "a@b.cl"},
    "tax_id": {"tax_id": "1"},
    "subscriptions": {"subscriptions": "sub_1"},
    "sources": {"sources": "src_1"},
}


async def checkpoint_of(piriod, **query):
    listing = piriod.customers(**query)
    async with listing:
        await anext(aiter(listing))
    return kept(listing.checkpoint)


@pytest.mark.parametrize("other", OTHERS)
async def test_a_checkpoint_of_another_listing(other):
    async with MockServer({"acc_1": 300, "acc_2": 300}) as sandbox, sandbox.session() as piriod:
        checkpoint = await checkpoint_of(piriod, **QUERY)
        with pytest.raises(QueryError, match=r"after=a checkpoint of .*: expected one of "):
            piriod.customers(**{**QUERY, **OTHERS[other]}, after=checkpoint)


async def test_a_checkpoint_of_live_data_is_none_of_test_data():
    async with MockServer(60) as sandbox, sandbox.session() as live, sandbox.session(test_mode=True) as test:
        for one, other in ((live, test), (test, live)):
            checkpoint = await checkpoint_of(one)
            with pytest.raises(QueryError, match=r"after=a checkpoint of .*: expected one of "):
                other.customers(after=checkpoint)


async def test_what_is_no_checkpoint():
    async with MockServer(60) as sandbox, sandbox.session() as piriod:
        with pytest.raises(QueryError, match="after='cus_1': expected a Checkpoint, or None"):
            piriod.customers(after="cus_1")


@pytest.mark.parametrize("ordering", [None, "name", "created,name"])
async def test_orderings_that_cannot_be_gone_on(ordering):
    async with MockServer(60) as sandbox, sandbox.session() as piriod:
        checkpoint = await checkpoint_of(piriod)
        for after in (checkpoint, evolve(checkpoint, ordering=str(ordering))):
            with pytest.raises(QueryError, match=f"expected None for ordering={ordering!r}"):
                piriod.customers(ordering=ordering, after=after)
        assert await checkpoint_of(piriod, ordering=ordering) is None


SAME = {
    "page_size": {"page_size": 10},
    "check_filters": {"check_filters": False},
    "the same instant": {"created__gte": EDGE.astimezone(timezone(timedelta(hours=-4)))},
}


@pytest.mark.parametrize("same", SAME)
async def test_what_does_not_make_another_listing(same):
    async with MockServer(600) as sandbox, sandbox.session() as piriod:
        checkpoint = await checkpoint_of(piriod, **QUERY)
        rest = await piriod.customers(**{**QUERY, **SAME[same]}, after=checkpoint).collect()
        assert len(rest) == await piriod.customers(**QUERY).count() - 1 > 10


# --- failures ---


@both_ways
async def test_an_incomplete_list_can_be_gone_on_with(ordering):
    """Ties that come in another order each time, more than a page of them; then the database calms down."""
    async with with_ties(ties="shuffled") as sandbox, sandbox.session() as piriod:
        customers = []

        async def read(listing):
            async for customer in listing:
                customers.append(customer)  # noqa: PERF401 (what came before the error counts)

        listing = piriod.customers(ordering=ordering)
        with pytest.raises(IncompleteListError, match="8 readings of the 152 customers") as caught:
            await read(listing)
        assert caught.value.checkpoint == listing.checkpoint
        assert 100 <= len(customers) < len(sandbox.customers()) - 152
        sandbox._ties = "stable"
        await read(piriod.customers(ordering=ordering, after=kept(caught.value.checkpoint)))
        assert_each_once(customers, [row["id"] for row in sandbox.customers()], ordering)


@pytest.mark.parametrize("seed", range(20))
async def test_a_server_that_is_killed(seed):
    came, expected, before = await killed(seed)
    assert came == expected
    assert before < len(expected)


async def test_the_kills_come_at_different_moments():
    befores = {(await killed(seed))[2] for seed in range(100, 104)}
    assert len(befores) > 2


async def test_the_order_of_metadata_makes_no_other_listing():
    async with MockServer(300) as sandbox, sandbox.session() as piriod:
        checkpoint = await checkpoint_of(piriod, metadata={"plan": "silver", "segment": "pyme"})
        piriod.customers(metadata={"segment": "pyme", "plan": "silver"}, after=checkpoint)
