"""A listing over real sockets: what comes, what it costs, and that leaving it leaves nothing behind."""

import asyncio
import json
from contextlib import aclosing, asynccontextmanager
from operator import itemgetter

import pytest
from attrs import evolve

from piriod_async import (
    DecodeError,
    FilterIgnoredError,
    IncompleteListError,
    NotFoundError,
    Progress,
    RetryPolicy,
    UnexpectedStatusError,
)
from piriod_async.decoding import page_decoder
from piriod_async.pagination.prefetch import PREFETCH_PER_REQUEST
from piriod_async.testing.mock_server import OMITTED, MockServer
from tests.support.tasks import assert_idle, pending_tasks, settle

pytestmark = pytest.mark.usefixtures("no_leaks")

ORDERINGS = ["created", "-created", None, "name", "-name,created", "-updated"]
each_kind = pytest.mark.parametrize("ordering", ["created", None])


@asynccontextmanager
async def serving(customers=500, *, session=None, **options):
    async with MockServer(customers, **options) as sandbox:
        async with sandbox.session(**{"retry": RetryPolicy(attempts=1), **(session or {})}) as piriod:
            yield sandbox, piriod
            assert_idle(piriod)
        while sandbox._runner.server.connections:  # noqa: ASYNC110 (one that was cut lives longer on the other side)
            await asyncio.sleep(0)


def expected(sandbox, ordering):
    customers = sandbox.customers()
    for term in reversed((ordering or "-created").split(",")):
        customers.sort(key=itemgetter(term.removeprefix("-")), reverse=term.startswith("-"))
    return ids_of(customers)


def ids_of(customers):
    return [customer["id"] if isinstance(customer, dict) else customer.id for customer in customers]


def raw_ids(page):
    return ids_of(json.loads(page.raw)["results"])


# --- what comes ---


@pytest.mark.parametrize("page_size", [20, 100])
@pytest.mark.parametrize("ordering", ORDERINGS)
async def test_all_customers_in_order_however_they_are_read(ordering, page_size):
    async with serving() as (sandbox, piriod):
        listing = piriod.customers(ordering=ordering, page_size=page_size)
        ids = expected(sandbox, ordering)
        assert [customer.id async for customer in listing] == ids
        assert ids_of(await listing.collect()) == ids
        assert [customer.id async for page in listing.pages() for customer in page.customers] == ids


@pytest.mark.parametrize("ordering", ORDERINGS)
async def test_pages_and_what_is_in_them(ordering):
    async with serving() as (_, piriod):
        pages = [page async for page in piriod.customers(ordering=ordering, page_size=20).pages()]
        assert all(page.customers for page in pages)
        assert all(set(ids_of(page.customers)) <= set(raw_ids(page)) for page in pages)
        assert pages[0].count == 500


@pytest.mark.parametrize("page_size", [1, 7])
async def test_small_pages_by_number(page_size):
    async with serving(21) as (sandbox, piriod):
        listing = piriod.customers(ordering="name", page_size=page_size)
        assert ids_of(await listing.collect()) == expected(sandbox, "name")
        assert len(sandbox.requests) == 21 / page_size


@each_kind
async def test_filters_and_where_they_are_sent(ordering):
    async with serving() as (sandbox, piriod):
        listing = piriod.customers(country="CL", metadata={"plan": "gold"}, ordering=ordering, page_size=10)
        customers = await listing.collect()
        chosen = [
            customer["id"]
            for customer in sandbox.customers()
            if customer["country"]["id"] == "CL" and customer["metadata"].get("plan") == "gold"
        ]
        assert ids_of(customers) == (chosen if ordering else chosen[::-1])
        assert len(chosen) > 20
        sent = [(request.params["country"], request.params["metadata__plan"]) for request in sandbox.requests]
        assert set(sent) == {("CL", "gold")}


@each_kind
async def test_each_iteration_is_a_crawl_of_its_own(ordering):
    async with serving(60) as (sandbox, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        assert len(await listing.collect()) == 60
        sandbox.remove(sandbox.customers()[30]["id"])
        sandbox.add()
        assert ids_of(await listing.collect()) == expected(sandbox, ordering)


@each_kind
async def test_iterations_side_by_side(ordering):
    async with serving() as (sandbox, piriod):
        one = piriod.customers(ordering=ordering, page_size=20)
        two = piriod.customers(country="CL", ordering="-created", page_size=50)
        first, again, second = await asyncio.gather(one.collect(), one.collect(), two.collect())
        assert ids_of(first) == ids_of(again) == expected(sandbox, ordering)
        chile = {customer["id"] for customer in sandbox.customers() if customer["country"]["id"] == "CL"}
        assert ids_of(second) == [id_ for id_ in expected(sandbox, "-created") if id_ in chile]


# --- what it costs ---


@each_kind
async def test_nothing_is_sent_before_it_is_read(ordering):
    async with serving(10) as (sandbox, piriod):
        listing = piriod.customers(ordering=ordering)
        assert listing.progress == Progress()
        customers, pages = aiter(listing), listing.pages()
        async with listing:
            await settle()
        assert piriod.stats.requests == len(sandbox.requests) == 0
        assert listing.progress.requests == 0
        assert listing.checkpoint is None
        await customers.aclose()
        await pages.aclose()


@each_kind
@pytest.mark.parametrize("length", [0, 1, 100])
async def test_one_page_is_one_request(length, ordering):
    async with serving(length) as (sandbox, piriod):
        assert len(await piriod.customers(ordering=ordering).collect()) == length
        assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    ("ordering", "most"), [(None, 25), ("name", 25), ("created", 1.06 * 25 + 3), ("-created", 1.06 * 25 + 3)]
)
async def test_requests_for_2_500(ordering, most):
    async with serving(2_500) as (sandbox, piriod):
        listing = piriod.customers(ordering=ordering)
        assert len(await listing.collect()) == 2_500
        assert 25 <= len(sandbox.requests) <= most
        assert listing.progress.requests == piriod.stats.requests == len(sandbox.requests)


@pytest.mark.parametrize("ordering", ORDERINGS)
async def test_count_and_first_are_one_request_each(ordering):
    async with serving() as (sandbox, piriod):
        listing = piriod.customers(ordering=ordering)
        assert await listing.count() == 500
        assert len(sandbox.requests) == 1
        assert (await listing.first()).id == expected(sandbox, ordering)[0]
        assert len(sandbox.requests) == 2


@pytest.mark.parametrize("ordering", ORDERINGS)
async def test_nobody(ordering):
    async with serving() as (_, piriod):
        listing = piriod.customers(name="nobody is called this", ordering=ordering)
        assert (await listing.count(), await listing.first(), await listing.collect()) == (0, None, [])
        assert [page.count async for page in listing.pages()] == [0]
        assert listing.checkpoint is None


@pytest.mark.parametrize("ordering", ["created", "-created"])
@pytest.mark.parametrize("taken", [1, 100, 499])
async def test_first_after_a_checkpoint_is_one_request(taken, ordering):
    async with serving() as (sandbox, piriod):
        listing = piriod.customers(ordering=ordering)
        await take(listing, taken)
        before = len(sandbox.requests)
        rest = piriod.customers(ordering=ordering, after=listing.checkpoint)
        assert (await rest.first()).id == expected(sandbox, ordering)[taken]
        await settle()
        assert len(sandbox.requests) == piriod.stats.requests == before + 1


async def take(listing, taken):
    async with listing:
        async for _ in listing:
            if (taken := taken - 1) == 0:
                break


# --- progress ---


@each_kind
async def test_progress_while_iterating(ordering):
    async with serving(200, session={"concurrency": 2}) as (sandbox, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        seen = []
        async for _ in listing:
            progress = listing.progress
            seen.append(progress.delivered)
            assert progress.total == 200
            assert len(sandbox.requests) <= progress.requests <= len(sandbox.requests) + 2
            assert progress.retries == 0
            assert progress.paused_until is None
        assert seen == list(range(1, 201))
        assert listing.progress.requests == len(sandbox.requests)


@each_kind
async def test_progress_by_pages(ordering):
    async with serving(200) as (_, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        delivered = 0
        async for page in listing.pages():
            delivered += len(page.customers)
            assert listing.progress.delivered == delivered
        assert delivered == 200


async def test_progress_counts_retries():
    async def sleep(_):
        await asyncio.sleep(0)

    async with serving(session={"retry": RetryPolicy(sleep=sleep)}) as (sandbox, piriod):
        sandbox.fail(status=503, times=3)
        listing = piriod.customers()
        await listing.collect()
        assert listing.progress.retries == 3
        assert listing.progress.requests == len(sandbox.requests)


async def test_progress_is_of_the_iteration_started_last():
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


@pytest.mark.parametrize("way", ["count", "first"])
async def test_questions_in_the_loop_leave_progress_and_checkpoint_alone(way):
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


# --- how far it looks ahead ---


@each_kind
async def test_a_consumer_that_stops_reading_stops_the_requests(ordering):
    concurrency = 2
    async with serving({"acc_1": 2_000, "acc_2": 1}, session={"concurrency": concurrency}) as (sandbox, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)

        async def rest():
            """Return how many requests it has sent once it sends no more, by the clock of others' requests."""
            counts = []
            while len(set(counts[-8:])) != 1 or len(counts) < 8:
                await piriod.customers(workspace="acc_2").count()
                counts.append(sum(request.workspace == "acc_1" for request in sandbox.requests))
            return counts[-1]

        async with listing:
            customers = aiter(listing)
            await anext(customers)
            assert await rest() <= 1 + PREFETCH_PER_REQUEST * concurrency
            for _ in range(200):
                await anext(customers)
            assert 11 <= await rest() <= 11 + 2 * PREFETCH_PER_REQUEST * concurrency


@each_kind
async def test_one_page_at_most_is_decoded_in_a_turn_of_the_loop(ordering, monkeypatch):
    turns, now = [], 0
    decode_page = page_decoder.decode_page

    async def decode(body):
        turns.append(now)
        return await decode_page(body)

    async def count_turns():
        nonlocal now
        while True:
            now += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(page_decoder, "decode_page", decode)
    # the same latency for all: eight answers are sent, and so read, in one turn
    async with serving(1_000, latency=0.005) as (_, piriod):
        counting = asyncio.create_task(count_turns())
        await piriod.customers(ordering=ordering, page_size=20).collect()
        counting.cancel()
        assert len(turns) >= 50
        assert len(set(turns)) == len(turns)


# --- leaving ---


async def leave_by_break(listing, taken, at):
    async with listing:
        async for _ in listing:
            if (taken := taken - 1) == 0:
                at()
                break


async def leave_pages_by_break(listing, taken, at):
    async with listing:
        async for page in listing.pages():
            if (taken := taken - len(page.customers)) <= 0:
                at()
                break


async def leave_by_aclose(listing, taken, at):
    customers = aiter(listing)
    for _ in range(taken):
        await anext(customers)
    at()
    await customers.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(customers)


async def leave_by_aclosing(listing, taken, at):
    async with aclosing(listing.pages()) as pages:
        async for page in pages:
            if (taken := taken - len(page.customers)) <= 0:
                at()
                return


async def leave_by_an_error(listing, taken, at):
    def fail():
        at()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await leave_by_break(listing, taken, fail)


async def leave_by_cancellation(listing, taken, at):
    there = asyncio.Event()

    async def read():
        left = taken
        async with listing:
            async for _ in listing:
                if (left := left - 1) == 0:
                    there.set()
                    await asyncio.Event().wait()

    reading = asyncio.create_task(read())
    await there.wait()
    at()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


WAYS = [
    leave_by_break,
    leave_pages_by_break,
    leave_by_aclose,
    leave_by_aclosing,
    leave_by_an_error,
    leave_by_cancellation,
]


@pytest.mark.parametrize("taken", [1, 21, 300])
@each_kind
@pytest.mark.parametrize("leave", WAYS)
async def test_leaving_leaves_nothing_behind(leave, ordering, taken):
    async with serving(1_000, latency=(0, 0.005), session={"concurrency": 2}) as (sandbox, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        begun = []
        await leave(listing, taken, lambda: begun.extend(pending_tasks()))
        assert bool(begun) == (taken > 1 or ordering is not None)
        assert_idle(piriod)
        sent = piriod.stats.requests
        await settle()
        assert piriod.stats.requests == sent < 50
        assert ids_of(await listing.collect()) == expected(sandbox, ordering)


@each_kind
async def test_cancelled_while_it_waits_for_a_page(ordering):
    async with serving(latency=0.02) as (sandbox, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        for turns in range(0, 120, 8):
            reading = asyncio.create_task(listing.collect())
            for _ in range(turns):
                await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert_idle(piriod)
        sandbox._latency = 0.0, 0.0
        assert ids_of(await listing.collect()) == expected(sandbox, ordering)


@each_kind
async def test_an_error_of_the_server_leaves_nothing_behind(ordering):
    async with serving(latency=(0, 0.005)) as (sandbox, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        sandbox.fail(status=418, page=5)
        with pytest.raises(UnexpectedStatusError):
            await listing.collect()
        assert_idle(piriod)
        assert ids_of(await listing.collect()) == expected(sandbox, ordering)


@each_kind
async def test_a_break_without_async_with_ends_it_soon(ordering):
    async with serving() as (_, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        async for _ in listing:
            break
        await settle()
        assert_idle(piriod)
        assert not listing._held


async def test_async_with_ends_what_this_task_began_and_no_more():
    """A listing may be shared: one that leaves it does not cut off another."""
    async with serving() as (sandbox, piriod):
        listing = piriod.customers(page_size=20)
        left, ids = asyncio.Event(), []

        async def read():
            async with listing:
                async for customer in listing:
                    ids.append(customer.id)
                    await left.wait()

        reading = asyncio.create_task(read())
        await take(listing, 30)
        assert ids
        left.set()
        await reading
        assert ids == expected(sandbox, "created")


async def test_async_with_keeps_nothing_that_has_ended():
    async with serving(60) as (_, piriod):
        listing = piriod.customers(page_size=20)
        async with listing:
            for _ in range(3):
                await listing.collect()
                assert [page async for page in listing.pages()]
            assert not listing._held


# --- lists that cannot be read whole ---


async def read_pages(listing):
    """Return the ids delivered, the ids in the responses, and the error."""
    delivered, answered = [], set()
    try:
        async for page in listing.pages():
            delivered += ids_of(page.customers)
            answered |= set(raw_ids(page))
    except IncompleteListError as error:
        return delivered, answered, error
    return delivered, answered, None


def shrink(sandbox):
    for customer in sandbox.customers()[100:]:
        sandbox.remove(customer["id"])


def empty(sandbox):
    for customer in sandbox.customers():
        sandbox.remove(customer["id"])


def swap(sandbox):
    """One goes, one comes: the count stays, and the customers between them slide by one."""
    sandbox.remove(sandbox.customers()[0]["id"])
    sandbox.add(name="A")


@pytest.mark.parametrize(
    "move", [shrink, empty, swap, MockServer.add], ids=["shrinks", "is emptied", "slides", "grows"]
)
@pytest.mark.parametrize("ordering", [None, "name"])
async def test_by_number_all_is_delivered_and_then_it_fails(ordering, move):
    async with serving(session={"concurrency": 1}) as (sandbox, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        moved = False
        answer = sandbox._answer

        def answer_and_move(*request):
            nonlocal moved
            response = answer(*request)
            if not moved:
                moved = True
                move(sandbox)
            return response

        sandbox._answer = answer_and_move
        delivered, answered, error = await read_pages(listing)
        assert moved
        assert len(delivered) == len(set(delivered)) >= 20
        assert set(delivered) == answered
        assert "the list changed while it was read by page number" in str(error)
        assert f"{len(delivered)} customers came, 500 were counted" in str(error)
        assert error.checkpoint is listing.checkpoint is None


IGNORED = [
    ({"ordering"}, "created", "does not order by `created`", 0),
    ({"created__gte"}, "created", "does not heed bounds of `created`", 20),
    ({"created__lte"}, "created", "does not heed bounds of `created`", 20),
    ({"created__lte"}, "-created", "does not heed bounds of `created`", 20),
]


@pytest.mark.parametrize(("ignores", "ordering", "message", "at_least"), IGNORED)
async def test_a_server_that_does_not_do_as_it_is_asked(ignores, ordering, message, at_least):
    async with serving(ignores=ignores) as (sandbox, piriod):
        delivered, _, error = await read_pages(piriod.customers(ordering=ordering, page_size=20))
        assert message in str(error)
        assert "ordering=None" in str(error)
        assert delivered == expected(sandbox, ordering)[: len(delivered)]
        assert len(delivered) >= at_least
        assert_idle(piriod)
        assert len(await piriod.customers(ordering=None).collect()) == 500


async def test_one_page_is_put_in_order():
    async with serving(50, ignores={"ordering"}) as (sandbox, piriod):
        assert ids_of(await piriod.customers().collect()) == expected(sandbox, "created")


async def test_one_page_of_customers_without_created_has_no_checkpoint():
    async with serving(0) as (sandbox, piriod):
        sandbox.add(created=OMITTED)
        listing = piriod.customers()
        async for customer in listing:
            assert customer.created is None
            assert listing.checkpoint is None


@each_kind
async def test_a_wrong_base_url(ordering):
    async with serving() as (sandbox, _), sandbox.session(base_url=f"{sandbox.url}/v2") as piriod:
        for read in ("collect", "first", "count"):
            with pytest.raises(NotFoundError):
                await getattr(piriod.customers(ordering=ordering), read)()
        assert_idle(piriod)
        assert len(sandbox.requests) == 3


# --- filters that the server ignores ---

FILTERS = [
    ("country", {"country": "PE"}),
    ("name", {"name": "nobody is called this"}),
    ("tax_id", {"tax_id": "not one of them"}),
    ("metadata__plan", {"metadata": {"plan": "platinum"}}),
]


@each_kind
@pytest.mark.parametrize(("name", "filters"), FILTERS)
async def test_an_ignored_filter_is_an_error(name, filters, ordering):
    async with serving(300, ignores={name}) as (_, piriod):
        listing = piriod.customers(**filters, ordering=ordering)
        for read in ("collect", "first"):
            with pytest.raises(FilterIgnoredError, match=rf"ignore the filter {name}: .*check_filters=False"):
                await getattr(listing, read)()
        assert listing.progress.delivered == 0
        assert_idle(piriod)
        unchecked = piriod.customers(**filters, ordering=ordering, check_filters=False)
        assert len(await unchecked.collect()) == 300


@each_kind
async def test_a_filter_ignored_later_on_delivers_none_that_it_excludes(ordering):
    async with serving(500) as (sandbox, piriod):
        countries = set()

        async def read():
            async for customer in piriod.customers(country="CL", ordering=ordering, page_size=20):
                countries.add(customer.country.id)
                sandbox._ignores = {"country"}

        with pytest.raises(FilterIgnoredError):
            await read()
        assert countries == {"CL"}


async def test_async_with_inside_async_with():
    async with MockServer(3_000) as sandbox, sandbox.session() as piriod, piriod.customers() as listing:
        iteration = aiter(listing)
        await anext(iteration)
        async with listing:
            pass
        assert (await anext(iteration)).id == sandbox.customers()[1]["id"]


@pytest.mark.parametrize("ordering", ["created", "name"])
async def test_a_customer_that_comes_twice_in_one_response_is_delivered_once(ordering):
    """As of a filter that joins tables, without DISTINCT."""

    class Joined(MockServer):
        def _list(self, *asked):
            answer = super()._list(*asked)
            page = json.loads(answer.body)
            page["results"] = [row for row in page["results"] for _ in range(2)]
            return evolve(answer, body=json.dumps(page).encode())

    came = []
    async with Joined(20) as sandbox, sandbox.session() as piriod:
        async for page in piriod.customers(ordering=ordering).pages():
            came += ids_of(page.customers)
        assert sorted(came) == sorted(ids_of(sandbox.customers()))


@pytest.mark.parametrize("read", ["count", "first", "collect"])
async def test_an_error_says_whose_customers_were_read(read):
    async with MockServer(3) as sandbox, sandbox.session() as piriod:
        sandbox.update(sandbox.customers()[0]["id"], name=None)
        with pytest.raises(DecodeError, match=r"\(workspace acc_sandbox\)") as caught:
            await getattr(piriod.customers(), read)()
        assert caught.value.workspace == "acc_sandbox"


async def drain(customers):
    return [customer async for customer in customers]


async def test_what_another_task_reads_is_that_tasks_to_end():
    async with MockServer(300, latency=0.001) as sandbox, sandbox.session() as piriod:
        async with piriod.customers() as listing:
            reading = asyncio.create_task(drain(aiter(listing)))
            while not sandbox.requests:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert len(await reading) == 300


async def test_left_in_another_task_than_it_was_entered_in():
    async with MockServer(3_000, latency=0.001) as sandbox, sandbox.session() as piriod:
        listing = piriod.customers()
        await listing.__aenter__()
        customers = aiter(listing)
        await anext(customers)
        await asyncio.create_task(listing.__aexit__(None, None, None))
        assert not pending_tasks()
        assert (listing._held, listing._entered) == ({}, {})
