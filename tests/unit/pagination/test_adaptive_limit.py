"""The size of the window: it starts small, grows for a consumer that waits, and shrinks for one that is slow."""

import asyncio
from contextlib import aclosing

import pytest

from piriod_async.pagination.adaptive_limit import AdaptiveLimit
from piriod_async.pagination.prefetch import Job, JobResult, OrderedPrefetch
from tests.support.tasks import settle

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize(("maximum", "minimum"), [(32, 8), (9, 2), (8, 2), (4, 2), (2, 2), (1, 1), (0, 0)])
def test_bounds(maximum, minimum):
    """The size starts at a quarter of the maximum, but no less than two, and shrinks no further."""
    limit = AdaptiveLimit(lambda: maximum)
    assert limit() == minimum
    limit.grow()
    assert [limit(), limit()] == [maximum, maximum]
    sizes = []
    for _ in range(maximum + 3):
        limit.shrink()
        sizes.append(limit())
    assert sizes == [max(maximum - 1 - shrunk, minimum) for shrunk in range(maximum + 3)]
    limit.grow()
    assert limit() == maximum


def test_maximum_changes():
    """A maximum that falls applies at once; one that rises, when the consumer has waited."""
    maximum = 32
    limit = AdaptiveLimit(lambda: maximum)
    limit.grow()
    maximum = 3
    assert limit() == 3
    limit.grow()
    maximum = 20
    assert limit() == 5
    limit.grow()
    assert limit() == 20


class CountedJobs:
    """Jobs that end when the test says so; the first one sends no request, and ends at once.

    Attributes:
        started: Number of jobs started, without the first.
        released: Set when jobs may end.
    """

    def __init__(self):
        self.started = 0
        self.released = asyncio.Event()

    def source(self, size):
        """Return a job that has all others as follow-ups, as that of the first page has."""

        async def run(number):
            self.started += 1
            await self.released.wait()
            return JobResult([number])

        async def root():
            return JobResult([0], [Job(lambda number=number: run(number)) for number in range(1, size)])

        return [Job(root)]


async def test_consumer_that_stops():
    """A consumer that stops after the first item has a quarter of the maximum prefetched."""
    jobs = CountedJobs()
    async with aclosing(OrderedPrefetch(jobs.source(100), lambda: 32)) as items:
        assert await anext(items) == 0
        await settle()
        assert jobs.started == 7
        jobs.released.set()
        await settle()
        assert jobs.started == 7


async def test_consumer_that_waits():
    """A consumer that waits has the maximum prefetched."""
    jobs = CountedJobs()
    async with aclosing(OrderedPrefetch(jobs.source(100), lambda: 32)) as items:
        assert await anext(items) == 0
        item = asyncio.create_task(anext(items))
        await settle()
        assert jobs.started == 32
        jobs.released.set()
        assert await item == 1


async def test_slow_consumer():
    """A consumer that finds all of the window complete gives back a job with each item, down to a quarter."""
    jobs = CountedJobs()
    async with aclosing(OrderedPrefetch(jobs.source(200), lambda: 32)) as items:
        assert await anext(items) == 0
        item = asyncio.create_task(anext(items))
        await settle()
        jobs.released.set()
        unconsumed = [jobs.started - await item]
        async for number in items:
            await settle()
            unconsumed.append(jobs.started - number)
        assert unconsumed[:30] == [*range(31, 7, -1), *[7] * 6]


async def test_job_that_ends_at_once():
    """Follow-ups of jobs that end without a wait are not lost, nor do they count as waiting."""

    def chain(number):
        async def run():
            return JobResult([number], [chain(number + 1)] if number < 50 else [])

        return Job(run)

    async with aclosing(OrderedPrefetch([chain(0)], lambda: 32)) as items:
        assert [number async for number in items] == list(range(51))
        assert items._limit() == 8
