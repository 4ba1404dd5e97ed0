"""Pagination by `created`: anchors and gaps, against lists in memory."""

import asyncio
from contextlib import aclosing

import pytest
from attrs import evolve

from piriod_async.errors import IncompleteListError
from piriod_async.pagination import by_created
from piriod_async.pagination.by_created import MAX_SEGMENT, TARGET_SEGMENT
from piriod_async.pagination.cursor import Cursor
from piriod_async.pagination.time_range import TimeRange
from tests.support.moving_list import ListedCustomer, MovingList, StaticList, paginate, read, read_ids

both_ways = pytest.mark.parametrize("descending", [False, True])


def without_created(fetch):
    async def fetch_without(*request, **options):
        page = await fetch(*request, **options)
        return evolve(page, keys=[key._replace(created=None) for key in page.keys])

    return fetch_without


@pytest.mark.parametrize("left", [0, 1, 50, 150, 1_000])
async def test_list_shrinks(left):
    """Anchors past the end, even far more of them than the prefetch limit, lose nothing of what is left."""
    customers = MovingList.created_at([7 * n for n in range(5_000)])

    async def fetch(*request, **options):
        page = customers.respond(*request, **options)
        del customers.customers[left:]
        return page

    assert await read_ids(fetch, prefetch_limit=4) == [f"c{n}" for n in range(max(left, 100))]


def growing(customers, per_request):
    async def fetch(*request, **options):
        length = len(customers.customers)
        customers.customers += [ListedCustomer(f"n{n}", 7 * n) for n in range(length, length + per_request)]
        return customers.respond(*request, **options)

    return fetch


@pytest.mark.parametrize("per_request", [50, 100])
async def test_list_grows(per_request):
    """A list that grows by a page with each request is delivered without duplicates, and the listing ends."""
    customers = MovingList.created_at([7 * n for n in range(1_000)])
    ids = await read_ids(growing(customers, per_request))
    assert ids[:1_000] == [f"c{n}" for n in range(1_000)]
    assert len(ids) == len(set(ids))


async def test_list_grows_too_fast():
    """A list that grows by ten pages with each request is an error after three requests a page, and a hundred."""
    customers = MovingList.created_at([7 * n for n in range(1_000)])
    with pytest.raises(IncompleteListError, match="grows faster than it is read"):
        await read(growing(customers, 1_000))
    assert len(customers.requests) == 3 * 20 + 100  # 2,000 customers at first, in pages of 100


@both_ways
@pytest.mark.parametrize("tied", [False, True])
async def test_end_of_list(tied, descending):
    """One request proves the end of a list, unless it does not reach an instant before the last one that was read."""
    times = [7 * (99 if tied and n in (98, 100, 101) else n) for n in range(150)]
    customers = MovingList.created_at(times[::-1] if descending else times, descending=descending)
    assert len(set(await read_ids(customers.fetch, descending=descending))) == 150
    assert len(customers.requests) == 2


async def test_end_of_list_cut():
    """A customer that comes between COUNT and SELECT of the last response pushes none out of the listing."""
    customers = MovingList.created_at([7 * n for n in range(150)])

    def insert():
        if len(customers.requests) == 2:
            customers.customers.append(ListedCustomer("new", 7 * 120 + 1))

    customers.mid_request = insert
    ids = await read_ids(customers.fetch)
    assert [id_ for id_ in ids if id_ != "new"] == [f"c{n}" for n in range(150)]
    assert customers.requests[1][-1] == 52  # counted two customers of the first page, but those are not shown then
    assert len(customers.requests) == 3


@pytest.mark.parametrize("max_segment", [60, MAX_SEGMENT])
@pytest.mark.parametrize("max_page_size", [1, 2, 3, 9, 10, 50])
async def test_clamped_page_size(max_page_size, max_segment, monkeypatch):
    """A server that gives fewer customers than requested is read completely, down to one per page."""
    monkeypatch.setattr(by_created, "MAX_SEGMENT", max_segment)
    monkeypatch.setattr(by_created, "TARGET_SEGMENT", 0.9 * max_segment)
    customers = MovingList.created_at([7 * n for n in range(240)], max_page_size=max_page_size)
    assert await read_ids(customers.fetch) == [f"c{n}" for n in range(240)]


def test_segment_sizes():
    """Segments have room to grow before they are split."""
    assert TARGET_SEGMENT < MAX_SEGMENT


@both_ways
@pytest.mark.parametrize("precision", [1_000, 1_000_000])
async def test_timestamp_precision(precision, descending):
    """Timestamps printed with fewer digits than they are stored with lose nothing."""
    customers = MovingList.created_at(
        [precision // 7 * n for n in range(2_000)], precision=precision, descending=descending
    )
    ids = await read_ids(customers.fetch, descending=descending)
    assert ids == [customer.id for customer in customers.select(TimeRange())]


async def test_ordering_ignored():
    """A server that ignores the ordering is found out with the first page."""
    customers = MovingList.created_at([7 * n for n in range(300)], ignores_ordering=True)
    with pytest.raises(IncompleteListError, match=r"does not order by `created`.*ordering=None"):
        await read(customers.fetch)
    assert len(customers.requests) == 1


@pytest.mark.parametrize("length", [150, 300, 2_000])
async def test_fixed_ordering(length):
    """A server that always orders by `created` is read completely; the end of the list takes two more requests."""
    customers = MovingList.created_at([7 * n for n in range(length)])

    async def fetch(*request, **_):
        return customers.respond(*request)

    assert await read_ids(fetch) == [f"c{n}" for n in range(length)]
    assert len(customers.requests) == length // 100 + 3


async def test_range_ignored():
    """A server that ignores the range of `created` is an error."""
    customers = MovingList.created_at([7 * n for n in range(300)], ignores_range=True)
    with pytest.raises(IncompleteListError, match=r"does not filter by `created`.*ordering=None"):
        await read(customers.fetch)


async def test_created_omitted():
    """A list of several pages whose customers have no `created` is an error."""
    with pytest.raises(IncompleteListError, match=r"c0 has no `created`.*ordering=None"):
        await read(without_created(StaticList(300).fetch))


async def test_single_page():
    """A list of one page is sorted, or left as it is if its customers have no `created`."""
    customers = MovingList.created_at([7 * n for n in range(30)], ignores_ordering=True)
    ids = [f"c{n}" for n in range(30)]
    assert await read_ids(customers.fetch) == ids
    assert await read_ids(customers.fetch, descending=True) == ids[::-1]
    assert await read_ids(without_created(customers.fetch)) == ids[::-1]


@pytest.mark.parametrize("times", [2, 10, 12, 25])
async def test_duplicates(times):
    """A customer that a filter over joined tables repeats is delivered once, even if it fills pages."""
    customers = MovingList.created_at([7 * n for n in range(40)])
    customers.customers[7:8] = [customers.customers[7]] * times
    assert await read_ids(customers.fetch, page_size=10) == [f"c{n}" for n in range(40)]


@both_ways
async def test_resume(descending):
    """A listing resumes from the cursor after any customer, with nothing lost and nothing repeated."""
    customers = MovingList.created_at([n // 30 * 7 for n in range(400)], descending=descending)
    keys = await read(customers.fetch, page_size=20, descending=descending)
    assert len(keys) == 400
    for taken in range(0, 401, 13):
        cursor = Cursor(descending)
        cursor.take_new(keys[:taken])
        rest = await read(customers.fetch, page_size=20, descending=descending, cursor=cursor)
        assert sorted(key.id for key in rest) == sorted(key.id for key in keys[taken:])


@both_ways
async def test_resume_cut(descending):
    """A customer that comes a microsecond before the cursor, between COUNT and SELECT, hides none after it."""
    times = [3_001, 2_001, 1_000] if descending else [1_000, 2_001, 3_001]
    customers = MovingList.created_at(times, descending=descending)
    cursor = Cursor(descending)
    cursor.take_new((await read(customers.fetch, descending=descending))[:2])
    entries = [ListedCustomer("new", 2_002 if descending else 2_000)]
    customers.mid_request = lambda: entries and customers.customers.append(entries.pop())
    assert await read_ids(customers.fetch, descending=descending, cursor=cursor) == ["c2"]


async def test_request_fails():
    """The error of a request is raised after the pages before it, and cancels the others."""

    async def fetch(number, size, created_range, **options):
        if number == 7:
            raise ZeroDivisionError
        return await StaticList(3_000).fetch(number, size, created_range, **options)

    delivered = []

    async def deliver():
        async with aclosing(paginate(fetch)) as pages:
            async for page in pages:
                delivered.extend(page.keys)

    with pytest.raises(ZeroDivisionError):
        await deliver()
    assert [key.id for key in delivered] == [f"c{n}" for n in range(len(delivered))]
    assert len(delivered) >= 100
    assert len(asyncio.all_tasks()) == 1
