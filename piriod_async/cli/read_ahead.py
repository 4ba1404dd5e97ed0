"""Many listings, exported or counted one after the other: the next ones are begun meanwhile."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Iterable
from contextlib import aclosing
from itertools import islice
from typing import Any, Generic, TypeVar

from attrs import define, field, frozen

from piriod_async import Checkpoint, CustomerListing, Page

PAGES_AHEAD = 2  # of each listing: most workspaces have no more

T = TypeVar("T")
A = TypeVar("A", bound="_Ahead[Any]")


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
class _Ahead(ABC, Generic[T]):
    """A listing that may be begun before it is asked for."""

    listing: CustomerListing
    _task: "asyncio.Task[T] | None" = field(default=None, init=False)

    def start(self) -> None:
        """Begin to read."""
        self._task = asyncio.create_task(self._read())

    async def aclose(self) -> None:
        """Cancel pending requests."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @abstractmethod
    def _read(self) -> Coroutine[Any, Any, T]: ...


@define(eq=False)
class CountAhead(_Ahead[int]):
    """A listing to be counted."""

    async def count(self) -> int:
        """Return the number of customers, or raise the listing's error."""
        return await (self._task or self._read())

    def _read(self) -> Coroutine[Any, Any, int]:
        return self.listing.count()


@define(eq=False)
class ListingAhead(_Ahead[None]):
    """A listing of which the first pages may be read before they are asked for."""

    _pages: AsyncGenerator[Page, None] = field(init=False)
    _first: list[ListedPage] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self._pages = self.listing.pages()

    async def pages(self) -> AsyncGenerator[ListedPage, None]:
        """Return an async generator over all pages, in order. It raises the listing's errors in their place."""
        if self._task:
            await asyncio.wait([self._task])
        for each in self._first:
            yield each
        if self._task:
            self._task.result()
        async for page in self._pages:
            yield self._listed(page)

    async def aclose(self) -> None:
        """Cancel pending requests."""
        await super().aclose()
        await self._pages.aclose()

    async def _read(self) -> None:
        while len(self._first) < PAGES_AHEAD and (page := await anext(self._pages, None)):
            self._first.append(self._listed(page))

    def _listed(self, page: Page) -> ListedPage:
        return ListedPage(page, self.listing.checkpoint, self.listing.invalid.total)


async def take_ahead(listings: Iterable[A], limit: int) -> AsyncGenerator[A, None]:
    """Yield listings in order, each to be read before the next one is asked for.

    Args:
        listings: The listings.
        limit: How many of the following ones are begun.
    """
    waiting = iter(listings)
    started: deque[A] = deque()
    try:
        while current := started.popleft() if started else next(waiting, None):
            for following in islice(waiting, limit - len(started)):
                following.start()
                started.append(following)
            async with aclosing(current):
                yield current
    finally:
        await asyncio.gather(*(each.aclose() for each in started))
