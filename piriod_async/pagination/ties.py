"""Customers created at the same instant, where there are more of them than a page holds.

They can only be read by page number, and their order may depend on LIMIT and OFFSET (PostgreSQL's top-N sort), so that
a pass over them may repeat some and miss others. A pass is trusted if another one agrees with it.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import cached_property
from itertools import groupby
from operator import itemgetter

from attrs import define, evolve, field, frozen

from piriod_async.errors import IncompleteListError
from piriod_async.pagination.cursor import require_created
from piriod_async.pagination.fetch import Fetch
from piriod_async.pagination.numbered_pages import NumberedPages
from piriod_async.pagination.prefetch import OrderedPrefetch, PrefetchLimit, cancel_and_wait, start_task
from piriod_async.pagination.raw_page import RawPage, RecordKey
from piriod_async.pagination.time_range import TimeRange, earliest, latest

MAX_TIE_PASSES = 8


@frozen(eq=False)
class _Pass:
    """One reading of an instant by page number.

    Attributes:
        pages: The responses.
    """

    pages: Sequence[RawPage]

    @cached_property
    def ids(self) -> Sequence[str]:
        """Customer ids of all rows, in order."""
        return [key.id for page in self.pages for key in page.keys]

    @property
    def page_length(self) -> int:
        """Rows of a full page: what the server gave, which may be less than requested."""
        return self.pages[0].rows

    @property
    def counts(self) -> set[int]:
        """Counts of the responses."""
        return {page.count for page in self.pages}

    def agrees_with(self, other: "_Pass") -> bool:
        """Return whether two passes prove each other right.

        Passes with pages of the same length may repeat the same mistake, unless they are one page each.
        """
        if self.page_length == other.page_length and max(len(self.pages), len(other.pages)) > 1:
            return False
        if self.ids == other.ids:  # even with repetitions: a filter that joins tables repeats a customer
            return True
        return len(set(self.ids)) == len(self.ids) and set(self.ids) == set(other.ids)


@define(eq=False)
class TieReader:
    """Reads all customers of an instant, once for all gaps that meet it.

    Attributes:
        fetch: Requests a page.
        prefetch_limit: Returns how many pages may be pending or waiting to be consumed.
        descending: Whether the newest customers come first.
    """

    fetch: Fetch
    prefetch_limit: PrefetchLimit
    descending: bool
    _tasks: dict[datetime, asyncio.Task[list[RawPage]]] = field(factory=dict, init=False)

    async def read(self, created: datetime, created_range: TimeRange, page_size: int) -> list[RawPage]:
        """Return the pages of an instant.

        Args:
            created: The instant.
            created_range: The range of the listing; the instant may be at its edge.
            page_size: Customers requested per page.

        Raises:
            IncompleteListError: The passes did not agree.
        """
        if created not in self._tasks:
            instant = created_range & TimeRange(earliest(created), latest(created))
            self._tasks[created] = start_task(self._read_ties(created, instant, page_size))
        return await asyncio.shield(self._tasks[created])

    def forget(self, is_behind: Callable[[datetime], bool]) -> None:
        """Release the pages of instants that have been delivered."""
        for created in [created for created, task in self._tasks.items() if task.done() and is_behind(created)]:
            del self._tasks[created]

    async def aclose(self) -> None:
        """Cancel pending requests."""
        await cancel_and_wait(self._tasks.values())

    async def _read_ties(self, created: datetime, instant: TimeRange, page_size: int) -> list[RawPage]:
        """Read an instant in one response, or by page number until passes agree.

        Each pass requests smaller pages than the one before, because the order of ties may depend on their size.
        """
        passes: list[_Pass] = []
        size, count = page_size, 0
        for _ in range(MAX_TIE_PASSES):
            first = await self.fetch(1, size, instant)
            count = first.count
            if first.is_complete:
                return [first]  # one response, of one moment, that nothing is missing from
            expected = len(passes[-1].ids) if passes else count
            current = _Pass([first, *await self._remaining_pages(first, expected, size, instant)])
            if any(map(current.agrees_with, passes)):
                return list(current.pages)
            passes = [each for each in passes if each.counts == current.counts] + [current]
            if _are_complete(passes):
                return _merge(passes, descending=self.descending)
            if len(current.pages) > 1:
                size = max(min(size, first.rows) - 1, 1)
        raise IncompleteListError(
            f"{MAX_TIE_PASSES} readings of the {count} customers created at {created.isoformat()} did not agree: "
            "list again, or with ordering=None"
        )

    async def _remaining_pages(self, first: RawPage, expected: int, size: int, instant: TimeRange) -> list[RawPage]:
        async def fetch(number: int) -> RawPage:
            return await self.fetch(number, size, instant)

        jobs = NumberedPages(fetch).jobs_after(first, expected)
        async with aclosing(OrderedPrefetch(jobs, self.prefetch_limit)) as pages:
            return [page async for page in pages]


def _are_complete(passes: Sequence[_Pass]) -> bool:
    """Return whether several passes together hold as many customers as each of their responses counted."""
    ids = {id_ for each in passes for id_ in each.ids}
    return len(passes) > 1 and all(each.counts == {len(ids)} == {len(each.ids)} for each in passes)


def _merge(passes: Sequence[_Pass], *, descending: bool) -> list[RawPage]:
    """Return the pages of several passes in order, each with the customers that those before it do not have."""
    rows: dict[str, tuple[RecordKey, RawPage]] = {}
    for page in (page for each in passes for page in each.pages):
        for key in page.keys:
            rows.setdefault(key.id, (key, page))
    ordered = sorted(rows.values(), key=lambda row: require_created(row[0]), reverse=descending)
    return [evolve(page, keys=tuple(key for key, _ in group)) for page, group in groupby(ordered, itemgetter(1))]
