"""Pagination by `created`: every customer exactly once, even while the list changes.

The API has page numbers only, and page numbers shift: if a customer is deleted while pages 2 to 9 are pending, every
later row moves up by one, and the row that crosses a page boundary is skipped. `created` does not shift. So:

- An **anchor** is a page requested by number. Wherever it lands, it holds every customer between its first and last.
  The last anchor is the end of the list, requested in the opposite order: nothing comes after its first row.
- A **gap** is the range from the last customer of one anchor to the first of the next, and on to the next instant. It
  is requested by range. If the list does not change, a gap takes one request: anchors are every second page, and three
  customers smaller than a full page, so that one page holds the customers of a gap, both of its ends, and one more.

**Guarantee.** A customer that matches the filters from before the first request until after the last is delivered. No
customer is delivered twice. Customers are delivered in the order of `created`.

**Assumptions.** `created` never changes; `ordering=created` sorts by it; `created__gte` and `created__lte` are
inclusive and filter by what the records show; the rows of one response are neighbours in that order at one moment, and
no response is of an earlier moment than one requested before it. `count` is *not* of that moment: the framework counts
first, selects afterwards, and cuts the rows to the count. So a short page proves nothing.

**Proof.** Assume that everything before instant x has been delivered, and consider the next response, read from x on.
(1) Its rows are neighbours at one moment and start at or before x, so they include every customer between x and the
last row that matches throughout. (2) An anchor starts after x only if the gap before it has been read beyond the
anchor's first instant: either a row of the gap is after it, or a response brought nothing new. Either way nothing is
left in between. (3) A response may hold some customers of its last instant and not others. The next response is read
from that same instant on, and customers delivered already are recognised by their ids. (4) If that brings no progress,
the instant has more customers than a page. It is read on its own, until passes over it prove complete (`ties`); the
next response starts right after it. (5) The last anchor was requested from the end of the list, so it includes
everybody who comes after the first instant that it shows: what a count cuts off is before them. If that instant is
before the last one that was read, no gap is left: one request proves the end of a list of two pages. If not, there is a
gap, as before any anchor. Where no anchor is left, the listing ends with a response that brings nothing new; if it is
the first of a resumed listing, it also shows nobody before x. So everything before the last row is delivered, x
advances, and (1) applies again. Customers before x are never delivered again, so none is delivered twice.

**Contradictions.** Nothing above rests on a count being right; counts only plan the requests. A count that is too small
does not end a list, because links do not either: a range is read until nothing new comes. And no page is requested
after one that does not exist, or that links to no other, so that a count that is too large costs little (pages that
are left out are read by range). If fewer customers were delivered than the first response counted, the last assumptions
may not hold: a replica lags, or the server filters by another `created` than it shows. So the first request is sent
once more (with `-created`, only up to the first customer). If it counts no more than were delivered, the list shrank.
If not, the listing is read on from its end, counts again, and raises. If that request is counted differently now, a few
customers (2, and 1 %) may have come where the list was read already; if it is not, none may be missing.

**Limits.** A customer can be lost if others enter between COUNT and SELECT of a response that brings nothing new, while
one that was read has left and comes back, or right before x, where ranges are widened to what a timestamp may stand
for: 1 of 3,000 simulated listings of many ties, in random order, with such an entry in *every* request. A list of one
page is what that one response said. A replica that lags is noticed only if the repeated request is not answered by one
that lags as much, and by no more than a few customers on a list that changes. The counts tell nothing about a filter
over joined tables that repeats customers. If more customers share an instant than a page holds (as printed, which may
be to the second), they are read by page number, however deep, and held back until passes prove complete; after eight
that do not, or eight more once they have shown everybody, the listing raises. One can be lost if another one comes back
among the ties just as a third one leaves, so that the counts do not tell.

**Termination.** A listing sends at most 3 requests for each page that was counted first or linked to beyond the count,
and 100 more, not counting passes over ties: of these there are at most sixteen over an instant, and each ends at the
first page that does not exist.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Self, TypeAlias

from attrs import define, evolve, field

from piriod_async.errors import IncompleteListError
from piriod_async.pagination.adaptive_limit import MIN_PREFETCH
from piriod_async.pagination.count_check import CountCheck
from piriod_async.pagination.cursor import Cursor, require_created
from piriod_async.pagination.fetch import Fetch, check_server_behaviour, fetch_checked
from piriod_async.pagination.numbered_pages import NumberedPages
from piriod_async.pagination.prefetch import Job, JobResult, OrderedPrefetch, PrefetchLimit
from piriod_async.pagination.raw_page import RawPage, RecordKey
from piriod_async.pagination.ties import TieReader
from piriod_async.pagination.time_range import TimeRange, earliest, latest

MIN_PAGE_SIZE_BY_CREATED = 10  # below that, the three customers that each gap shares with its anchors cost too much
MAX_SEGMENT = 5_000  # customers: the deepest OFFSET that an ordinary request costs the server
TARGET_SEGMENT = 4_500  # customers per segment, so that one that grew a little is still below the maximum
MAX_SPLIT = 5  # segments, or groups of segments, that a longer range is split into at a time
MAX_CONTRADICTIONS = 2  # counts in a row that are larger than what was delivered, with nothing read in between

_Read: TypeAlias = Callable[[], Awaitable[RawPage | None]]


@define(eq=False)
class _Anchor:
    """A page that a gap starts from or ends at, and that it may have to wait for.

    Attributes:
        fallback: Where a gap ends instead, if this page turns out to be past the end: the next anchor that does not
            depend on this one, or None for the end of the list.
        keys: Keys of its customers, once they are known; empty if the page was past the end.
        resume_range: The range after it, where that does not follow from its last customer.
        error: Why the page could not be fetched.
        ready: Set when `keys` or `error` is.
    """

    fallback: "_Anchor | None" = None
    keys: Sequence[RecordKey] = ()
    resume_range: TimeRange | None = None
    error: Exception | None = None
    ready: asyncio.Event = field(factory=asyncio.Event)

    @classmethod
    def from_keys(cls, keys: Sequence[RecordKey], *, resume_range: TimeRange | None = None) -> "_Anchor":
        anchor = cls(keys=keys, resume_range=resume_range)
        anchor.ready.set()
        return anchor

    async def wait(self) -> Sequence[RecordKey]:
        await self.ready.wait()
        if self.error:
            raise self.error
        return self.keys


@define(eq=False)
class CreatedPaginator:
    """An async iterator over the responses of a listing by `created`, in order, each with the keys that it adds.

    Attributes:
        fetch: Requests a page.
        page_size: Customers requested per page; lowered to what the server gives.
        prefetch_limit: Returns how many pages may be pending or waiting to be consumed.
        created_range: The bounds of the listing's own filters.
        cursor: Where to start. It advances as pages are yielded.

    Iterating raises `IncompleteListError` if the list grows faster than it is read, or if the server repeats pages, or
    does not order or filter by `created`.
    """

    fetch: Fetch
    page_size: int
    prefetch_limit: PrefetchLimit
    created_range: TimeRange
    cursor: Cursor
    _pages: OrderedPrefetch[RawPage] | None = field(default=None, init=False)
    _requests_left: float = field(default=math.inf, init=False)
    _counted_range: TimeRange = field(factory=TimeRange, init=False)
    _contradictions: int = field(default=0, init=False)
    _reads_backwards: bool = field(default=True, init=False)
    _check: CountCheck | None = field(default=None, init=False)
    _fetch_checked: Fetch = field(init=False)
    _ties: TieReader = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._fetch_checked = partial(fetch_checked, self.fetch, descending=self.cursor.descending)
        self._ties = TieReader(self._fetch_checked, self.prefetch_limit, self.cursor.descending)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RawPage:
        if self._pages is None or self._check is None:
            created_range = self.created_range & self.cursor.remaining()
            first = await self.fetch(1, self.page_size, created_range)
            self._check = CountCheck(self.cursor.copy(), first.count)
            if self.cursor.created is None and is_entire_list(first):
                self._pages = OrderedPrefetch((), self.prefetch_limit)
                self._check.record_page(first, len(first.keys))
                return _sort_single_page(first.deduplicated(), descending=self.cursor.descending)
            self._pages = self._plan_listing(first, created_range)
        while True:
            async for page in self._pages:
                new = self._drop_delivered(page, self._check)
                if new.keys or new.unplaced_ids:
                    if new.keys:
                        self._contradictions = 0
                    return new
            if await self._is_confirmed(self._check):
                raise StopAsyncIteration
            self._pages = OrderedPrefetch([Job(self._read_on)], self._window)

    async def aclose(self) -> None:
        """Cancel pending requests."""
        if self._pages:
            await self._pages.aclose()
        await self._ties.aclose()

    def _window(self) -> int:
        """Return how many jobs may be pending: two at least, because a gap waits for the anchor behind it."""
        return max(self.prefetch_limit(), MIN_PREFETCH)

    def _plan_listing(self, first: RawPage, created_range: TimeRange) -> OrderedPrefetch[RawPage]:
        check_server_behaviour(first, created_range, descending=self.cursor.descending)
        self._counted_range = created_range
        if self.cursor.descending and first.keys:  # later counts must not hold customers created since
            self._counted_range &= TimeRange(lte=latest(require_created(first.keys[0])))
        if not first.is_complete:  # a full page: its length is what the server gives
            self.page_size = first.rows or self.page_size
        self._requests_left = 3 * math.ceil(max(first.count, 0) / self.page_size) + 99
        # a customer behind the cursor may have come between COUNT and SELECT, so that another one was cut off
        may_be_cut = any(self.cursor.is_behind(require_created(key)) for key in first.keys)
        start = Cursor(self.cursor.descending) if may_be_cut else self.cursor.copy()
        root = partial(self._continue_range, first, start, None, created_range)
        return OrderedPrefetch([Job(root)], self._window)

    def _drop_delivered(self, page: RawPage, check: CountCheck) -> RawPage:
        self._ties.forget(self.cursor.is_behind)
        new = self.cursor.take_new(page.keys)
        check.record_page(page, len(new))
        return evolve(page, keys=new, count=check.count)

    async def _is_confirmed(self, check: CountCheck) -> bool:
        """Return whether the listing is complete. If fewer were delivered than counted, the server counts once more.

        Raises:
            IncompleteListError: The list was read on after a contradiction, and nothing came of it.
        """
        if check.is_met:
            return True
        page = await self._fetch_counted(self.page_size, self._counted_range)
        if check.allows(page.count):
            return True
        self._contradictions += 1
        if self._contradictions < MAX_CONTRADICTIONS:
            return False
        raise IncompleteListError(
            f"the server counts {page.count} customers, and its pages have {check.delivered}: its responses are not of "
            "one list, or do not filter by the `created` that they show. List again, or with ordering=None"
        )

    async def _read_on(self) -> JobResult[RawPage]:
        """Read once more from the last customer delivered."""
        created_range = self.created_range & self.cursor.remaining()
        page = await self._fetch_counted(self.page_size, created_range)
        return await self._continue_range(page, self.cursor.copy(), None, created_range)

    async def _read_gap(self, start: _Anchor, end: _Anchor | None, expected: int = 0) -> JobResult[RawPage]:
        """Read from the last customer of one anchor to the first of the next; in segments if many are expected."""
        cursor = Cursor(self.cursor.descending)
        cursor.advance(await start.wait())
        if cursor.created is None and not start.resume_range:
            return JobResult([])  # the anchor was past the end, so the gap before it reaches further
        while end and not await end.wait():
            end = end.fallback
        created_range = self.created_range & (start.resume_range or cursor.remaining())
        if end:
            if cursor.is_behind(require_created(end.keys[0])):
                return JobResult([])  # the anchors overlap
            created_range &= _from_second_instant(end.keys, descending=not cursor.descending)
        if created_range.empty:
            return JobResult([])
        if expected:
            return JobResult([], self._plan_jobs(start, 1, expected, end, created_range))
        page = await self._fetch_counted(self.page_size, created_range)
        return await self._continue_range(page, cursor, end, created_range)

    async def _continue_range(
        self, page: RawPage, cursor: Cursor, end: _Anchor | None, created_range: TimeRange
    ) -> JobResult[RawPage]:
        """Decide from the first page of a range what is left to read of it."""
        keys, previous, has_new = page.keys, cursor.created, cursor.has_new(page.keys)
        # a short page without a link was not cut, so that a larger count is wrong or of another moment
        is_complete = page.is_complete or (not page.has_next and page.rows < self.page_size)
        if page.has_next and page.count <= page.rows:
            self._requests_left += 3  # for a page that the count does not tell of
        if has_new:
            cursor.advance(keys)
        reached_end = end and cursor.is_behind(require_created(end.keys[0]))
        if not keys or reached_end or (is_complete and not has_new):
            return JobResult([page])
        if not is_complete and cursor.created and cursor.created in (previous, keys[0].created):
            return await self._after_ties(cursor.created, end)
        start = _Anchor.from_keys(keys)
        expected = page.count if page.has_next else page.rows
        return JobResult([page], self._plan_jobs(start, page.rows, expected, end, created_range))

    def _plan_jobs(
        self, start: _Anchor, already_read: int, count: int, end: _Anchor | None, created_range: TimeRange
    ) -> list[Job[RawPage]]:
        """Split a range into anchors, which are fetched by page number, and the gaps between them.

        Args:
            start: The anchor at the beginning of the range.
            already_read: Number of its customers that are in the range.
            count: Number of customers in the range, approximately.
            end: The anchor at the end of the range.
            created_range: The range.
        """
        anchor_size = self.page_size - 3
        use_anchors = self.page_size >= MIN_PAGE_SIZE_BY_CREATED
        expands = use_anchors and count > MAX_SEGMENT
        numbers: Sequence[int] = ()
        if expands:
            numbers = [offset // anchor_size + 1 for offset in _split_offsets(count)]
        elif use_anchors:
            first_number = (anchor_size + already_read) // anchor_size + 1
            numbers = range(first_number, math.ceil(count / anchor_size), 2)
        pages = NumberedPages(partial(self._fetch_counted, anchor_size, created_range))
        anchors: list[tuple[_Anchor | None, _Read | None]]
        anchors = [(_Anchor(fallback=end), partial(pages.read, number)) for number in numbers]
        if end or expands or not self._reads_backwards:
            anchors.append((end, None))
        else:
            end_range = created_range & _from_second_instant(start.keys[::-1], descending=self.cursor.descending)
            anchors.append((_Anchor(), partial(self._read_end, end_range)))
        offsets = [0, *(number * anchor_size for number in numbers), count]
        jobs: list[Job[RawPage]] = []
        for (anchor, read), (low, high) in zip(anchors, pairwise(offsets), strict=True):
            jobs.append(Job(partial(self._read_gap, start, anchor, high - low if expands else 0), expands))
            if anchor and read:
                jobs.append(Job(partial(self._fetch_anchor, anchor, read)))
                start = anchor
        return jobs

    async def _fetch_anchor(self, anchor: _Anchor, read: _Read) -> JobResult[RawPage]:
        try:
            page = await read()
            anchor.keys = page.keys if page else ()
        except Exception as error:
            anchor.error = error
            raise
        finally:
            anchor.ready.set()
        return JobResult([page] if page else [])

    async def _read_end(self, created_range: TimeRange) -> RawPage | None:
        """Read a range from the end of the list backwards; return the page in the order of the list.

        A server may ignore the ordering, and have the listing's by chance. Then the end is read by range, as a gap.
        """
        try:
            page = await self._fetch_counted(self.page_size, created_range, backwards=True)
        except IncompleteListError:
            self._reads_backwards = False
            return None
        return evolve(page, keys=page.keys[::-1], is_backwards=True)

    async def _fetch_counted(
        self, size: int, created_range: TimeRange, number: int = 1, *, backwards: bool = False
    ) -> RawPage:
        """Request a page, and count the request towards the limit; passes over ties have their own."""
        if self._requests_left < 1:
            grows = self._check is not None and self._check.delivered > self._check.count
            problem = "the list grows faster than it is read" if grows else "the server repeats pages"
            way_out = "list it when fewer customers are created" if grows else "does a cache or proxy ignore the query?"
            raise IncompleteListError(f"{problem}: 3 requests for each page were not enough; {way_out}")
        self._requests_left -= 1
        return await self._fetch_checked(number, size, created_range, backwards=backwards)

    async def _after_ties(self, created: datetime, end: _Anchor | None) -> JobResult[RawPage]:
        """Read an instant that has more customers than a page, and continue after it."""
        pages = await self._ties.read(created, self.created_range, self.page_size)
        if end and end.keys[0].created == created:
            return JobResult(pages)
        after = TimeRange(lte=earliest(created)) if self.cursor.descending else TimeRange(gte=latest(created))
        start = _Anchor.from_keys([key for page in pages for key in page.keys], resume_range=after)
        return JobResult(pages, [Job(partial(self._read_gap, start, end))])


def _from_second_instant(keys: Sequence[RecordKey], *, descending: bool) -> TimeRange:
    """Return the range from the second instant of a page on, or from its only one."""
    created = map(require_created, keys)
    first = next(created, None)
    return Cursor(descending, next((each for each in created if each != first), first)).remaining()


def _split_offsets(count: int) -> list[int]:
    """Return where to split a long range: into groups of segments, as many segments in each as can be."""
    segments = math.ceil(count / TARGET_SEGMENT)
    groups = min(MAX_SPLIT, segments)
    return [segments * group // groups * count // segments for group in range(1, groups)]


def is_entire_list(page: RawPage) -> bool:
    """Return whether nothing contradicts that a first page is all there is; rows may be counted once each or not."""
    return page.is_complete and page.count >= len({key.id for key in page.keys})


def _sort_single_page(page: RawPage, *, descending: bool) -> RawPage:
    """Return a list of one page in order; if the server ignored the ordering, nothing is lost by that."""
    if not all(key.created for key in page.keys):
        return page
    return evolve(page, keys=tuple(sorted(page.keys, key=require_created, reverse=descending)))
