"""Where to split a list by `created` into parts: disjoint ranges that together are the list.

Bounds are inclusive, so a **cut** is the first instant of the newer part, and the older part ends a microsecond before
it. The server filters by the stored time, which never changes: a customer stays in its part, whatever else changes.

A cut lies between two neighbours of one response, and away from every time that they may stand for as printed (to the
second, to the millisecond, or with a rounded last digit). So nobody who is in the list throughout is stored between the
two bounds. Where all customers of a page are too close for that, the cut is the instant printed for the newer of two;
if the page shows one instant only, the cut is that instant, or where it ends. Such a cut is right if the server omits
digits rather than rounds them, and stores no more than microseconds, as Django does.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby, pairwise
from typing import TypeAlias

from attrs import frozen

from piriod_async.pagination.cursor import Cursor, require_created
from piriod_async.pagination.fetch import Fetch, fetch_checked
from piriod_async.pagination.numbered_pages import NumberedPages
from piriod_async.pagination.prefetch import Job, JobResult, OrderedPrefetch, PrefetchLimit
from piriod_async.pagination.raw_page import RawPage
from piriod_async.pagination.time_range import TimeRange, earliest, latest

_MICROSECOND = timedelta(microseconds=1)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_Place: TypeAlias = tuple[RawPage, int]
"""A page, and the index of the customer on it that a part is to begin with."""


@frozen(eq=False)
class Splitter:
    """Splits a list into parts with about as many customers each.

    Attributes:
        fetch: Requests a page.
        page_size: Customers requested per page.
        prefetch_limit: Returns how many pages may be pending or waiting to be consumed.
        created_range: The bounds of the list.
        cursor: Where the list starts.
    """

    fetch: Fetch
    page_size: int
    prefetch_limit: PrefetchLimit
    created_range: TimeRange
    cursor: Cursor

    async def split(self, parts: int) -> list[TimeRange]:
        """Return the ranges of the parts, in the order of the list: as many as requested, or fewer.

        Sends a request for the count, and one for each page that a cut is on, but for the first.
        """
        cuts: set[datetime] = set()
        if parts > 1:
            first = await self._fetch(self.page_size, 1)
            async with aclosing(OrderedPrefetch(self._jobs(first, parts), self.prefetch_limit)) as places:
                async for page, index in places:
                    candidates = filter(self._is_inside, self._candidates(page, index))
                    cuts.update([cut for cut in candidates if cut not in cuts][:1])
        return self._ranges(cuts)

    async def _fetch(self, size: int, number: int) -> RawPage:
        created_range = self.created_range & self.cursor.remaining()
        return await fetch_checked(self.fetch, number, size, created_range, descending=self.cursor.descending)

    def _jobs(self, first: RawPage, parts: int) -> Iterator[Job[_Place]]:
        """Yield jobs that read the pages with the places of the cuts."""
        count, size = max(first.count, first.rows), first.rows or self.page_size
        pages = NumberedPages(partial(self._fetch, size), gives_links=first.has_next)

        async def read(number: int, indices: Sequence[int]) -> JobResult[_Place]:
            page = first if number == 1 else await pages.read(number)
            return JobResult([(page, index) for index in indices] if page else [])

        parts = min(parts, count)
        offsets = (count * part // parts for part in range(1, parts))
        for page_offset, group in groupby(offsets, lambda offset: offset // size):
            yield Job(partial(read, page_offset + 1, [offset % size for offset in group]))

    def _candidates(self, page: RawPage, index: int) -> Iterator[datetime]:
        """Yield cuts within a page, best first: in a space between two customers, and near to an index."""
        times = [require_created(key) for key in self.cursor.copy().take_new(page.keys)]
        nearest = sorted(enumerate(pairwise(times), 1), key=lambda each: abs(each[0] - index))
        pairs = [(min(pair), max(pair)) for _, pair in nearest if pair[0] != pair[1]]
        for older, newer in sorted(pairs, key=lambda pair: latest(pair[0]) >= earliest(pair[1])):
            space = earliest(newer) - latest(older)
            yield earliest(newer) - space // 2 if space > timedelta() else newer
        if times and not (pairs or page.is_complete):
            yield from (times[0], latest(times[0]))

    def _is_inside(self, cut: datetime) -> bool:
        """Return whether a cut leaves something on both sides, and all that was delivered in the first part."""
        bounds, reached = self.created_range, self.cursor.created
        low, high = bounds.gte or _FIRST, bounds.lte or _LAST
        if reached and self.cursor.descending:
            high = min(high, reached)
        elif reached:
            low = max(low, reached)
        return low < cut <= high

    def _ranges(self, cuts: Collection[datetime]) -> list[TimeRange]:
        starts = [self.created_range.gte, *sorted(cuts)]
        ends = [*(cut - _MICROSECOND for cut in starts[1:] if cut), self.created_range.lte]
        ranges = [TimeRange(start, end) for start, end in zip(starts, ends, strict=True)]
        return ranges[::-1] if self.cursor.descending else ranges
