"""Pagination by page number, for orderings that cannot be requested by range."""

import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Self

from attrs import define, evolve, field

from piriod_async.errors import IncompleteListError
from piriod_async.pagination.fetch import fetch_or_empty
from piriod_async.pagination.prefetch import Job, JobResult, OrderedPrefetch, PrefetchLimit
from piriod_async.pagination.raw_page import RawPage


@define(eq=False)
class PageNumberPaginator:
    """An async iterator over all pages by number, each customer once.

    Page numbers shift when the list changes, and nothing tells which customers were skipped by that. So if the list is
    seen to have changed, the paginator first yields everything that it got, and then raises `IncompleteListError`.
    Pagination by `created` does not have this weakness.

    Attributes:
        fetch: Requests the page of a number, from 1.
        page_size: Customers requested per page.
        prefetch_limit: Returns how many pages may be pending or waiting to be consumed.
    """

    fetch: Callable[[int], Awaitable[RawPage]]
    page_size: int
    prefetch_limit: PrefetchLimit
    _pages: OrderedPrefetch[RawPage] | None = field(default=None, init=False)
    _count: int = field(default=0, init=False)
    _seen_ids: set[str] = field(factory=set, init=False)
    _duplicates: int = field(default=0, init=False)
    _changed: bool = field(default=False, init=False)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RawPage:
        if self._pages is None:
            page = await self.fetch(1)
            self._count = page.count
            self._pages = OrderedPrefetch(map(self._job, self._remaining_numbers(page)), self.prefetch_limit)
            first = self._drop_delivered(page)
            self._count = max(page.count, len(page.keys))  # a list of one page is what that response says
            return first
        async for page in self._pages:
            return self._drop_delivered(page)
        if self._changed or len(self._seen_ids) + self._duplicates != self._count:
            raise IncompleteListError(
                f"the list changed while it was read by page number: received {len(self._seen_ids)} customers, the "
                f'server counted {self._count}. List again, or with ordering="created", which tolerates changes'
            )
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Cancel pending requests."""
        if self._pages:
            await self._pages.aclose()

    def _remaining_numbers(self, first: RawPage) -> range:
        if first.count <= len(first.keys):
            return range(0)
        # the server may clamp the page size, so the length of a full page counts, not what was requested
        return range(2, math.ceil(first.count / (len(first.keys) or self.page_size)) + 1)

    def _job(self, number: int) -> Job[RawPage]:
        return Job(partial(self._fetch_or_empty, number))

    async def _fetch_or_empty(self, number: int) -> JobResult[RawPage]:
        return await fetch_or_empty(self.fetch(number))

    def _drop_delivered(self, page: RawPage) -> RawPage:
        """Return the page without customers that an earlier one had, and note what that says about the list."""
        unique = page.deduplicated().keys
        new = tuple(key for key in unique if key.id not in self._seen_ids)
        self._seen_ids.update(key.id for key in new)
        self._duplicates += len(page.keys) - len(unique)
        self._changed |= page.count != self._count or len(new) < len(unique)
        return evolve(page, keys=new)
