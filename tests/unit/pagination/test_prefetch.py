"""Ordered prefetching: which jobs are pending, the order of their items, and that no task is left."""

import asyncio
from contextlib import aclosing
from functools import partial

import pytest
from attrs import define, field

from piriod_async.pagination.prefetch import Job, JobResult, OrderedPrefetch, cancel_and_wait
from tests.support.tasks import settle

pytestmark = pytest.mark.usefixtures("no_leaks")


@define
class ManualJobs:
    """Jobs that end when the test says so, and a consumer of their items.

    Attributes:
        taken: Names of the jobs taken from the source.
        started: Names of the jobs started.
        ended: Names of the jobs that have returned, failed or been cancelled.
        items: Items consumed.
        futures: The future that each job waits for, by name.
    """

    taken: list = field(factory=list)
    started: list = field(factory=list)
    ended: list = field(factory=list)
    items: list = field(factory=list)
    futures: dict = field(factory=dict)

    def job(self, name, *, expands=False):
        return Job(partial(self._run, name), expands)

    def source(self, names):
        for name in names:
            self.taken.append(name)
            yield self.job(name)

    async def _run(self, name):
        self.started.append(name)
        self.futures[name] = asyncio.get_running_loop().create_future()
        try:
            return await self.futures[name]
        finally:
            await asyncio.sleep(0)  # a job that takes time to end is waited for, too
            self.ended.append(name)

    async def finish(self, *names, follow_ups=()):
        """Let jobs return their names as items."""
        for name in names:
            if not self.futures[name].cancelled():
                self.futures[name].set_result(JobResult([name], follow_ups))
        await settle()

    async def fail(self, name, error):
        self.futures[name].set_exception(error)
        await settle()

    async def consume(self, jobs, limit, *, take=None):
        """Start a task that consumes the items of jobs, or the first few, and then closes the iterator."""

        async def consume():
            async with aclosing(OrderedPrefetch(jobs, lambda: limit)) as items:
                async for item in items:
                    self.items.append(item)
                    if len(self.items) == take:
                        break

        task = asyncio.create_task(consume())
        await settle()
        return task


async def test_order():
    """Items are in the order of the jobs, whichever job ends first."""
    jobs = ManualJobs()
    consumer = await jobs.consume(jobs.source("abcd"), 4)
    await jobs.finish("d", "b")
    assert jobs.items == []
    await jobs.finish("a")
    assert jobs.items == ["a", "b"]
    await jobs.finish("c")
    assert jobs.items == ["a", "b", "c", "d"]
    await consumer


async def test_no_jobs():
    """No jobs have no items."""
    assert [item async for item in OrderedPrefetch([], lambda: 3)] == []


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_limit(limit):
    """The window has as many jobs as the limit says: no other is started, or taken from the source."""
    jobs, names = ManualJobs(), "abcdefghij"
    consumer = await jobs.consume(jobs.source(names), limit)
    for consumed, name in enumerate(names):
        assert jobs.started == jobs.taken == list(names[: consumed + limit])
        await jobs.finish(name)
    await consumer
    assert jobs.items == list(names)


async def test_limit_changes():
    """The limit is asked again whenever a job is consumed; a lower one stops no job that has started."""
    jobs, limits = ManualJobs(), [1]
    items = OrderedPrefetch(jobs.source("abcdef"), lambda: limits[-1])
    for name, limit, started in (("a", 1, "a"), ("b", 3, "abcd"), ("c", 1, "abcd"), ("d", 2, "abcde")):
        limits.append(limit)
        item = asyncio.create_task(anext(items))
        await settle()
        assert jobs.started == list(started)
        await jobs.finish(name)
        assert await item == name
    await items.aclose()


async def test_back_pressure():
    """A consumer that stops iterating stops the jobs."""
    jobs = ManualJobs()
    items = OrderedPrefetch(jobs.source("abcdefgh"), lambda: 3)
    for name, started in (("a", "abc"), ("b", "abcd")):
        item = asyncio.create_task(anext(items))
        await settle()
        await jobs.finish(name)
        assert await item == name
        await settle()
        assert jobs.started == list(started)
    await items.aclose()


async def test_lazy():
    """No job is taken from the source before the first item is requested."""
    jobs = ManualJobs()
    items = OrderedPrefetch(jobs.source("ab"), lambda: 2)
    await settle()
    assert jobs.taken == []
    await items.aclose()
    assert jobs.taken == []


async def test_follow_ups():
    """Follow-ups come right after the job that they came from, and start before later jobs of the source."""
    jobs = ManualJobs()
    consumer = await jobs.consume(jobs.source("az"), 3)
    await jobs.finish("z")
    await jobs.finish("a", follow_ups=[jobs.job("b"), jobs.job("c")])
    assert jobs.started == ["a", "z", "b", "c"]
    await jobs.finish("c")
    assert jobs.items == ["a"]
    await jobs.finish("b", follow_ups=[jobs.job("b1")])
    await jobs.finish("b1")
    await consumer
    assert jobs.items == ["a", "b", "b1", "c", "z"]


async def test_follow_ups_start_early():
    """Follow-ups of a job that is done start while jobs before it are pending, as far as the window has room."""
    jobs = ManualJobs()
    consumer = await jobs.consume(jobs.source("ab"), 4)
    await jobs.finish("b", follow_ups=[jobs.job("b1"), jobs.job("b2"), jobs.job("b3")])
    assert jobs.started == ["a", "b", "b1", "b2"]
    await jobs.finish("b2", "b1", "a")
    await jobs.finish("b3")
    await consumer
    assert jobs.items == ["a", "b", "b1", "b2", "b3"]


async def test_expanding_jobs():
    """While a job that expands is pending, later ones wait, and so do the follow-ups of later jobs."""
    jobs = ManualJobs()
    source = [jobs.job("A", expands=True), jobs.job("a"), jobs.job("B", expands=True), jobs.job("b")]
    consumer = await jobs.consume(source, 6)
    assert jobs.started == ["A", "a", "b"]
    await jobs.finish("b", follow_ups=[jobs.job("b1")])
    assert jobs.started == ["A", "a", "b"], "b1 may fill the window, which the follow-ups of A need"
    await jobs.finish("A", follow_ups=[jobs.job("A1"), jobs.job("A2")])
    assert jobs.started == ["A", "a", "b", "A1", "A2", "B"]
    await jobs.finish("B", "A2", "A1", "a")
    await jobs.finish("b1")
    await consumer
    assert jobs.items == ["A", "A1", "A2", "a", "B", "b", "b1"]


async def test_dependent_jobs():
    """A job may wait for the next one."""
    known = asyncio.Event()

    async def wait():
        await known.wait()
        return JobResult(["first"])

    async def set_known():
        known.set()
        return JobResult(["second"])

    assert [item async for item in OrderedPrefetch([Job(wait), Job(set_known)], lambda: 2)] == ["first", "second"]


@pytest.mark.parametrize("name", "abcd")
async def test_error(name):
    """An error is raised after the items of the jobs before it."""
    jobs = ManualJobs()
    consumer = await jobs.consume(jobs.source("abcd"), 4)
    await jobs.fail(name, ZeroDivisionError())
    await jobs.finish(*(other for other in "abcd" if other != name))
    with pytest.raises(ZeroDivisionError):
        await consumer
    assert jobs.items == list("abcd"[: "abcd".index(name)])


async def test_two_errors():
    """Of two errors the first in order is raised, and pending jobs are cancelled."""
    jobs = ManualJobs()
    consumer = await jobs.consume(jobs.source("abcdef"), 4)
    await jobs.fail("c", KeyError("c"))
    await jobs.fail("b", KeyError("b"))
    await jobs.finish("a")
    with pytest.raises(KeyError, match="b"):
        await consumer
    assert jobs.started == jobs.taken[:4] == list("abcd")
    assert sorted(jobs.ended) == jobs.started


async def test_error_of_items():
    """An error while items are produced is raised after those before it, and pending jobs are cancelled."""

    def items():
        yield "a"
        raise ZeroDivisionError

    async def run():
        return JobResult(items())

    jobs = ManualJobs()
    consumer = await jobs.consume([Job(run), jobs.job("b")], 2)
    with pytest.raises(ZeroDivisionError):
        await consumer
    assert (jobs.items, jobs.ended) == (["a"], ["b"])


async def test_error_of_source():
    """An error of the source of jobs is raised, and pending jobs are cancelled."""
    jobs = ManualJobs()

    def source():
        yield jobs.job("a")
        raise ZeroDivisionError

    consumer = await jobs.consume(source(), 2)
    with pytest.raises(ZeroDivisionError):
        await consumer


@pytest.mark.parametrize("take", [1, 2, 3])
async def test_close(take):
    """Closing cancels pending jobs, and waits until they have ended."""
    jobs = ManualJobs()
    consumer = await jobs.consume(jobs.source("abcdefgh"), 4, take=take)
    await jobs.finish("d")
    for name in "abc"[:take]:
        await jobs.finish(name)
    await consumer
    assert jobs.items == list("abc"[:take])
    assert sorted(jobs.ended) == jobs.started == jobs.taken == list("abcdefgh"[: 3 + take])


@pytest.mark.parametrize("finished", ["", "a", "bc"])
async def test_cancelled_consumer(finished):
    """Cancelling the consumer cancels pending jobs, and waits until they have ended."""
    jobs = ManualJobs()
    consumer = await jobs.consume(jobs.source("abcdefgh"), 4)
    await jobs.finish(*finished)
    consumer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consumer
    assert sorted(jobs.ended) == sorted(jobs.started)


async def test_follow_ups_of_cancelled_job():
    """Follow-ups that a job returns when it is cancelled are not started."""
    jobs = ManualJobs()

    async def return_when_cancelled():
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            return JobResult(["late"], [jobs.job("later")])

    consumer = await jobs.consume([jobs.job("a"), Job(return_when_cancelled), jobs.job("b")], 2, take=1)
    await jobs.finish("a")
    await consumer
    assert (jobs.items, jobs.started) == (["a"], ["a"])


async def test_job_ends_while_closing():
    """A job that ends in the event-loop iteration in which the window is closed starts no other."""

    async def run():
        return JobResult([], [Job(run)])

    limits = []
    prefetch = OrderedPrefetch([Job(run)], lambda: limits.append(1) or 1)
    prefetch._fill()
    [entry] = prefetch._entries
    await entry.task
    await prefetch.aclose()
    limits.clear()
    prefetch._on_done(entry, entry.task)
    assert limits == []


async def test_cancel_and_wait():
    """`cancel_and_wait` waits for tasks that fail or take time when they are cancelled."""

    async def run():
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            raise ZeroDivisionError

    tasks = [asyncio.create_task(run()) for _ in range(3)]
    await settle()
    await cancel_and_wait(tasks)
    assert all(task.done() for task in tasks)
    await cancel_and_wait([])
