"""Bounded, ordered prefetching: run jobs concurrently, get their results in order."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, Generic, Self, TypeAlias, TypeVar

from attrs import define, frozen

from piriod_async.pagination.adaptive_limit import AdaptiveLimit

T = TypeVar("T")
PrefetchLimit: TypeAlias = Callable[[], int]
"""Returns how many jobs may be pending or waiting to be consumed. It is asked again whenever one is consumed."""

_pending_tasks: set[asyncio.Task[Any]] = set()  # event loops have weak references to their tasks


@frozen
class JobResult(Generic[T]):
    """The outcome of a job.

    Attributes:
        items: Results for the consumer.
        follow_ups: Jobs that come next in the order, for a job that finds out what else has to be done.
    """

    items: Iterable[T]
    follow_ups: "Sequence[Job[T]]" = ()


@frozen(eq=False)
class Job(Generic[T]):
    """A unit of work with a place in the order.

    Attributes:
        run: Starts the work. It may wait for other jobs that are before it or right behind it.
        expands: True if the job has more follow-ups than the window holds. Later jobs that expand wait until it is
            done: theirs would fill the window, which the follow-ups of this one need.
    """

    run: Callable[[], Coroutine[Any, Any, JobResult[T]]]
    expands: bool = False


@define(eq=False)
class _Entry(Generic[T]):
    """A job in the window."""

    job: Job[T]
    task: asyncio.Task[JobResult[T]] | None = None
    expanded: bool = False

    @property
    def result(self) -> JobResult[T] | None:
        task = self.task
        return task.result() if task and task.done() and not task.cancelled() and not task.exception() else None


class OrderedPrefetch(Generic[T]):
    """An async iterator over the items of jobs that run concurrently, in the order of the jobs.

    The first jobs that are not yet consumed are pending or done: those in the window, which adapts to the consumer.
    Another one is started when one is consumed. So prefetching is bounded: a consumer that stops iterating stops the
    work. `aclose` cancels what is pending.

    Args:
        jobs: Taken one by one, as the window has room.
        limit: Largest size of the window.
    """

    def __init__(self, jobs: Iterable[Job[T]], limit: PrefetchLimit) -> None:
        self._jobs = iter(jobs)
        self._limit = AdaptiveLimit(limit)
        self._entries: deque[_Entry[T]] = deque()
        self._items: Iterator[T] | None = None  # of the first entry

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while True:
            if self._items is None:
                self._fill()
                if not self._entries:
                    raise StopAsyncIteration
                task = self._entries[0].task
                assert task is not None  # noqa: S101 (the first job of the window is always started)
                if not task.done():
                    await asyncio.sleep(0)  # long enough for a job that sends no request
                    if not task.done():
                        self._limit.grow()
                    self._fill()
                self._items = iter((await task).items)
                if self._pending <= 1:
                    self._limit.shrink()
            for item in self._items:
                return item
            self._items = None
            self._entries.popleft()

    async def aclose(self) -> None:
        """Cancel all jobs that are pending, and wait for them."""
        tasks = [entry.task for entry in self._entries if entry.task]
        self._entries.clear()
        self._jobs = iter(())
        await cancel_and_wait(tasks)

    @property
    def _pending(self) -> int:
        """Number of jobs in the window that are not done."""
        return sum(not (entry.task and entry.task.done()) for entry in islice(self._entries, self._limit()))

    def _fill(self) -> None:
        """Start the jobs that the window has room for, and insert follow-ups behind the job that they came from."""
        index, expansion_pending, limit = 0, False, self._limit()
        while index < limit:
            if index == len(self._entries):
                self._entries.extend(map(_Entry, islice(self._jobs, 1)))
                if index == len(self._entries):
                    return
            entry = self._entries[index]
            index += 1
            if entry.expanded:
                continue
            if entry.task is None and not (expansion_pending and entry.job.expands):
                entry.task = start_task(entry.job.run())
                entry.task.add_done_callback(partial(self._on_done, entry))
            result = entry.result
            if result is None:
                expansion_pending |= entry.job.expands
            elif not expansion_pending:
                entry.expanded = True
                for offset, job in enumerate(result.follow_ups):
                    self._entries.insert(index + offset, _Entry(job))

    def _on_done(self, entry: _Entry[T], _: object) -> None:
        result = entry.result if self._entries else None  # there are no entries once it is closed
        if result and (result.follow_ups or entry.job.expands):
            self._fill()


def start_task(coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start a task of an iterator that may be abandoned in a cycle of references.

    While the task is pending, it is not collected with the iterator, which therefore can cancel it as it is collected.
    asyncio does not report the task as destroyed then, nor its error as never retrieved.
    """
    task = asyncio.create_task(coroutine)
    _pending_tasks.add(task)
    task.add_done_callback(_on_end)
    return task


def _on_end(task: asyncio.Task[Any]) -> None:
    _pending_tasks.discard(task)
    if not task.cancelled():
        task.exception()  # whoever awaits the task still gets it


async def cancel_and_wait(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
