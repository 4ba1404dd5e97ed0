"""Customers created at the same instant, where there are more of them than a page holds."""

import asyncio
import math
from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime
from functools import partial

from attrs import define, field

from piriod_async.errors import IncompleteListError
from piriod_async.pagination.fetch import Fetch, fetch_or_empty
from piriod_async.pagination.prefetch import Job, JobResult, OrderedPrefetch, PrefetchLimit, cancel_and_wait
from piriod_async.pagination.raw_page import RawPage
from piriod_async.pagination.time_range import TimeRange, earliest, latest

MAX_TIE_PASSES = 8


@define(eq=False)
class TieReader:
    """Reads all customers of an instant, once for all gaps that meet it.

    Attributes:
        fetch: Requests a page.
        prefetch_limit: Returns how many pages may be pending or waiting to be consumed.
    """

    fetch: Fetch
    prefetch_limit: PrefetchLimit
    _tasks: dict[datetime, asyncio.Task[list[RawPage]]] = field(factory=dict, init=False)

    async def read(self, created: datetime, created_range: TimeRange, page_size: int) -> list[RawPage]:
        """Return the pages of an instant.

        Args:
            created: The instant.
            created_range: The range of the listing; the instant may be at its edge.
            page_size: Customers requested per page.

        Raises:
            IncompleteListError: No two passes agreed.
        """
        if created not in self._tasks:
            instant = created_range & TimeRange(earliest(created), latest(created))
            self._tasks[created] = asyncio.create_task(self._read_ties(created, instant, page_size))
        return await asyncio.shield(self._tasks[created])

    def forget(self, is_behind: Callable[[datetime], bool]) -> None:
        """Release the pages of instants that have been delivered."""
        for created in [created for created, task in self._tasks.items() if task.done() and is_behind(created)]:
            del self._tasks[created]

    async def aclose(self) -> None:
        """Cancel pending requests."""
        await cancel_and_wait(self._tasks.values())

    async def _read_ties(self, created: datetime, instant: TimeRange, page_size: int) -> list[RawPage]:
        """Read an instant in one response, or by page number until two passes agree: ties may come in any order."""
        previous_ids: list[str] = []
        count = 0
        for shrink in range(MAX_TIE_PASSES):
            size = max(page_size - shrink, 1) if count > page_size else page_size
            first = await self.fetch(1, size, instant)
            count = first.count
            if count <= len(first.keys):
                return [first]  # one response, of one moment, that nothing is missing from
            pages = [first, *await self._remaining_pages(first, size, instant)]
            ids = [key.id for page in pages for key in page.keys]
            if len(set(ids)) == count and set(ids) == set(previous_ids):
                return pages
            if len(ids) == count and ids == previous_ids:  # a filter that joins tables counts a customer repeatedly
                return pages
            previous_ids = ids
        raise IncompleteListError(
            f"{MAX_TIE_PASSES} readings of the {count} customers created at {created.isoformat()} did not agree"
        )

    async def _remaining_pages(self, first: RawPage, size: int, instant: TimeRange) -> list[RawPage]:
        last = math.ceil(first.count / (len(first.keys) or size))  # the server may give fewer than requested
        jobs = (Job(partial(self._fetch_or_empty, number, size, instant)) for number in range(2, last + 1))
        async with aclosing(OrderedPrefetch(jobs, self.prefetch_limit)) as pages:
            return [page async for page in pages]

    async def _fetch_or_empty(self, number: int, size: int, instant: TimeRange) -> JobResult[RawPage]:
        return await fetch_or_empty(self.fetch(number, size, instant))
