"""Costs of pagination by `created`: requests, round trips, work of the database, memory."""

import asyncio
import math
import random
import tracemalloc
from collections.abc import Callable
from contextlib import aclosing

import pytest
from attrs import define, evolve, field

from piriod_async.pagination.by_created import MAX_SEGMENT
from tests.support.clock import Clock, run_virtual
from tests.support.moving_list import Fetch, StaticList, paginate, read, read_ids, read_plain

CONCURRENCY = 8


@define
class DelayedServer:
    """Serves at most eight requests at a time, each after a delay in virtual time.

    Attributes:
        fetch_now: Returns a page at once.
        delay: Returns the seconds that a request takes.
        total_delay: Seconds of all requests so far.
    """

    fetch_now: Fetch
    delay: Callable[[], float]
    total_delay: float = 0.0
    _limit: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(CONCURRENCY))

    async def fetch(self, *request, **options):
        async with self._limit:
            delay = self.delay()
            self.total_delay += delay
            await asyncio.sleep(delay)
            return await self.fetch_now(*request, **options)


def measure(read_all, length, delay=lambda: 1):
    """Return the seconds that a listing takes, and the sum of those of its requests."""
    clock, server = Clock(), DelayedServer(StaticList(length).fetch, delay)
    start = clock.now
    keys = run_virtual(read_all(server.fetch), clock)
    assert len(keys) == length
    return clock.now - start, server.total_delay


@pytest.mark.parametrize("length", [0, 1, 100])
async def test_requests_of_one_page(length):
    """A list of one page takes one request."""
    customers = StaticList(length)
    assert len(await read(customers.fetch)) == length
    assert len(customers.requests) == 1


@pytest.mark.parametrize("length", [101, 196, 197, 1_000, 1_001, 2_500, 5_000, 5_001, 20_000, 100_000])
async def test_requests(length):
    """A list that does not change takes 6 % more requests than it has pages, and 3 more."""
    customers = StaticList(length)
    assert await read_ids(customers.fetch) == [f"c{n}" for n in range(length)]
    assert len(customers.requests) <= 1.06 * math.ceil(length / 100) + 3


def test_round_trips():
    """A list of 900 customers takes four round trips."""
    elapsed, _ = measure(read, 900)
    assert elapsed <= 4


def test_as_fast_as_plain_crawl():
    """A list of 20,000 customers takes 8 % more time than a plain concurrent crawl, and three round trips."""
    elapsed, _ = measure(read, 20_000)
    plain, _ = measure(read_plain, 20_000)
    assert elapsed <= 1.08 * plain + 3


@pytest.mark.parametrize("seed", range(3))
def test_uneven_delays(seed):
    """Requests of uneven duration keep at least five in six of the permitted requests in flight."""
    rng = random.Random(seed)
    elapsed, total_delay = measure(read, 20_000, lambda: rng.uniform(0.02, 0.2))
    assert elapsed <= 1.2 * total_delay / CONCURRENCY


@pytest.mark.parametrize("pace", [0.005, 0.0125, 0.025, 0.05, 0.1, 0.5])
def test_slow_consumer(pace):
    """A consumer that takes its time hardly ever waits, although fewer pages are prefetched for it."""
    rng = random.Random(7)
    pages = []

    async def read_slowly(fetch):
        keys = []
        async with aclosing(paginate(fetch)) as responses:
            async for page in responses:
                pages.append(page)
                keys += page.keys
                await asyncio.sleep(pace)
        return keys

    fastest, _ = measure(read, 10_000, lambda: rng.uniform(0.02, 0.2))
    elapsed, _ = measure(read_slowly, 10_000, lambda: rng.uniform(0.02, 0.2))
    assert elapsed <= 1.1 * max(pace * len(pages), fastest) + 0.4


@pytest.mark.parametrize("length", [2_500, 20_000])
def test_consumer_that_stops(length):
    """A consumer that stops on the first page, but stays, has at most twelve pages requested."""
    customers, clock = StaticList(length), Clock()

    async def read_first():
        server = DelayedServer(customers.fetch, lambda: 1)
        async with aclosing(paginate(server.fetch)) as pages:
            assert len((await anext(pages)).keys) == 100
            await asyncio.sleep(100)

    run_virtual(read_first(), clock)
    assert 1 < len(customers.requests) <= 12


@pytest.mark.no_cover  # tracing takes five times as long
async def test_database():
    """The rows that OFFSET skips and COUNT counts grow little faster than the list."""
    costs = {}
    for length in (100_000, 1_000_000):
        customers = StaticList(length)
        async for page in paginate(customers.fetch):
            assert page.keys
        offsets = [(number - 1) * size for number, size, _ in customers.requests]
        assert sum(offset > MAX_SEGMENT for offset in offsets) <= 1.2 * length / 5_000
        costs[length] = sum(offsets) + sum(count for _, _, count in customers.requests)
    assert costs[1_000_000] <= 13 * costs[100_000]


@pytest.mark.no_cover  # tracing takes five times as long
async def test_memory():
    """Peak memory does not grow with the list."""
    peaks = {}
    for length in (10_000, 100_000):
        customers = StaticList(length)

        async def fetch(*request, customers=customers, **options):
            page = await customers.fetch(*request, **options)
            customers.requests.clear()
            return evolve(page, raw=bytes(1_300 * len(page.keys)))  # as many as the API's own have

        tracemalloc.start()
        async for _ in paginate(fetch):
            pass
        peaks[length] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[100_000] <= 1.2 * peaks[10_000]
