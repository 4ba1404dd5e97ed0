"""Pagination by page number, for orderings that cannot be requested by range."""

from collections.abc import Awaitable, Callable
from typing import Self

from attrs import define, evolve, field

from piriod_async.errors import IncompleteListError
from piriod_async.pagination.numbered_pages import NumberedPages
from piriod_async.pagination.prefetch import OrderedPrefetch, PrefetchLimit
from piriod_async.pagination.raw_page import RawPage


@define(eq=False)
class PageNumberPaginator:
    """An async iterator over all pages by number, each customer once.

    Page numbers shift when the list changes, and nothing tells which customers were skipped by that. So if anything
    says that the list changed (a count, a repeated customer, page 1 when it is requested again at the end), or that it
    does not end with the last page, the paginator first yields everything that it got, and then raises
    `IncompleteListError`. Pagination by `created` does not have this weakness.

    Attributes:
        fetch: Requests the page of a number, from 1.
        prefetch_limit: Returns how many pages may be pending or waiting to be consumed.
    """

    fetch: Callable[[int], Awaitable[RawPage]]
    prefetch_limit: PrefetchLimit
    _pages: OrderedPrefetch[RawPage] | None = field(default=None, init=False)
    _first: RawPage | None = field(default=None, init=False)
    _last: RawPage | None = field(default=None, init=False)
    _seen_ids: set[str] = field(factory=set, init=False)
    _unplaced_ids: set[int] = field(factory=set, init=False)
    _duplicates: int = field(default=0, init=False)
    _changed: bool = field(default=False, init=False)
    _repeats_first: bool = field(default=False, init=False)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RawPage:
        if self._pages is None or self._first is None:
            self._first = first = await self.fetch(1)
            jobs = () if first.is_complete else NumberedPages(self.fetch).jobs_after(first, first.count)
            self._pages = OrderedPrefetch(jobs, self.prefetch_limit)
            return self._drop_delivered(first, first.count)
        async for page in self._pages:
            return self._drop_delivered(page, self._first.count)
        await self._verify_end(self._first)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Cancel pending requests."""
        if self._pages:
            await self._pages.aclose()

    def _drop_delivered(self, page: RawPage, count: int) -> RawPage:
        """Return the page without customers that an earlier one had, and note what that says about the list."""
        unique = page.deduplicated().keys
        new = tuple(key for key in unique if key.id not in self._seen_ids)
        self._seen_ids.update(key.id for key in new)
        self._unplaced_ids.update(page.unplaced_ids)
        self._duplicates += len(page.keys) - len(unique)
        self._changed |= page.count != count or len(new) < len(unique)
        self._repeats_first |= (
            self._last is not None and bool(page.keys) and self._first is not None and page.keys == self._first.keys
        )
        self._last = page
        return evolve(page, keys=new)

    async def _verify_end(self, first: RawPage) -> None:
        """Check that nothing contradicts that the list was read completely.

        Raises:
            IncompleteListError: Something does.
        """
        received = len(self._seen_ids) + len(self._unplaced_ids)
        if not first.is_complete:  # one complete response is of one moment
            again = await self.fetch(1)
            self._changed |= again.count != first.count or [key.id for key in again.keys] != [k.id for k in first.keys]
        way_out = 'List again, or with ordering="created", which tolerates changes'
        if self._repeats_first:
            problem = "the server returns page 1 under other numbers too"
            way_out = 'List with ordering="created", which reads by range'
        elif self._changed:
            problem = "the list changed while it was read by page number"
        elif self._last and self._last.has_next:
            problem = "the last page links to a next one, which does not exist"
        elif first.count not in (received, received + self._duplicates):
            problem = "the count does not match the pages"
        else:
            return
        raise IncompleteListError(
            f"{problem}: received {received} customers, the server counted {first.count}. {way_out}"
        )
