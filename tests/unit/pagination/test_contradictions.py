"""Servers whose counts, links, ranges or replicas contradict each other: the whole list, or an error."""

import math
from contextlib import suppress

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from piriod_async.errors import IncompleteListError
from piriod_async.pagination.time_range import TimeRange
from tests.support.moving_list import ListedCustomer, MovingList, paginate, read, read_ids

both_ways = pytest.mark.parametrize("descending", [False, True])
TOO_SMALL = {
    "capped": lambda count: min(count, 100),
    "of page 1": lambda count: min(count, 7),
    "halved": lambda count: count // 2,
    "one less": lambda count: count - 1,
    "zero": lambda _: 0,
    "negative": lambda count: -count,
}
TOO_LARGE = {"one more": lambda count: count + 1, "tenfold": lambda count: 10 * count, "fixed": lambda _: 100_000}


def list_of(length, **options):
    """Return a list of customers more than a second apart, so that no digit of a timestamp matters."""
    return MovingList.created_at([1_234_567 * n for n in range(length)], **options)


async def read_into(keys, pages):
    async for page in pages:
        keys.extend(page.keys)


def ids_of(keys):
    return [key.id for key in keys]


@both_ways
@pytest.mark.parametrize("count_as", TOO_SMALL)
@pytest.mark.parametrize("length", [1, 60, 150, 1_000, 10_000])
async def test_count_too_small(length, count_as, descending):
    """If links say that there is more than was counted, the list is read completely, at one request a page."""
    customers = list_of(length, descending=descending)
    customers.count_as, customers.links = TOO_SMALL[count_as], "rows"
    ids = await read_ids(customers.fetch, descending=descending)
    assert ids == [customer.id for customer in customers.select(TimeRange())]
    assert len(customers.requests) <= 1.15 * math.ceil(length / 100) + 4


@both_ways
@pytest.mark.parametrize("links", ["rows", "count"])
@pytest.mark.parametrize("count_as", TOO_LARGE)
@pytest.mark.parametrize("length", [1, 350, 1_000])
async def test_count_too_large(length, count_as, links, descending):
    """If fewer customers came than were counted, everything is delivered, then an error raised, at a few requests."""
    customers = list_of(length, descending=descending)
    customers.count_as, customers.links = TOO_LARGE[count_as], links
    keys = []
    with pytest.raises(IncompleteListError, match=f"its pages have {length}:|readings of"):
        await read_into(keys, paginate(customers.fetch, descending=descending))
    assert ids_of(keys) == [customer.id for customer in customers.select(TimeRange())]
    assert len(customers.requests) <= 6 * math.ceil(length / 100) + 60


@both_ways
async def test_no_links(descending):
    """A server that never links to a next page is read by its counts."""
    customers = MovingList.created_at([7 * n for n in range(350)] + [5_000] * 250, descending=descending)

    async def fetch(*request, **options):
        return evolve(await customers.fetch(*request, **options), has_next=False)

    ids = await read_ids(fetch, descending=descending)
    assert sorted(ids) == sorted(customer.id for customer in customers.customers)


@given(
    length=st.sampled_from([101, 150, 350, 1_000]),
    lag=st.sampled_from([1, 3, 50, 150]),
    from_replica=st.lists(st.booleans(), min_size=1, max_size=20),
    page_size=st.sampled_from([10, 100]),
    descending=st.booleans(),
)
async def test_lagging_replica(length, lag, from_replica, page_size, descending):
    """If a replica that lags answers all but the first request, sent twice, the listing is complete or an error."""
    primary = list_of(length, descending=descending)
    replica = evolve(primary, customers=primary.customers[:-lag])

    async def fetch(number, size, created_range, *, backwards=False):
        primary.requests.append((number, size, created_range, 0))
        is_first = number == 1 and not created_range.gte and not backwards and (descending or not created_range.lte)
        lags = from_replica[len(primary.requests) % len(from_replica)] and not is_first
        return (replica if lags else primary).respond(number, size, created_range, backwards=backwards)

    keys = []
    with suppress(IncompleteListError):
        await read_into(keys, paginate(fetch, page_size=page_size, descending=descending))
        assert ids_of(keys) == [customer.id for customer in primary.select(TimeRange())]
    assert len(keys) == len(set(keys))


async def test_range_rounded():
    """A server that rounds the end of a range to seconds loses customers between pages; the count tells."""
    customers = MovingList.created_at([90_000 * n for n in range(400)])

    async def fetch(number, size, created_range, **options):
        lte = created_range.lte and created_range.lte.replace(microsecond=0)
        return customers.respond(number, size, evolve(created_range, lte=lte), **options)

    keys = []
    with pytest.raises(IncompleteListError, match=r"counts 400 customers, and its pages have 3\d\d: its responses"):
        await read_into(keys, paginate(fetch))
    assert 300 < len(keys) < 400


@both_ways
async def test_list_shrank(descending):
    """If the server counts fewer at the end, the list shrank, and the listing is complete."""
    customers = MovingList.created_at([7 * n for n in range(1_000)], descending=descending)
    pages = paginate(customers.fetch, descending=descending)
    keys = list((await anext(pages)).keys)
    left = set(ids_of(keys)) | {f"c{n}" for n in range(0, 1_000, 3)}
    customers.customers = [customer for customer in customers.customers if customer.id in left]
    await read_into(keys, pages)
    assert ids_of(keys) == [customer.id for customer in customers.select(TimeRange())]
    assert customers.requests[-1][0] == 1


async def test_few_changes():
    """Customers that enter and leave while others are counted are no contradiction."""
    customers = MovingList.created_at([7 * n for n in range(1_000)])
    pages = paginate(customers.fetch)
    keys = list((await anext(pages)).keys)
    del customers.customers[990:995]
    customers.customers += [ListedCustomer(f"n{n}", n) for n in range(4)]
    await read_into(keys, pages)
    assert ids_of(keys) == [f"c{n}" for n in range(1_000) if not 990 <= n < 995]


async def test_gap_cut_to_count():
    """A response that is cut to a count before its last customers, because others entered, does not end the gap."""
    customers = MovingList.created_at([1_000 * n for n in range(300)])
    gaps = iter(range(2))

    def enter():
        request = customers.requests[-1][2]
        if request.gte and request.lte and next(gaps, None) is not None:
            start = request.gte.microsecond + 1
            customers.customers += [ListedCustomer(f"n{len(customers.customers)}", start + n) for n in range(5)]

    customers.mid_request = enter
    ids = await read_ids(customers.fetch)
    assert {f"c{n}" for n in range(300)} <= set(ids)
    assert len(ids) == len(set(ids))
    assert next(gaps, None) is None


async def test_resumed():
    """A resumed listing counts the customers before its checkpoint as delivered; one that lost some is an error."""
    times = [n // 30 * 7 for n in range(400)]
    customers = MovingList.created_at(times)
    keys = await read(customers.fetch, page_size=20)
    for taken in (15, 45, 390):
        pages = paginate(customers.fetch, page_size=20)
        pages.cursor.take_new(keys[:taken])
        customers.requests.clear()
        rest = []
        await read_into(rest, pages)
        assert ids_of(rest) == ids_of(keys[taken:])
        assert sum(request[2].gte is None for request in customers.requests) == 0
