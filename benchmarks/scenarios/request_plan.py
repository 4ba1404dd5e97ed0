"""The requests that a crawl sends for a list that does not change: the real paginator, without HTTP."""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from piriod_async import Customer, NotFoundError
from piriod_async.pagination.adaptive_limit import PREFETCH_PER_REQUEST
from piriod_async.pagination.by_created import MAX_SEGMENT, CreatedPaginator
from piriod_async.pagination.cursor import Cursor
from piriod_async.pagination.raw_page import RawPage
from piriod_async.pagination.time_range import TimeRange
from piriod_async.query import CustomerQuery


@frozen
class PlannedRequest:
    """One request.

    Attributes:
        page: Page number.
        page_size: Page size.
        created_range: Bounds of `created`.
        count: Customers within them.
        backwards: Whether the newest customers come first.
    """

    page: int
    page_size: int
    created_range: TimeRange
    count: int
    backwards: bool

    @property
    def is_wide(self) -> bool:
        """Whether the server has to count, or skip, more than one segment of the list."""
        return self.count > MAX_SEGMENT

    @property
    def params(self) -> list[tuple[str, str]]:
        """Its query string, as pairs."""
        bounds = self.created_range
        return CustomerQuery(ordering="-created" if self.backwards else "created").params(
            page=self.page, page_size=self.page_size, created__gte=bounds.gte, created__lte=bounds.lte
        )


def plan_requests(created: Sequence[datetime], concurrency: int = 8, page_size: int = 100) -> list[PlannedRequest]:
    """Return the requests for customers with these `created`, in the order they are sent."""
    customers = [Customer(id=str(index), name="", created=moment) for index, moment in enumerate(created)]
    requests: list[PlannedRequest] = []

    async def fetch(page: int, size: int, bounds: TimeRange, *, backwards: bool = False) -> RawPage:
        await asyncio.sleep(0)
        start = bisect_left(created, bounds.gte) if bounds.gte else 0
        stop = bisect_right(created, bounds.lte) if bounds.lte else len(created)
        requests.append(PlannedRequest(page, size, bounds, stop - start, backwards))
        offset = start + (page - 1) * size
        if page > 1 and offset >= stop:
            raise NotFoundError("no such page", status=404)
        indices = range(start, stop)[:: -1 if backwards else 1][offset - start :][:size]
        keys, has_next = [customers[index] for index in indices], offset + size < stop
        return RawPage(keys=keys, count=stop - start, has_next=has_next, raw=b"")

    async def crawl() -> int:
        paginator = CreatedPaginator(
            fetch, page_size, lambda: PREFETCH_PER_REQUEST * concurrency, TimeRange(), Cursor(descending=False)
        )
        return sum([len(page.keys) async for page in paginator])

    if asyncio.run(crawl()) != len(created):
        raise AssertionError("the plan does not read the complete list")
    return requests
