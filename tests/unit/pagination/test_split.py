"""Splitting a list by `created`: everybody who is in the list throughout is in exactly one part."""

import asyncio
import random
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from itertools import accumulate, chain, pairwise

import pytest
from attrs import evolve
from hypothesis import event, given
from hypothesis import strategies as st

from piriod_async.errors import IncompleteListError
from piriod_async.pagination.by_created import CreatedPaginator
from piriod_async.pagination.cursor import Cursor
from piriod_async.pagination.raw_page import RawPage
from piriod_async.pagination.split import Splitter
from piriod_async.pagination.time_range import TimeRange, earliest, latest
from tests.support.moving_list import EPOCH, Key, MovingList, StaticList
from tests.unit.pagination.test_exactly_once import CHANGES, creation_times

TICK = timedelta(microseconds=1)
ALL = TimeRange()
UNITS = {"microseconds": 10, "milliseconds": 10_000, "seconds": 10_000_000}  # in tenths of a microsecond


def limit():
    return 8


def at(microseconds):
    return EPOCH + timedelta(microseconds=microseconds)


async def split(fetch, parts, *, page_size=10, created_range=ALL, cursor=None):
    splitter = Splitter(fetch, page_size, limit, created_range, cursor or Cursor(descending=False))
    return await splitter.split(parts)


async def read(fetch, page_size, created_range, cursor):
    async with aclosing(CreatedPaginator(fetch, page_size, limit, created_range, cursor)) as pages:
        return [key async for page in pages for key in page.keys]


def assert_partition(ranges, created_range, *, descending=False):
    """Check that ranges leave no microsecond out, and have none twice."""
    ranges = ranges[::-1] if descending else ranges
    assert (ranges[0].gte, ranges[-1].lte) == (created_range.gte, created_range.lte)
    for older, newer in pairwise(ranges):
        assert older.lte + TICK == newer.gte
    assert not any(each.empty for each in ranges)


@given(
    times=creation_times(min_size=40),
    parts=st.integers(1, 9),
    page_size=st.sampled_from([10, 12, 20]),
    descending=st.booleans(),
    precision=st.sampled_from([1, 1, 1_000, 1_000_000]),
    tie_order=st.sampled_from(["stable", "random", "by slice"]),
    max_page_size=st.sampled_from([100, 100, 11]),
    change_rate=st.sampled_from([0, 0.1, 0.4, 0.6]),
    has_bounds=st.booleans(),
    already_read=st.sampled_from([0, 0, 1, 25]),
    seed=st.integers(0, 2**32),
)
async def test_exactly_once(
    times,
    parts,
    page_size,
    descending,
    precision,
    tie_order,
    max_page_size,
    change_rate,
    has_bounds,
    already_read,
    seed,
):
    """Each customer that matches throughout is in one part and delivered once, in order, whatever changes meanwhile."""
    rng = random.Random(seed)
    customers = MovingList.created_at(
        times, rng=rng, descending=descending, precision=precision, tie_order=tie_order, max_page_size=max_page_size
    )
    bounds = sorted(rng.choices(times or [0], k=2)) if has_bounds else ()
    created_range = TimeRange(*map(at, bounds))
    at_start = customers.select(created_range)
    cursor = Cursor(descending)
    # as delivered: ties, as printed, in any order
    delivered = cursor.take_new(list(map(customers.key_of, at_start))[:already_read])

    async def fetch(*request, **options):
        for _ in range(rng.randrange(4)):
            await asyncio.sleep(0)
        while rng.random() < change_rate:
            customers.change(rng.choice((*CHANGES, "purge")))
        return customers.respond(*request, **options)

    ranges = await split(fetch, parts, page_size=page_size, created_range=created_range, cursor=cursor)
    assert len(ranges) <= parts
    assert len(customers.requests) <= (parts if parts > 1 else 0)
    assert_partition(ranges, created_range, descending=descending)
    event(f"{len(ranges)} parts")

    cursors = [cursor, *(Cursor(descending) for _ in ranges[1:])]
    reads = (read(fetch, page_size, *each) for each in zip(ranges, cursors, strict=True))
    results = await asyncio.gather(*reads, return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    keys = [*delivered, *chain.from_iterable(result for result in results if isinstance(result, list))]
    ids = [key.id for key in keys]
    assert len(ids) == len(set(ids))
    created = [key.created for key in keys]
    assert created == sorted(created, reverse=descending)
    if errors:
        assert {type(error) for error in errors} == {IncompleteListError}
        assert may_give_up(customers, min(page_size, max_page_size))
        event("gave up")
        return
    assert {customer.id for customer in at_start} - customers.removed_ids <= set(ids)


def may_give_up(customers, page_size):
    """Return whether a part may be an error: an instant filled a page, or customers came where it had been read."""
    instants = [customers.key_of(customer).created for customer in customers.customers]
    most = max((len(customers.select(TimeRange(earliest(each), latest(each)))) for each in instants), default=0)
    return most + len(customers.removed_ids) > page_size or customers.insertions


@given(
    steps=st.lists(st.sampled_from([0, 1, 3, 9, 13, 40, 50]), max_size=40),
    place=st.integers(0, 40),
    unit=st.sampled_from(sorted(UNITS)),
    is_rounded=st.booleans(),
    offset=st.integers(0, 9),
)
async def test_printed_digits(steps, place, unit, is_rounded, offset):
    """In a space between two customers, nobody is on both sides or on neither, however many digits were omitted."""
    size = UNITS[unit]
    steps.insert(place, 40)
    times = list(accumulate(steps, lambda time, step: time + step * size // 10, initial=7 * size + offset * size // 10))
    printed = [(time + size // 2 * is_rounded) // size * size // 10 for time in times]
    page = RawPage(keys=[Key(f"c{index}", at(time)) for index, time in enumerate(printed)], count=len(times), raw=b"")

    async def fetch(*_, **__):
        return page

    ranges = await split(fetch, 2, page_size=100)
    assert len(ranges) == 2
    for time, key in zip(times, page.keys, strict=True):
        stored = EPOCH + timedelta(microseconds=time // 10), time % 10
        [part] = [
            each
            for each in ranges
            if (each.gte is None or stored >= (each.gte, 0)) and (each.lte is None or stored <= (each.lte, 0))
        ]
        assert not part.excludes(key.created)


async def test_requests():
    """A split sends one request for the first page, and one for each cut, and the parts are of one size."""
    customers = StaticList(1_000_000)
    ranges = await split(customers.fetch, 4, page_size=100)
    assert [number for number, *_ in customers.requests] == [1, 2_501, 5_001, 7_501]
    counts = [(await customers.fetch(1, 10, each)).count for each in ranges]
    assert all(abs(count - 250_000) < 10 for count in counts)


async def test_cuts_on_one_page():
    """A page is requested once, however many cuts are on it; the first page has been."""
    customers = StaticList(25)
    ranges = await split(customers.fetch, 5)
    assert [number for number, *_ in customers.requests] == [1, 2, 3]
    assert [(await customers.fetch(1, 10, each)).count for each in ranges] == [5, 6, 4, 6, 4]  # a page shows both sides


async def test_small_pages():
    """Page numbers are those of the pages that the server gives, which may be smaller than requested."""
    customers = MovingList.created_at(range(0, 7_000, 7), max_page_size=20)
    ranges = await split(customers.fetch, 4, page_size=50)
    assert [number for number, *_ in customers.requests] == [1, 13, 26, 38]
    assert [len(customers.select(each)) for each in ranges] == pytest.approx([250] * 4, abs=1)


async def test_server_without_links():
    """A page without a link to a next one is not the last, on a server whose first page has none either."""
    customers = StaticList(1_000)

    async def fetch(*request, **options):
        return evolve(await customers.fetch(*request, **options), has_next=False)

    assert len(await split(fetch, 4)) == 4


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_short_list(count):
    """A list has as many parts as customers, but at least one, which has the bounds of the list."""
    ranges = await split(StaticList(count).fetch, 5)
    assert len(ranges) == max(count, 1)
    assert_partition(ranges, ALL)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("precision", "step", "start", "end"), [(1, 0, 3_000_001, 3_000_002), (1_000_000, 10_000, 3_000_000, 4_000_000)]
)
async def test_ties(precision, step, start, end, descending):
    """An instant with more customers than a page becomes a part of its own, with all digits that were omitted."""
    times = [0] * 3 + [start + step * number for number in range(90)] + [9_000_000] * 3
    customers = MovingList.created_at(times, precision=precision, descending=descending)
    ranges = await split(customers.fetch, 4, cursor=Cursor(descending))
    expected = [TimeRange(None, at(start - 1)), TimeRange(at(start), at(end - 1)), TimeRange(at(end), None)]
    assert ranges == expected[::-1] if descending else expected
    assert [len(customers.select(each)) for each in ranges] == [3, 90, 3]


@pytest.mark.parametrize("descending", [False, True])
async def test_resumed_at_ties(descending):
    """The instant of the last customer delivered is left to the first part, which knows who was delivered."""
    customers = MovingList.created_at([5] * 40, descending=descending)
    cursor = Cursor(descending, created=at(5), seen_ids={"c0"})
    first, *others = await split(customers.fetch, 3, cursor=cursor)
    assert len(customers.select(first)) == 40
    assert not any(customers.select(each) for each in others)


async def test_list_that_shrinks():
    """A cut on a page that no longer exists is left out."""
    customers = MovingList.created_at(range(0, 700, 7))

    async def fetch(*request, **options):
        page = customers.respond(*request, **options)
        del customers.customers[40:]
        return page

    ranges = await split(fetch, 4)
    assert len(ranges) == 2
    assert_partition(ranges, ALL)


@pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
async def test_ends_of_the_calendar(moment):
    """A cut at the first or the last instant of the calendar has two sides, or is left out."""
    keys = [Key(f"c{index}", moment) for index in range(10)]

    async def fetch(*_, **__):
        return RawPage(keys=keys, count=100, has_next=True, raw=b"")

    assert_partition(await split(fetch, 3), ALL)


async def test_ignoring_server():
    """A server that does not order by `created` is an error: its pages show no neighbours."""
    customers = MovingList.created_at(range(0, 700, 7), ignores_ordering=True)
    with pytest.raises(IncompleteListError, match="does not order by `created`"):
        await split(customers.fetch, 4)
