"""Customers created at the same instant: read alone, until two passes agree."""

import asyncio
import math
from datetime import timedelta

import pytest

from piriod_async.errors import IncompleteListError
from piriod_async.pagination import ties
from piriod_async.pagination.raw_page import RawPage
from piriod_async.pagination.ties import TieReader
from piriod_async.pagination.time_range import TimeRange
from tests.support.moving_list import EPOCH, Key, MovingList, StaticList, paginate, read, read_ids
from tests.support.tasks import settle

both_ways = pytest.mark.parametrize("descending", [False, True])


@both_ways
@pytest.mark.parametrize("others", [0, 250, 3_000])
async def test_bulk_import(others, descending):
    """3,000 customers of one instant are read twice, and nothing before or after them is lost."""
    before, after = ([start + 7 * n for n in range(others)] for start in (0, 10**7))
    customers = MovingList.created_at([*before, *[10**6 + 7] * 3_000, *after], descending=descending)
    ids = await read_ids(customers.fetch, descending=descending)
    assert sorted(ids) == sorted(customer.id for customer in customers.customers)
    assert len(customers.requests) <= 3 * math.ceil(len(customers.customers) / 100)


async def test_passes_disagree(monkeypatch):
    """Ties that come in another order each time are an error, if the permitted passes together miss some."""
    monkeypatch.setattr(ties, "MAX_TIE_PASSES", 2)
    customers = MovingList.created_at([7] * 500, tie_order="random")
    with pytest.raises(IncompleteListError, match="2 readings of the 500 customers created at 2026-01-01T00:00:00"):
        await read(customers.fetch)


@both_ways
@pytest.mark.parametrize("max_page_size", [100, 20, 10])
@pytest.mark.parametrize("precision", [1, 1_000_000])
async def test_order_depends_on_slice(max_page_size, precision, descending):
    """Ties whose order depends on LIMIT and OFFSET are read completely, also if the server lowers the page size."""
    times = [*[3] * 4, *[7] * 60, *[9] * 3]
    customers = MovingList.created_at(
        times, tie_order="by slice", max_page_size=max_page_size, precision=precision, descending=descending
    )
    keys = await read(customers.fetch, descending=descending)
    assert sorted(key.id for key in keys) == sorted(customer.id for customer in customers.customers)
    assert [key.created for key in keys] == sorted((key.created for key in keys), reverse=descending)


@pytest.mark.parametrize(
    "passes",
    [
        [[(4, "abc"), (4, "a")], [(4, "ad"), (4, "bd")]],  # c left, and d came, between the passes
        [[(4, "abc"), (4, "a")], [(3, "ab"), (4, "ca")]],  # c left, and came back, so that both passes show it
        [[(4, "abc"), (4, "d")], [(3, "ab"), (3, "c")]],  # c left as d came, d left, and c came back as b left
        [[(2, "ab"), (2, "ba")], [(2, "ab"), (2, "ab")]],  # the server counts too few
        [[(4, "abd"), (4, "b")], [(4, "ax"), (4, "bd")], [(4, "ab"), (4, "db")]],  # two repeat b, in place of x
    ],
    ids=["one came", "one came back", "replaced", "counts too few", "repeated"],
)
async def test_unproven_passes(passes):
    """Passes that show as many customers as were counted may lack one that was there throughout."""
    script = [*passes, [(4, "abd"), (4, "x")], [(4, "ab"), (4, "dx")]]
    readings = iter(script)
    pages = []

    async def fetch(number, *_):
        if number == 1:
            pages[:] = next(readings)
        count, ids = pages[number - 1]
        keys = [Key(id_, EPOCH) for id_ in ids]
        return RawPage(keys=keys, count=count, has_next=number < len(pages), raw=b"")

    reader = TieReader(fetch, lambda: 8, descending=False)
    ids = {key.id for page in await reader.read(EPOCH, TimeRange(), 3) for key in page.keys}
    assert "x" in ids


async def test_unplaced_record():
    """Records without a key are rows too: they are counted, and delivered with the pages of several passes."""
    shown = iter(["ab", "ca", "ab", "ca", *["ab"] * 20])  # the first page of two, which is followed by no customer

    async def fetch(number, *_):
        keys = [Key(id_, EPOCH) for id_ in (next(shown) if number == 1 else "")]
        unplaced_ids = [7] if number == 2 else []
        return RawPage(keys=keys, count=4, has_next=number == 1, unplaced_ids=unplaced_ids, raw=b"")

    reader = TieReader(fetch, lambda: 8, descending=False)
    pages = await reader.read(EPOCH, TimeRange(), 2)
    assert {key.id for page in pages for key in page.keys} == {"a", "b", "c"}
    assert {id_ for page in pages for id_ in page.unplaced_ids} == {7}


@pytest.mark.parametrize("seed", range(20))
async def test_every_reading_twice(seed):
    """If the order depends on the slice, everybody is read twice: each pass is repeated, and no more are needed."""
    customers = MovingList.created_at([7 * seed] * 60, tie_order="by slice", max_page_size=20)
    passes = []

    async def fetch(number, size, created_range, **options):
        if number == 1 and created_range.gte:
            passes.append(size)
        return customers.respond(number, size, created_range, **options)

    pages = await TieReader(fetch, lambda: 8, descending=False).read(
        EPOCH + timedelta(microseconds=7 * seed), TimeRange(), 20
    )
    assert len({key.id for page in pages for key in page.keys}) == 60
    assert len(passes) <= 2 * len(set(passes)) <= 16


async def test_passes_of_same_size():
    """Pages of one customer cannot be made smaller, so that further passes repeat the mistakes of the first."""
    customers = MovingList.created_at([7] * 60, tie_order="by slice", max_page_size=1)
    with pytest.raises(IncompleteListError, match="8 readings of the 60 customers"):
        await read(customers.fetch)
    assert len(customers.requests) <= 1 + 8 * 60


@pytest.mark.parametrize("tie_order", ["random", "by slice"])
async def test_passes_complement_each_other(tie_order):
    """Passes that disagree suffice if they show everybody twice: before a moment, and after it."""
    customers = MovingList.created_at([7 * n for n in range(50)] + [1_000] * 250 + [5_000 + n for n in range(50)])
    customers.tie_order = tie_order
    assert sorted(await read_ids(customers.fetch)) == sorted(f"c{n}" for n in range(350))


async def test_ties_on_one_page():
    """A short response, two that agree, one with nothing new, and one that counts again."""
    customers = MovingList.created_at([7] * 50, tie_order="random")
    changes = iter(["delete"])
    customers.mid_request = lambda: [customers.change(kind) for kind in changes]
    assert set(await read_ids(customers.fetch)) == {customer.id for customer in customers.customers}
    assert len(customers.requests) == 5


@pytest.mark.parametrize("max_page_size", [50, 70])
async def test_clamped_page_size(max_page_size):
    """Ties that would fit the requested page, but not the server's maximum, are read by page number."""
    customers = MovingList.created_at([7] * 80, max_page_size=max_page_size)
    assert len(set(await read_ids(customers.fetch))) == 80


@pytest.mark.parametrize("tie_order", ["stable", "random"])
async def test_duplicate(tie_order):
    """With a customer repeated among ties, two equal passes suffice; in random order, no passes agree."""
    customers = MovingList.created_at([7] * 150, tie_order=tie_order)
    customers.customers.insert(7, customers.customers[7])
    if tie_order == "random":
        with pytest.raises(IncompleteListError, match="8 readings of the 151 customers"):
            await read(customers.fetch)
    else:
        assert await read_ids(customers.fetch) == [f"c{n}" for n in range(150)]
        assert len(customers.requests) == 1 + 2 * 2 + 1


@both_ways
async def test_instant_emptied(descending):
    """An instant that filled the first page, and is empty when it is read alone, does not end the listing."""
    times = [*[7] * 150, *[1_000_003 + 7 * n for n in range(500)]]
    customers = MovingList.created_at([-time for time in times] if descending else times, descending=descending)
    kept = [customer for customer in customers.customers if abs(customer.created_us) != 7]

    async def fetch(*request, **options):
        page = customers.respond(*request, **options)
        customers.customers[:] = kept
        return page

    ids = await read_ids(fetch, descending=descending)
    assert ids[-500:] == [customer.id for customer in kept]


async def test_read_once():
    """All gaps that meet an instant share its passes, until it is forgotten."""
    customers = MovingList.created_at([7] * 250)
    reader = TieReader(customers.fetch, lambda: 8, descending=False)
    instant = (EPOCH + timedelta(microseconds=7), TimeRange(), 100)
    pages, same = await asyncio.gather(reader.read(*instant), reader.read(*instant))
    assert pages is same
    assert len({key.id for page in pages for key in page.keys}) == 250
    requests = len(customers.requests)
    reader.forget(lambda _: False)
    assert await reader.read(*instant) is pages
    assert len(customers.requests) == requests == 2 * 3
    reader.forget(lambda _: True)
    await reader.read(*instant)
    assert len(customers.requests) == 2 * requests


async def test_forget_delivered():
    """The pages of an instant are released when the listing is past it."""
    customers = MovingList.created_at([*[7] * 250, *[10**6 + 7 * n for n in range(500)]])
    pages = paginate(customers.fetch)
    async for page in pages:
        if page.keys[-1].id == "c249":
            assert pages._ties._tasks
    assert not pages._ties._tasks


async def test_forget_pending():
    """An instant that is still being read is not forgotten, so `aclose` cancels it."""
    pages = paginate(StaticList(300).fetch)
    pages._ties._tasks = {EPOCH: asyncio.create_task(asyncio.Event().wait())}
    await anext(pages)
    await anext(pages)
    assert EPOCH in pages._ties._tasks
    await pages.aclose()
    assert len(asyncio.all_tasks()) == 1


async def test_cancelled():
    """A listing that is cancelled while it reads an instant leaves no task behind."""
    customers = MovingList.created_at(
        [*[7 * n for n in range(150)], *[5_001] * 250, *[10_000 + 7 * n for n in range(2_000)]]
    )
    blocked = []

    async def fetch(number, size, created_range, **options):
        if (
            created_range.gte
            and created_range.lte
            and created_range.lte - created_range.gte < timedelta(microseconds=3)
        ):
            blocked.append(number)
            await asyncio.Event().wait()
        return customers.respond(number, size, created_range, **options)

    pages = paginate(fetch)
    await anext(pages)
    reading = asyncio.create_task(anext(pages))
    await settle()
    assert blocked
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await pages.aclose()
    assert len(asyncio.all_tasks()) == 1
