"""Anchors and gaps, against lists in memory: the guarantee, its costs, its end."""

import asyncio
import math
import random
import tracemalloc
from datetime import timedelta
from functools import partial

import pytest
from attrs import evolve
from hypothesis import given, note
from hypothesis import strategies as st

from piriod_async.errors import IncompleteListError, NotFoundError
from piriod_async.pagination import by_created
from piriod_async.pagination.by_created import MAX_SEGMENT, TARGET_SEGMENT
from piriod_async.pagination.by_page_number import PageNumberPaginator
from piriod_async.pagination.cursor import Cursor
from piriod_async.pagination.prefetch import PREFETCH_PER_REQUEST, Job, JobResult, OrderedPrefetch
from piriod_async.pagination.ties import MAX_TIE_PASSES
from piriod_async.pagination.time_range import TimeRange, earliest, latest
from tests.support.moving_list import EPOCH, MovingList, Row, StillList, VirtualTime, paginate, read, settle

stamps = st.builds(
    lambda steps, bulk, where: _accumulated(
        steps[: int(where * len(steps))] + [0] * bulk + steps[int(where * len(steps)) :]
    ),
    st.lists(st.sampled_from([0, 1, 1, 7, 7, 400, 1_000, 90_000, 1_000_000]), max_size=300),
    st.sampled_from([0, 0, 0, 9, 40]),
    st.floats(0, 1),
)


def _accumulated(steps):
    at, all_ = 0, []
    for step in steps:
        at += step
        all_.append(at)
    return all_


@given(
    stamps=stamps,
    page_size=st.sampled_from([10, 12, 20]),
    prefetch=st.sampled_from([2, 8, 32]),
    descending=st.booleans(),
    grain=st.sampled_from([1, 1, 1_000, 1_000_000]),
    shuffled=st.booleans(),
    clamp=st.sampled_from([100, 100, 11, 8]),
    rate=st.sampled_from([0, 0.1, 0.4, 0.6]),
    leaves_between=st.booleans(),
    in_parts=st.booleans(),
    seed=st.integers(0, 2**32),
)
async def test_exactly_once_whatever_moves(
    stamps, page_size, prefetch, descending, grain, shuffled, clamp, rate, leaves_between, in_parts, seed
):
    rng = random.Random(seed)
    moving = MovingList.of(stamps, rng=rng, descending=descending, grain=grain, shuffled=shuffled, clamp=clamp)
    if leaves_between:
        moving.between = lambda: rng.random() < rate and moving.move(rng.choice(("delete", "leave")))
    before = {row.id for row in moving.rows}
    pending = []

    async def fetch(*request):
        pending.append((asyncio.get_running_loop().create_future(), request))
        return await pending[-1][0]

    with pytest.MonkeyPatch.context() as patch:
        if in_parts:
            patch.setattr(by_created, "MAX_SEGMENT", 60)
            patch.setattr(by_created, "TARGET_SEGMENT", 50)
        crawling = asyncio.create_task(
            read(paginate(fetch, page_size=page_size, descending=descending, prefetch=prefetch))
        )
        await settle()
        while not crawling.done():
            assert pending, "the crawl waits for nothing"
            while rng.random() < rate:
                moving.move(rng.choice(("create", "enter", "delete", "leave", "purge")))
            answer, request = pending.pop(rng.randrange(len(pending)))
            try:
                answer.set_result(moving.answer(*request))
            except NotFoundError as error:
                answer.set_exception(error)
            await settle()
        for answer, _ in pending:
            assert answer.cancelled()
    note(f"{len(moving.asked)} requests")
    if isinstance(crawling.exception(), IncompleteListError):
        stamps = [moving.printed(row).created for row in moving.rows]
        crowd = max((len(moving.select(TimeRange(earliest(stamp), latest(stamp)))) for stamp in stamps), default=0)
        filled = crowd + len(moving.gone) > min(page_size, clamp)
        assert filled or moving.raced >= MAX_TIE_PASSES, (
            "no instant filled a page, and no reading of one was raced each time"
        )
        return
    customers = crawling.result()
    ids = [customer.id for customer in customers]
    assert before - moving.gone <= set(ids)
    assert len(ids) == len(set(ids))
    instants = [customer.created for customer in customers]
    assert instants == sorted(instants, reverse=descending)


async def plain(fetch, *, page_size=100, concurrency=8):
    """What people write: page 1 for the count, then the others side by side."""
    first = await fetch(1, page_size, TimeRange())

    async def one(number):
        try:
            return JobResult([await fetch(number, page_size, TimeRange())])
        except NotFoundError:
            return JobResult([])

    numbers = range(2, math.ceil(first.count / page_size) + 1)
    rest = OrderedPrefetch(
        (Job(partial(one, number)) for number in numbers), lambda: PREFETCH_PER_REQUEST * concurrency
    )
    return [*first.keys, *[customer async for page in rest for customer in page.keys]]


async def test_the_plain_crawl_is_seen_to_fail():
    """The test above can bite: a crawl by page numbers goes wrong on the same lists."""
    wrong = 0
    for seed in range(50):
        rng = random.Random(seed)
        moving = MovingList.of([7 * n for n in range(300)], rng=rng)
        before = {row.id for row in moving.rows}

        async def fetch(*request, rng=rng, moving=moving):
            await asyncio.sleep(0)
            if rng.random() < 0.4:
                moving.move(rng.choice(("create", "enter", "delete", "leave")))
            return moving.answer(*request)

        ids = [customer.id for customer in await plain(fetch, page_size=20)]
        wrong += len(ids) != len(set(ids)) or not before - moving.gone <= set(ids)
    assert wrong >= 10


@pytest.mark.parametrize("length", [0, 1, 99, 100])
async def test_a_list_of_one_page_costs_one_request(length):
    still = StillList(length)
    assert len(await read(paginate(still.fetch))) == length
    assert len(still.asked) == 1


@pytest.mark.parametrize("length", [101, 196, 197, 1_000, 1_001, 2_500, 5_000, 5_001, 20_000, 100_000])
async def test_requests_on_a_still_list(length):
    still = StillList(length)
    customers = await read(paginate(still.fetch))
    assert [customer.id for customer in customers] == [f"c{n}" for n in range(length)]
    assert len(still.asked) <= 1.06 * math.ceil(length / 100) + 3


async def timed(crawling, length, delay):
    time = VirtualTime(StillList(length).fetch, delay)
    await time.run(crawling(time))
    return time


async def test_900_customers_in_four_round_trips():
    time = await timed(lambda fetch: read(paginate(fetch)), 900, lambda: 1)
    assert time.now <= 4


async def test_20_000_customers_take_little_longer_than_a_plain_crawl():
    ours = await timed(lambda fetch: read(paginate(fetch)), 20_000, lambda: 1)
    theirs = await timed(plain, 20_000, lambda: 1)
    assert ours.now <= 1.08 * theirs.now + 3


@pytest.mark.parametrize("seed", range(3))
async def test_uneven_delays_leave_few_slots_idle(seed):
    rng = random.Random(seed)
    time = await timed(lambda fetch: read(paginate(fetch)), 20_000, lambda: rng.uniform(0.02, 0.2))
    assert time.now <= 1.2 * time.total / 8


@pytest.mark.no_cover  # tracing takes five times as long
async def test_cost_to_the_database_grows_little_faster_than_the_list():
    """What a request costs is modelled as the rows that its OFFSET skips, and those that its COUNT counts."""
    costs = {}
    for length in (100_000, 1_000_000):
        still = StillList(length)
        async for page in paginate(still.fetch):
            assert page.keys
        offsets = [(number - 1) * size for number, size, _ in still.asked]
        assert sum(offset > MAX_SEGMENT for offset in offsets) <= 1.2 * length / 5_000
        costs[length] = sum(offsets) + sum(count for _, _, count in still.asked)
    assert costs[1_000_000] <= 13 * costs[100_000]


@pytest.mark.no_cover  # tracing takes five times as long
async def test_memory_does_not_grow_with_the_list():
    peaks = {}
    for length in (10_000, 100_000):
        still = StillList(length)

        async def fetch(*request, still=still):
            page = await still.fetch(*request)
            still.asked.clear()
            return evolve(page, raw=bytes(1_300 * len(page.keys)))  # as many as the API's own have

        tracemalloc.start()
        async for _ in paginate(fetch):
            pass
        peaks[length] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[100_000] <= 1.2 * peaks[10_000]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("before", [0, 250, 3_000])
async def test_a_bulk_import_at_one_instant(before, descending):
    stamps = [7 * n for n in range(before)] + [10**6 + 7] * 3_000 + [10**7 + 7 * n for n in range(before)]
    moving = MovingList.of(stamps, descending=descending)
    ids = [customer.id for customer in await read(paginate(moving.fetch, descending=descending))]
    assert sorted(ids) == sorted(row.id for row in moving.rows)
    assert len(moving.asked) <= 3 * math.ceil(len(stamps) / 100)


async def test_ties_that_no_two_readings_agree_on_are_an_error():
    moving = MovingList.of([7] * 500, shuffled=True)
    with pytest.raises(IncompleteListError, match="8 readings of the 500 customers created at 2026-01-01T00:00:00"):
        await read(paginate(moving.fetch))


async def test_an_instant_that_fits_a_page_is_had_with_one_whole_response():
    """The first was raced, so it proves nothing; the second does; the third finds that nobody came after it."""
    moving = MovingList.of([7] * 50, shuffled=True)
    leaving = iter(["delete"])
    moving.between = lambda: [moving.move(kind) for kind in leaving]
    came = {customer.id for customer in await read(paginate(moving.fetch))}
    assert came == {row.id for row in moving.rows}
    assert len(moving.asked) == 3


async def test_ties_whose_order_depends_on_the_page_size_are_read_whole():
    moving = MovingList.of([7] * 500)

    async def fetch(number, size, span):
        random.Random(size).shuffle(moving.rows)  # as a database does, whose plan depends on LIMIT
        moving.rows.sort(key=lambda row: hash((row.id, size)))
        return moving.answer(number, size, span)

    assert len({customer.id for customer in await read(paginate(fetch))}) == 500


@pytest.mark.parametrize("left", [0, 1, 50, 150, 1_000])
async def test_a_list_that_shrinks_after_its_first_page(left):
    """Anchors lie past the end: far more of them than the prefetch window holds."""
    moving = MovingList.of([7 * n for n in range(5_000)])

    async def fetch(*request):
        page = moving.answer(*request)
        del moving.rows[left:]
        return page

    ids = [customer.id for customer in await read(paginate(fetch, prefetch=4))]
    assert ids == [f"c{n}" for n in range(max(left, 100))]


@pytest.mark.parametrize("descending", [False, True])
async def test_an_instant_that_is_emptied_before_it_is_read(descending):
    """It filled the first page, so it is to be read alone; what lies behind it is not lost with it."""
    crowd, rest = [7] * 150, [1_000_003 + 7 * n for n in range(500)]
    stamps = [-stamp for stamp in crowd + rest] if descending else crowd + rest
    moving = MovingList.of(stamps, descending=descending)
    kept = [row for row in moving.rows if abs(row.at) != 7]

    async def fetch(*request):
        page = moving.answer(*request)
        moving.rows[:] = kept
        return page

    ids = [customer.id for customer in await read(paginate(fetch, descending=descending))]
    assert [row.id for row in kept] == ids[-500:]


async def test_a_crawl_that_is_left_while_an_instant_is_read():
    moving = MovingList.of([7 * n for n in range(150)] + [5_000] * 250 + [10_000 + 7 * n for n in range(2_000)])

    async def fetch(number, size, span):
        if span.gte and span.lte and span.lte - span.gte < timedelta(microseconds=3):
            await asyncio.Event().wait()
        return moving.answer(number, size, span)

    pages = paginate(fetch)
    await anext(pages)
    reading = asyncio.create_task(anext(pages))
    await settle()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await pages.aclose()
    assert len(asyncio.all_tasks()) == 1


async def test_a_reading_that_still_runs_is_not_forgotten_when_the_crawl_is_past_it():
    """Else nobody would end it."""
    crawling = paginate(StillList(300).fetch)
    crawling._ties._tasks = {EPOCH: asyncio.create_task(asyncio.Event().wait())}
    pages = crawling
    await anext(pages)
    await anext(pages)
    assert EPOCH in crawling._ties._tasks
    await pages.aclose()
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("clamp", [50, 70])
async def test_a_clamped_server_with_a_crowd_that_is_smaller_than_a_page(clamp):
    moving = MovingList.of([7] * 80, clamp=clamp)
    assert len({customer.id for customer in await read(paginate(moving.fetch))}) == 80


@pytest.mark.parametrize("times", [2, 10, 12, 25])
async def test_who_is_named_more_often_than_a_page_holds(times):
    """By a filter that joins tables; the list stands still."""
    moving = MovingList.of([7 * n for n in range(40)])
    moving.rows[7:8] = [moving.rows[7]] * times
    assert [row.id for row in await read(paginate(moving.fetch, page_size=10))] == [f"c{n}" for n in range(40)]


@pytest.mark.parametrize("shuffled", [False, True])
async def test_who_is_named_twice_among_a_crowd(shuffled):
    moving = MovingList.of([7] * 150, shuffled=shuffled)
    moving.rows.insert(7, moving.rows[7])
    if shuffled:
        with pytest.raises(IncompleteListError, match="8 readings of the 151 customers"):
            await read(paginate(moving.fetch))
    else:
        assert [row.id for row in await read(paginate(moving.fetch))] == [f"c{n}" for n in range(150)]
        assert len(moving.asked) == 1 + 2 * 2 + 1


async def test_who_is_named_twice_on_one_page_of_a_list_by_number():
    moving = MovingList.of([7 * n for n in range(45)])
    moving.rows.insert(25, moving.rows[25])
    pages = PageNumberPaginator(lambda number: moving.fetch(number, 10, TimeRange()), 10, lambda: 8)
    assert [row.id async for page in pages for row in page.keys] == [f"c{n}" for n in range(45)]


async def test_a_list_that_grows_while_it_is_read():
    moving = MovingList.of([7 * n for n in range(1_000)])

    async def fetch(*request):
        moving.rows += [Row(f"n{len(moving.rows) + n}", 7 * (len(moving.rows) + n)) for n in range(50)]
        return moving.answer(*request)

    ids = [customer.id for customer in await read(paginate(fetch))]
    assert ids[:1_000] == [f"c{n}" for n in range(1_000)]
    assert len(ids) == len(set(ids))


async def test_a_list_that_grows_faster_than_it_is_read_is_an_error():
    moving = MovingList.of([7 * n for n in range(1_000)])

    async def fetch(*request):
        moving.rows += [Row(f"n{len(moving.rows) + n}", 7 * (len(moving.rows) + n)) for n in range(100)]
        return moving.answer(*request)

    with pytest.raises(IncompleteListError, match="grows faster than it is read"):
        await read(paginate(fetch))
    assert len(moving.asked) == 3 * 11 + 100  # 1,100 customers by then, in pages of 100


@pytest.mark.parametrize("part", [60, MAX_SEGMENT])
@pytest.mark.parametrize("clamp", [1, 2, 3, 9, 10, 50])
async def test_a_server_that_gives_fewer_than_asked(clamp, part, monkeypatch):
    monkeypatch.setattr(by_created, "MAX_SEGMENT", part)
    monkeypatch.setattr(by_created, "TARGET_SEGMENT", 0.9 * part)
    moving = MovingList.of([7 * n for n in range(240)], clamp=clamp)
    assert [customer.id for customer in await read(paginate(moving.fetch))] == [f"c{n}" for n in range(240)]


@pytest.mark.parametrize("grain", [1_000, 1_000_000])
@pytest.mark.parametrize("descending", [False, True])
async def test_timestamps_printed_to_fewer_digits_than_they_have(grain, descending):
    moving = MovingList.of([grain // 7 * n for n in range(2_000)], grain=grain, descending=descending)
    ids = [customer.id for customer in await read(paginate(moving.fetch, descending=descending))]
    assert ids == [row.id for row in moving.select(TimeRange())]


async def test_a_server_that_does_not_order():
    moving = MovingList.of([7 * n for n in range(300)])
    moving.ignores_ordering = True
    with pytest.raises(IncompleteListError, match=r"does not order by `created`.*ordering=None"):
        await read(paginate(moving.fetch))
    assert len(moving.asked) == 1


async def test_a_server_that_does_not_heed_bounds():
    moving = MovingList.of([7 * n for n in range(300)])
    moving.ignores_bounds = True
    with pytest.raises(IncompleteListError, match=r"does not filter by `created`.*ordering=None"):
        await read(paginate(moving.fetch))


def without_created(fetch):
    async def fetch_without(*request):
        page = await fetch(*request)
        return evolve(page, keys=[row._replace(created=None) for row in page.keys])

    return fetch_without


async def test_customers_without_created():
    with pytest.raises(IncompleteListError, match=r"c0 has no `created`.*ordering=None"):
        await read(paginate(without_created(StillList(300).fetch)))


async def test_one_page_is_put_in_order_or_left_as_it_is():
    moving = MovingList.of([7 * n for n in range(30)])
    moving.ignores_ordering = True
    assert [customer.id for customer in await read(paginate(moving.fetch))] == [f"c{n}" for n in range(30)]
    fetch = without_created(moving.fetch)
    assert [customer.id for customer in await read(paginate(fetch))] == [f"c{n}" for n in reversed(range(30))]


@pytest.mark.parametrize("descending", [False, True])
async def test_going_on_from_any_customer(descending):
    moving = MovingList.of([n // 30 * 7 for n in range(400)], descending=descending)
    whole = await read(paginate(moving.fetch, page_size=20, descending=descending))
    for taken in range(0, 401, 13):
        mark = Cursor(descending)
        mark.take_new(whole[:taken])
        rest = await read(paginate(moving.fetch, page_size=20, descending=descending, cursor=mark))
        assert sorted(customer.id for customer in rest) == sorted(customer.id for customer in whole[taken:])


async def test_a_failed_request_ends_the_crawl_with_its_error():
    async def fetch(number, size, span):
        if number == 7:
            raise ZeroDivisionError
        return await StillList(3_000).fetch(number, size, span)

    delivered = []

    async def deliver():
        async for page in paginate(fetch):
            delivered.extend(page.keys)

    with pytest.raises(ZeroDivisionError):
        await deliver()
    assert [customer.id for customer in delivered] == [f"c{n}" for n in range(len(delivered))]
    assert len(delivered) >= 100
    assert len(asyncio.all_tasks()) == 1


def test_leaves_have_room_to_grow():
    assert TARGET_SEGMENT < MAX_SEGMENT
    assert EPOCH.tzinfo
