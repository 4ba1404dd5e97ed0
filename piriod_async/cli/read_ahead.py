"""Many listings, exported one after the other: the first pages of the next ones are read meanwhile."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from itertools import islice

from attrs import define, field, frozen

from piriod_async import Checkpoint, CustomerListing, Page

PAGES_AHEAD = 2  # of each listing: most workspaces have no more


@frozen
class ListedPage:
    """A page, and how far its listing was when it came.

    Attributes:
        page: The page.
        checkpoint: Covers the customers up to the end of the page; None if the listing cannot be resumed.
        invalid: Records that the listing had skipped.
    """

    page: Page
    checkpoint: Checkpoint | None
    invalid: int


@define(eq=False)
class ReadAhead:
    """A listing whose first pages may be read before they are asked for."""

    listing: CustomerListing
    _pages: AsyncGenerator[Page, None] = field(init=False)
    _first: list[ListedPage] = field(factory=list, init=False)
    _reading: "asyncio.Task[None] | None" = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._pages = self.listing.pages()

    def start(self) -> None:
        """Begin to read the first pages."""
        self._reading = asyncio.create_task(self._read_first())

    async def pages(self) -> AsyncGenerator[ListedPage, None]:
        """Return an async generator over all pages, in order. It raises the listing's errors in their place."""
        if self._reading:
            await asyncio.wait([self._reading])
        for each in self._first:
            yield each
        if self._reading:
            self._reading.result()
        async for page in self._pages:
            yield self._listed(page)

    async def aclose(self) -> None:
        """Cancel pending requests."""
        if self._reading:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._pages.aclose()

    async def _read_first(self) -> None:
        while len(self._first) < PAGES_AHEAD and (page := await anext(self._pages, None)):
            self._first.append(self._listed(page))

    def _listed(self, page: Page) -> ListedPage:
        return ListedPage(page, self.listing.checkpoint, self.listing.invalid.total)


async def read_ahead(listings: Iterable[CustomerListing], limit: int) -> AsyncGenerator[ReadAhead, None]:
    """Yield listings in order, each to be read before the next one is asked for.

    Args:
        listings: The listings.
        limit: How many of the following ones are read ahead.
    """
    waiting = map(ReadAhead, listings)
    started: deque[ReadAhead] = deque()
    try:
        while current := started.popleft() if started else next(waiting, None):
            for following in islice(waiting, limit - len(started)):
                following.start()
                started.append(following)
            async with aclosing(current):
                yield current
    finally:
        await asyncio.gather(*(each.aclose() for each in started))
