"""Every customer, exactly once, on a list that moves: anchors and gaps.

The API has page numbers only, and page numbers slide: delete one customer while pages 2 to 9 are on their way, and
another falls between two of them, in silence. What does not slide is `created`. So:

- An **anchor** is a page fetched by number. Wherever it landed, it holds every customer between its first and its last.
- A **gap** runs from the last customer of one anchor to the first of the next, and is read by range. A still gap is one
  request: anchors are every second page, two customers smaller than the page that reads the gap and both its ends.

**The guarantee.** A customer that matches the filter from before the first request until after the last is delivered,
no customer is delivered twice, and they come in the order of `created`.

**It rests on** these facts: `created` never changes; `ordering=created` sorts by it; `created__gte` and `created__lte`
are inclusive; the rows of one response are neighbours in that order at one moment. `count` is *not* of that moment (the
framework counts first, selects after, and cuts the rows to the count), so a short page proves nothing.

**Proof.** Say that all before instant x is delivered, and take the next response used, read from x on.
(1) Its rows are neighbours at one moment and begin at or before x, so of the customers that match throughout, every one
between x and its last row is among its rows. (2) An anchor begins after x only if the gap before it has been read up
to the anchor's first customer: that customer was among the gap's rows, with nothing cut off behind it (count <= rows),
or a response brought nothing new, so nothing was left in between. (3) At its last instant a response may hold some
customers and not others. The next is read from that very instant on, and those already delivered are known by their
ids. (4) If that does not lead on, one instant holds more than a page: it is read alone, until one response has all of
it or two passes by number agree, and the next begins right after it. (5) The end is a response that brings nothing new,
or the last of eight in a row that held the end of a list that goes on growing there. So all before the last row is
delivered, x has moved on, and (1) holds again. What is below x is never delivered again: nothing is twice.

**Edges.** If an entry falls between COUNT and SELECT of the very response that ends a gap, while ties come in random
order, a customer can still be lost: 8 of 2,000 simulated crawls with such an entry on *every* request. A list of one
page is what that one response said. More customers at one instant (as it is printed: it may be to the second) than a
page holds are read by number, deep as they are, and held until two passes agree; eight that do not are an error.

**It ends**: after 3 requests for each page of the first count and 100 more, not counting the passes over one instant.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import TypeAlias

from attrs import define, evolve, field

from piriod_async.errors import IncompleteListError, NotFoundError
from piriod_async.pagination.cursor import Mark, Span, lower, require_created, upper
from piriod_async.pagination.prefetch import Result, Slot, cancel, run_ordered
from piriod_async.pagination.raw_page import RawPage, Row

MIN_PAGE_SIZE_BY_CREATED = 10  # an anchor is two customers smaller, so a small page would cost too much
PART = 5_000  # customers: the deepest OFFSET that an ordinary request costs the server
LEAF = 4_500  # customers a part is meant to have, so that one that grew a little is still one
FORK = 5  # parts that a longer stretch is cut into, by one wide anchor fewer
PASSES = 8  # over one instant, before giving up
CHASES = 8  # responses in a row that held the list's end, before what is created meanwhile is left to the next crawl


@define(eq=False)
class _Anchor:
    """Customers that a stretch starts from or ends at, and that it may have to wait for.

    Attributes:
        beyond: What to read towards if it turns out to be past the end: the end of the span it was planned in, an
            anchor known already, or None for the end of the list.
        rows: The customers, once they are known; none if the anchor was past the end.
        onwards: What lies after them, where that is not said by the last of them.
        ends: How many responses in a row, this one included, held the end of the list.
        error: Why they will never be known.
        known: Whether the wait is over.
    """

    beyond: "_Anchor | None" = None
    rows: Sequence[Row] = ()
    onwards: Span | None = None
    ends: int = 0
    error: Exception | None = None
    known: asyncio.Event = field(factory=asyncio.Event)

    @classmethod
    def at(cls, rows: Sequence[Row], *, onwards: Span | None = None, ends: int = 0) -> "_Anchor":
        anchor = cls(rows=rows, onwards=onwards, ends=ends)
        anchor.known.set()
        return anchor

    async def wait(self) -> Sequence[Row]:
        await self.known.wait()
        if self.error:
            raise self.error
        return self.rows


Fetch: TypeAlias = Callable[[int, int, Span], Awaitable[RawPage]]
"""Asks for the page of a number and a size, of the customers created in a span, in the crawl's order."""


@define(eq=False)
class Crawl:
    """One crawl of one list.

    Attributes:
        fetch: Asks for a page.
        page_size: Customers asked for with one request; fewer, if that is what the server gives.
        ahead: Says how many slots may be under way or waiting to be consumed.
        span: The filter's own bounds.
        mark: Where to go on from. It moves as pages are yielded.
    """

    fetch: Fetch
    page_size: int
    ahead: Callable[[], int]
    span: Span
    mark: Mark
    _count: int = field(default=0, init=False)
    _requests_left: float = field(default=math.inf, init=False)
    _instants: dict[datetime, asyncio.Task[list[RawPage]]] = field(factory=dict, init=False)

    async def pages(self) -> AsyncGenerator[RawPage, None]:
        """Yield the responses in order, each with the rows that it adds.

        Raises:
            IncompleteListError: The list cannot be read whole: it grows faster than it is read, or the server does not
                order by `created`, or does not heed its bounds.
        """
        span = self.span & self.mark.onwards()
        first = await self.fetch(1, self.page_size, span)
        if first.count <= len(first.rows) and self.mark.created is None:
            yield _sorted(first.each_once(), descending=self.mark.descending)
            return
        _check(first, span, descending=self.mark.descending)
        self._count = first.count
        if first.count > self.page_size:  # the server gives no more than this
            self.page_size = len(first.rows) or self.page_size
        self._requests_left = 3 * math.ceil(first.count / self.page_size) + 99
        top = partial(self._follow, first, Mark(self.mark.descending), None, span)
        try:
            async with aclosing(run_ordered([Slot(top)], self.ahead)) as pages:
                async for page in pages:
                    if (added := self._add(page)).rows:
                        yield added
        finally:
            await cancel(self._instants.values())

    def _add(self, page: RawPage) -> RawPage:
        for created in [created for created, task in self._instants.items() if task.done()]:
            if self.mark.passed(created):
                del self._instants[created]
        return evolve(page, rows=self.mark.fresh(page.rows), count=self._count)

    async def _stretch(self, left: _Anchor, right: _Anchor | None, expected: int = 0) -> Result[RawPage]:
        """Read on from the last of one anchor, towards the first of the next; in parts, where many are expected."""
        mark = Mark(self.mark.descending)
        mark.move(await left.wait())
        if mark.created is None and not left.onwards:
            return Result([])  # it was past the end: the stretch before it reaches further
        while right and not await right.wait():
            right = right.beyond
        span = self.span & (left.onwards or mark.onwards())
        if right:
            far = require_created(right.rows[0])
            if mark.passed(far):
                return Result([])  # the anchors overlap
            if far == mark.created and not left.onwards:
                return await self._instant(far, right)
            span &= Span(gte=lower(far)) if mark.descending else Span(lte=upper(far))
        if span.empty:
            return Result([])
        if expected:
            return Result([], self._plan(left, 1, expected, right, span))
        self._spend()
        return await self._follow(await self._ask(1, self.page_size, span), mark, right, span, left.ends)

    async def _follow(
        self, page: RawPage, mark: Mark, right: _Anchor | None, span: Span, ends: int = 0
    ) -> Result[RawPage]:
        """Decide, by the first page of a span, what is left to read of it."""
        rows, at = page.rows, mark.created
        whole, fresh = page.count <= len(rows), mark.leads_on(rows)
        if fresh:
            mark.move(rows)
        ends = ends + 1 if whole and not right else 0
        met = ends == CHASES or (right and any(row.id == right.rows[0].id for row in rows))
        if not rows or (whole and (met or not fresh)):
            return Result([page])
        if not whole and mark.created and (mark.created == at or mark.created == rows[0].created):
            return await self._instant(mark.created, right)
        return Result([page], self._plan(_Anchor.at(rows, ends=ends), len(rows), page.count, right, span))

    def _plan(self, left: _Anchor, had: int, count: int, right: _Anchor | None, span: Span) -> list[Slot[RawPage]]:
        """Cut a span into anchors by number, and stretches between them.

        Args:
            left: Customers at its beginning.
            had: How many of them lie in it.
            count: How many it holds, more or less.
            right: The anchor at its end.
            span: What the numbers count.
        """
        size = self.page_size - 2
        pays = self.page_size >= MIN_PAGE_SIZE_BY_CREATED
        wide = pays and count > PART
        numbers: Sequence[int] = ()
        if wide:
            leaves = math.ceil(count / LEAF)
            parts = min(FORK, leaves)
            numbers = [leaves * part // parts * count // leaves // size + 1 for part in range(1, parts)]
        elif pays:
            numbers = range((size + had) // size + 1, math.ceil(count / size) + (right is None), 2)
        edges = [0, *(number * size for number in numbers), count]
        slots: list[Slot[RawPage]] = []
        for number, (start, end) in zip([*numbers, None], pairwise(edges), strict=True):
            anchor = _Anchor(beyond=right) if number else right
            slots.append(Slot(partial(self._stretch, left, anchor, end - start if wide else 0), wide))
            if anchor and number:
                slots.append(Slot(partial(self._anchor, anchor, number, size, span)))
                left = anchor
        return slots

    async def _anchor(self, anchor: _Anchor, number: int, size: int, span: Span) -> Result[RawPage]:
        try:
            self._spend()
            result = await self._numbered(number, size, span)
            for page in result.items:
                anchor.rows = page.rows
        except Exception as error:
            anchor.error = error
            raise
        finally:
            anchor.known.set()
        return result

    async def _instant(self, created: datetime, right: _Anchor | None) -> Result[RawPage]:
        """Read an instant that holds more than a page, once for all stretches that meet it, and go on after it."""
        if created not in self._instants:
            self._instants[created] = asyncio.create_task(self._read_instant(created))
        pages = await asyncio.shield(self._instants[created])
        left = _Anchor.at(
            [row for page in pages for row in page.rows],
            onwards=Span(lte=lower(created)) if self.mark.descending else Span(gte=upper(created)),
        )
        done = right and right.rows[0].created == created
        return Result(pages, [] if done else [Slot(partial(self._stretch, left, right))])

    async def _read_instant(self, created: datetime) -> list[RawPage]:
        """Read one instant: in one response, or by number until two passes agree, for ties may come in any order."""
        span = self.span & Span(lower(created), upper(created))
        before: list[str] = []
        count = 0
        for less in range(PASSES):
            size = max(self.page_size - less, 1) if count > self.page_size else self.page_size
            first = await self._ask(1, size, span)
            count = first.count
            if count <= len(first.rows):
                return [first]  # one response, of one moment, with nothing cut off
            numbers = range(2, math.ceil(count / (len(first.rows) or size)) + 1)  # it may give fewer than asked
            slots = (Slot(partial(self._numbered, number, size, span)) for number in numbers)
            async with aclosing(run_ordered(slots, self.ahead)) as rest:
                pages = [first, *[page async for page in rest]]
            ids = [row.id for page in pages for row in page.rows]
            if len(set(ids)) == count and set(ids) == set(before):
                return pages
            if len(ids) == count and ids == before:  # who is named twice, by a filter that joins tables, counts twice
                return pages
            before = ids
        raise IncompleteListError(
            f"{PASSES} readings of the {count} customers created at {created.isoformat()} did not agree"
        )

    async def _numbered(self, number: int, size: int, span: Span) -> Result[RawPage]:
        try:
            return Result([await self._ask(number, size, span)])
        except NotFoundError:  # the list became shorter: its end came before this page
            return Result([])

    async def _ask(self, number: int, size: int, span: Span) -> RawPage:
        page = await self.fetch(number, size, span)
        _check(page, span, descending=self.mark.descending)
        return page

    def _spend(self) -> None:
        """Count a request towards the bound; passes over one instant have theirs."""
        if self._requests_left < 1:
            raise IncompleteListError("the list grows faster than it is read: 3 requests for each page were not enough")
        self._requests_left -= 1


def _sorted(page: RawPage, *, descending: bool) -> RawPage:
    """Return a list of one page in order, though the server may have ignored it; nothing was lost by that."""
    if not all(row.created for row in page.rows):
        return page
    return evolve(page, rows=tuple(sorted(page.rows, key=require_created, reverse=descending)))


def _check(page: RawPage, span: Span, *, descending: bool) -> None:
    """Refuse a response that shows that the server ignored what it was asked."""
    previous, gte, lte = None, span.gte, span.lte
    for row in page.rows:
        created = require_created(row)
        if previous and (created > previous if descending else created < previous):
            ignored = "order by `created`"
        elif (gte and created < gte and upper(created) < gte) or (lte and created > lte and lower(created) > lte):
            ignored = "heed bounds of `created`"
        else:
            previous = created
            continue
        raise IncompleteListError(
            f"the server does not {ignored} (customer {row.id}, {created.isoformat()}): list with ordering=None"
        )
