"""Pages by number, as far as they exist."""

import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial

from attrs import define, field

from piriod_async.errors import NotFoundError
from piriod_async.pagination.prefetch import Job, JobResult
from piriod_async.pagination.raw_page import RawPage


@define(eq=False)
class NumberedPages:
    """Reads pages of one list by number, and requests none that cannot exist.

    A 404 or an empty page is the end: no later page exists. So is a page without a link to a next one, on a server
    that gives links. A count says how many pages to expect, a link that there is one more, whatever the count.

    Attributes:
        fetch: Requests the page of a number, from 1.
        gives_links: Whether a page without a link can be taken for the last one.
    """

    fetch: Callable[[int], Awaitable[RawPage]]
    gives_links: bool = True
    _end: float = field(default=math.inf, init=False)
    _uncounted_ids: set[str] = field(factory=set, init=False)

    async def read(self, number: int) -> RawPage | None:
        """Return a page, or None if it does not exist."""
        if number >= self._end:
            return None
        page = None
        with suppress(NotFoundError):
            page = await self.fetch(number)
        if page is None or not page.rows:
            self._end = min(self._end, number)
            return None
        if self.gives_links and not page.has_next:
            self._end = min(self._end, number + 1)
        return page

    def jobs_after(self, first: RawPage, expected: int) -> Iterator[Job[RawPage]]:
        """Yield jobs that read the pages after the first.

        Args:
            first: Page 1. Its length is what the server gives; it may be less than requested.
            expected: Number of customers to expect.
        """
        self.gives_links = first.has_next
        counted = math.ceil(expected / first.rows) if first.rows else 1
        planned = max(counted, 2) if first.has_next else min(counted, 2)  # without a link, one page at a time
        for number in range(2, planned + 1):
            if number >= self._end:
                return
            yield Job(partial(self._read_in_order, number, planned, counted))

    async def _read_in_order(self, number: int, planned: int, counted: int) -> JobResult[RawPage]:
        page = await self.read(number)
        if page is None:
            return JobResult([])
        if number < planned or not (page.has_next or number < counted) or not self._has_new(page):
            return JobResult([page])
        return JobResult([page], [Job(partial(self._read_in_order, number + 1, planned, counted))])

    def _has_new(self, page: RawPage) -> bool:
        """Return whether a page is not a repetition; a server that ignores page numbers links to pages without end."""
        before = len(self._uncounted_ids)
        self._uncounted_ids.update(key.id for key in page.keys)
        return len(self._uncounted_ids) > before
