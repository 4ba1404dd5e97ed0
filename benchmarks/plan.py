"""Which requests a crawl of ours sends for a list that stays as it is: the crawl itself, with nothing beneath it."""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from piriod_async import Customer, NotFoundError
from piriod_async.pagination.by_created import PART, Crawl
from piriod_async.pagination.cursor import Mark, Span
from piriod_async.pagination.prefetch import PREFETCH_PER_REQUEST
from piriod_async.pagination.raw_page import RawPage
from piriod_async.query import CustomerQuery


@frozen
class Planned:
    """One request.

    Attributes:
        number: Page number.
        size: Page size.
        span: Bounds of `created`.
        count: Customers within them.
    """

    number: int
    size: int
    span: Span
    count: int

    @property
    def wide(self) -> bool:
        """Whether it counts, or skips, more than a part of the list."""
        return self.count > PART

    @property
    def params(self) -> list[tuple[str, str]]:
        return CustomerQuery().params(
            page=self.number, page_size=self.size, created__gte=self.span.gte, created__lte=self.span.lte
        )


def planned(created: Sequence[datetime], concurrency: int = 8, page_size: int = 100) -> list[Planned]:
    """The requests of a whole crawl, in the order they are sent."""
    customers = [Customer(id=str(index), name="", created=moment) for index, moment in enumerate(created)]
    sent: list[Planned] = []

    async def fetch(number: int, size: int, span: Span) -> RawPage:
        await asyncio.sleep(0)
        start = bisect_left(created, span.gte) if span.gte else 0
        stop = bisect_right(created, span.lte) if span.lte else len(created)
        sent.append(Planned(number, size, span, stop - start))
        first = start + (number - 1) * size
        if number > 1 and first >= stop:
            raise NotFoundError("no such page", status=404)
        return RawPage(rows=customers[first : min(first + size, stop)], count=stop - start, raw=b"")

    async def crawl() -> int:
        pages = Crawl(
            fetch, page_size, lambda: PREFETCH_PER_REQUEST * concurrency, Span(), Mark(descending=False)
        ).pages()
        return sum([len(page.rows) async for page in pages])

    if asyncio.run(crawl()) != len(created):
        raise AssertionError("the plan does not read the whole list")
    return sent
