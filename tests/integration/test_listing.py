"""A listing over real sockets: what comes, what it costs, and that leaving it leaves nothing behind."""

import asyncio
import json
from contextlib import aclosing, asynccontextmanager
from operator import itemgetter

import pytest
from attrs import evolve

import piriod_async.transport.transport
from piriod_async import DecodeError, FilterIgnoredError, IncompleteListError, NotFoundError, Progress, RetryPolicy
from piriod_async.decoding import strict
from piriod_async.pagination.adaptive_limit import PREFETCH_PER_REQUEST
from piriod_async.testing.mock_server import OMITTED, MockServer, Unchecked
from tests.support.tasks import assert_idle, pending_tasks, settle

pytestmark = pytest.mark.usefixtures("no_leaks")

ORDERINGS = ["created", "-created", None, "name", "-name,created", "-updated"]
each_kind = pytest.mark.parametrize("ordering", ["created", None])


@asynccontextmanager
async def serving(customers=500, *, session=None, **options):
    async with MockServer(customers, **options) as server:
        async with server.session(**{"retry": RetryPolicy(attempts=1), **(session or {})}) as piriod:
            yield server, piriod
            assert_idle(piriod)
        while server._runner.server.connections:  # noqa: ASYNC110 (one that was cut lives longer on the other side)
            await asyncio.sleep(0)


def expected(server, ordering):
    customers = server.customers()
    for term in reversed((ordering or "-created").split(",")):
        customers.sort(key=itemgetter(term.removeprefix("-")), reverse=term.startswith("-"))
    return ids_of(customers)


def ids_of(customers):
    return [customer["id"] if isinstance(customer, dict) else customer.id for customer in customers]


def raw_ids(page):
    return ids_of(json.loads(page.raw)["results"])


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
async def test_read_again(ordering):
    """Each iteration reads the list anew."""
    async with serving(60) as (server, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        assert len(await listing.collect()) == 60
        server.remove(server.customers()[30]["id"])
        server.add()
        assert ids_of(await listing.collect()) == expected(server, ordering)


@each_kind
async def test_concurrent_iterations(ordering):
    """Iterations of one listing do not disturb each other."""
    async with serving() as (server, piriod):
        one = piriod.customers(ordering=ordering, page_size=20)
        two = piriod.customers(country="CL", ordering="-created", page_size=50)
        first, again, second = await asyncio.gather(one.collect(), one.collect(), two.collect())
        assert ids_of(first) == ids_of(again) == expected(server, ordering)
        chile = {customer["id"] for customer in server.customers() if customer["country"]["id"] == "CL"}
        assert ids_of(second) == [id_ for id_ in expected(server, "-created") if id_ in chile]


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


@each_kind
@pytest.mark.parametrize("length", [0, 1, 100])
async def test_one_page(length, ordering):
    """A list of one page takes one request."""
    async with serving(length) as (server, piriod):
        assert len(await piriod.customers(ordering=ordering).collect()) == length
        assert len(server.requests) == 1


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


@pytest.mark.parametrize("ordering", ORDERINGS)
async def test_empty(ordering):
    """A list without customers is empty, however it is read."""
    async with serving() as (_, piriod):
        listing = piriod.customers(name="nobody is called this", ordering=ordering)
        assert (await listing.count(), await listing.first(), await listing.collect()) == (0, None, [])
        assert [page.count async for page in listing.pages()] == [0]
        assert listing.checkpoint is None


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


async def take(listing, taken):
    async with listing:
        async for _ in listing:
            if (taken := taken - 1) == 0:
                break


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


@pytest.mark.parametrize("concurrency", [2, 8])
@each_kind
async def test_slow_consumer(ordering, concurrency):
    """A consumer that stops iterating stops the requests; if it stops early, few have been sent."""
    async with serving({"acc_1": 2_000, "acc_2": 1}, session={"concurrency": concurrency}) as (server, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)

        async def rest():
            """Return how many requests it has sent once it sends no more, by the clock of others' requests."""
            counts = []
            while len(set(counts[-8:])) != 1 or len(counts) < 8:
                await piriod.customers(workspace="acc_2").count()
                counts.append(sum(request.workspace == "acc_1" for request in server.requests))
            return counts[-1]

        async with listing:
            customers = aiter(listing)
            await anext(customers)
            assert 1 <= await rest() <= 1 + concurrency
            for _ in range(200):
                await anext(customers)
            assert 11 <= await rest() <= 11 + 2 * PREFETCH_PER_REQUEST * concurrency


@each_kind
async def test_one_page_per_iteration(ordering, monkeypatch):
    """At most one page is decoded per event-loop iteration."""
    turns, now = [], 0
    decode_customers = strict.decode_customers

    def decode(body):
        turns.append(now)
        return decode_customers(body)

    async def count_turns():
        nonlocal now
        while True:
            now += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(strict, "decode_customers", decode)
    # the same latency for all: eight answers are sent, and so read, in one turn
    async with serving(1_000, latency=0.005) as (_, piriod):
        counting = asyncio.create_task(count_turns())
        await piriod.customers(ordering=ordering, page_size=20).collect()
        counting.cancel()
        assert len(turns) >= 50
        assert len(set(turns)) == len(turns)


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
async def test_leaving(leave, ordering, taken):
    """However a loop is left, no task and no request is left behind."""
    async with serving(1_000, latency=(0, 0.005), session={"concurrency": 2}) as (server, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        begun = []
        await leave(listing, taken, lambda: begun.extend(pending_tasks()))
        assert bool(begun) == (taken > 1 or ordering is not None)
        assert_idle(piriod)
        sent = piriod.stats.requests
        await settle()
        assert piriod.stats.requests == sent < 50
        assert ids_of(await listing.collect()) == expected(server, ordering)


@each_kind
async def test_cancelled(ordering):
    """A listing can be cancelled at any point, and read again."""
    async with serving(latency=0.02) as (server, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        for turns in range(0, 120, 8):
            reading = asyncio.create_task(listing.collect())
            for _ in range(turns):
                await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert_idle(piriod)
        server._latency = 0.0, 0.0
        assert ids_of(await listing.collect()) == expected(server, ordering)


@each_kind
async def test_server_error(ordering):
    """An error of the server leaves no task and no request behind."""
    async with serving(latency=(0, 0.005)) as (server, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        server.fail(status=418, page=5)
        with pytest.raises(piriod_async.UnexpectedStatusError):
            await listing.collect()
        assert_idle(piriod)
        assert ids_of(await listing.collect()) == expected(server, ordering)


@each_kind
async def test_break_without_async_with(ordering):
    """Without `async with`, the garbage collector ends the iteration."""
    async with serving() as (_, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        async for _ in listing:
            break
        await settle()
        assert_idle(piriod)


async def test_shared_listing():
    """A listing may be shared: one that leaves it does not cut off another."""
    async with serving() as (server, piriod):
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
        assert ids == expected(server, "created")


async def test_finished_iterations():
    """An `async with` block does not keep iterations that have finished."""
    async with serving(60) as (_, piriod):
        listing = piriod.customers(page_size=20)
        async with listing:
            for _ in range(3):
                await listing.collect()
                assert [page async for page in listing.pages()]
            assert len(listing._scopes[0].generators) == 1


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


def shrink(server):
    for customer in server.customers()[100:]:
        server.remove(customer["id"])


def empty(server):
    for customer in server.customers():
        server.remove(customer["id"])


def swap(server):
    """One goes, one comes: the count stays, and the customers between them slide by one."""
    server.remove(server.customers()[0]["id"])
    server.add(name="A")


@pytest.mark.parametrize(
    "move", [shrink, empty, swap, MockServer.add], ids=["shrinks", "is emptied", "slides", "grows"]
)
@pytest.mark.parametrize("ordering", [None, "name"])
async def test_list_changes(ordering, move):
    """By page number, everything received is delivered, and then an error is raised."""
    async with serving(session={"concurrency": 1}) as (server, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        moved = False
        answer = server._respond

        def answer_and_move(*request):
            nonlocal moved
            response = answer(*request)
            if not moved:
                moved = True
                move(server)
            return response

        server._respond = answer_and_move
        delivered, answered, error = await read_pages(listing)
        assert moved
        assert len(delivered) == len(set(delivered)) >= 20
        assert set(delivered) == answered
        assert "the list changed while it was read by page number" in str(error)
        assert f"received {len(delivered)} customers, the server counted 500" in str(error)
        assert error.checkpoint is listing.checkpoint is None


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


async def test_nested_blocks():
    """Blocks may be nested."""
    async with MockServer(3_000) as server, server.session() as piriod, piriod.customers() as listing:
        iteration = aiter(listing)
        await anext(iteration)
        async with listing:
            pass
        assert (await anext(iteration)).id == server.customers()[1]["id"]


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


@pytest.mark.parametrize("read", ["first", "collect"])
async def test_error_names_workspace(read):
    """An error names the workspace."""
    async with MockServer(3) as server, server.session() as piriod:
        server.update(server.customers()[0]["id"], phone=Unchecked(5))
        with pytest.raises(DecodeError, match=r"\(workspace acc_mock\)") as caught:
            await getattr(piriod.customers(), read)()
        assert caught.value.workspace == "acc_mock"


async def drain(customers):
    return [customer async for customer in customers]


async def test_other_task():
    """A block does not end iterations of other tasks."""
    async with MockServer(300, latency=0.001) as server, server.session() as piriod:
        async with piriod.customers() as listing:
            reading = asyncio.create_task(drain(aiter(listing)))
            while not server.requests:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert len(await reading) == 300


async def test_left_by_other_task():
    """A block may be left by another task than entered it."""
    async with MockServer(3_000, latency=0.001) as server, server.session() as piriod:
        listing = piriod.customers()
        await listing.__aenter__()
        customers = aiter(listing)
        await anext(customers)
        await asyncio.create_task(listing.__aexit__(None, None, None))
        assert not pending_tasks()
        assert listing._scopes == []
