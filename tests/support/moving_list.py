"""Lists of customers in memory, answering as Django's paginator would, and clocks that only requests move."""

import asyncio
import heapq
import random
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import NamedTuple

from attrs import define, field

from piriod_async.errors import NotFoundError
from piriod_async.pagination.by_created import CreatedPaginator
from piriod_async.pagination.cursor import Cursor
from piriod_async.pagination.raw_page import RawPage
from piriod_async.pagination.time_range import TimeRange

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Printed(NamedTuple):
    """A customer, as a response has it, so far as a crawl goes by it."""

    id: str
    created: datetime | None


@define(eq=False)
class Row:
    """A customer: `at` in microseconds, and whether the filter matches it now."""

    id: str
    at: int
    matches: bool = True


@define
class MovingList:
    """A list that changes between requests, and within one.

    Attributes:
        grain: What timestamps are printed to, in microseconds.
        shuffled: Whether ties come in another order each time.
        clamp: The server's largest page.
        between: What happens between COUNT and SELECT.
        asked: (page number, page size, range, count) of each request.
        raced: Requests in which a customer left between COUNT and SELECT.
        gone: Ids that did not match at some time after the start.
    """

    rows: list[Row]
    rng: random.Random = field(factory=lambda: random.Random(7))
    descending: bool = False
    grain: int = 1
    shuffled: bool = False
    clamp: int = 100
    between: Callable[[], object] = lambda: None
    ignores_ordering: bool = False
    ignores_bounds: bool = False
    asked: list[tuple[int, int, TimeRange, int]] = field(factory=list)
    raced: int = 0
    gone: set[str] = field(factory=set)
    _new: "count[int]" = field(factory=count)

    @classmethod
    def of(cls, stamps: list[int], **options) -> "MovingList":
        return cls([Row(f"c{index}", at) for index, at in enumerate(stamps)], **options)

    def select(self, created_range: TimeRange) -> list[Row]:
        rows = [
            row
            for row in self.rows
            if row.matches and (self.ignores_bounds or _is_inside(_instant(row.at), created_range))
        ]
        if self.shuffled:
            self.rng.shuffle(rows)
        if self.ignores_ordering:
            return rows[::-1]
        return sorted(rows, key=lambda row: row.at, reverse=self.descending)

    async def fetch(self, number: int, size: int, created_range: TimeRange) -> RawPage:
        return self.answer(number, size, created_range)

    def answer(self, number: int, size: int, created_range: TimeRange) -> RawPage:
        size = min(size, self.clamp)
        total = len(self.select(created_range))
        self.asked.append((number, size, created_range, total))
        self.between()
        selected = self.select(created_range)
        self.raced += len(selected) < total
        bottom = (number - 1) * size
        if number > 1 and bottom >= total:
            raise NotFoundError("Invalid page.", status=404)
        rows = selected[bottom : min(bottom + size, total)]
        return RawPage(keys=tuple(map(self.printed, rows)), count=total, raw=b"")

    def printed(self, row: Row) -> Printed:
        return Printed(row.id, _instant(row.at - row.at % self.grain))

    def move(self, kind: str) -> None:
        rows = self.rows
        if kind == "create":
            newest = max((row.at for row in rows), default=0)
            rows.append(Row(f"n{next(self._new)}", newest + self.rng.choice((0, 1, 7_000))))
        elif kind == "enter":
            hidden = [row for row in rows if not row.matches]
            if hidden and self.rng.random() < 0.5:
                self.rng.choice(hidden).matches = True
            elif rows:
                at = self.rng.choice(rows).at + self.rng.choice((-1, 0, 1))
                rows.insert(self.rng.randrange(len(rows) + 1), Row(f"n{next(self._new)}", max(at, 0)))
        elif kind == "purge":
            if rows and self.rng.random() < 0.1:
                at = self.rng.choice(rows).at
                self.gone |= {row.id for row in rows if row.at == at}
                rows[:] = [row for row in rows if row.at != at]
        elif rows:
            row = self.rng.choice(rows)
            self.gone.add(row.id)
            row.matches = False
            if kind == "delete":
                rows.remove(row)


@define
class StillList:
    """A long list without ties that does not change: answers by arithmetic, so a million cost no memory.

    `asked` has (page number, page size, count) of each request.
    """

    length: int
    step: int = 7_919
    asked: list[tuple[int, int, int]] = field(factory=list)

    async def fetch(self, number: int, size: int, created_range: TimeRange) -> RawPage:
        stamps = range(0, self.length * self.step, self.step)
        first = bisect_left(stamps, _microseconds(created_range.gte)) if created_range.gte else 0
        last = bisect_right(stamps, _microseconds(created_range.lte)) if created_range.lte else self.length
        self.asked.append((number, size, last - first))
        bottom = first + (number - 1) * size
        if number > 1 and bottom >= last:
            raise NotFoundError("Invalid page.", status=404)
        rows = range(bottom, min(bottom + size, last))
        printed = [Printed(f"c{row}", _instant(stamps[row])) for row in rows]
        return RawPage(keys=printed, count=last - first, raw=b"")


@define
class VirtualTime:
    """Runs requests `concurrency` at a time, each as long as `delay` says; time passes only when all wait."""

    fetch: Callable[[int, int, TimeRange], Awaitable[RawPage]]
    delay: Callable[[], float]
    concurrency: int = 8
    now: float = 0.0
    total: float = 0.0
    _waiting: list[tuple[float, int, asyncio.Future[None]]] = field(factory=list)
    _slots: asyncio.Semaphore = field(init=False)
    _number: "count[int]" = field(factory=count)

    def __attrs_post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.concurrency)

    async def __call__(self, number: int, size: int, created_range: TimeRange) -> RawPage:
        async with self._slots:
            delay = self.delay()
            self.total += delay
            done = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (self.now + delay, next(self._number), done))
            await done
            return await self.fetch(number, size, created_range)

    async def run(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        await settle()
        while not task.done():
            self.now, _, done = heapq.heappop(self._waiting)
            done.set_result(None)
            if not self._waiting or self._waiting[0][0] > self.now:
                await settle()
        await task


def paginate(
    fetch: Callable[[int, int, TimeRange], Awaitable[RawPage]],
    *,
    page_size: int = 100,
    descending: bool = False,
    prefetch: int = 32,
    cursor: Cursor | None = None,
) -> CreatedPaginator:
    """Return a paginator of a list in memory."""
    return CreatedPaginator(fetch, page_size, lambda: prefetch, TimeRange(), cursor or Cursor(descending))


async def read(paginator: CreatedPaginator) -> list[Printed]:
    """Return all customers of a list in memory."""
    async with aclosing(paginator) as pages:
        return [customer async for page in pages for customer in page.keys]


async def settle() -> None:
    """Let every task run until it waits for something."""
    for _ in range(20):
        await asyncio.sleep(0)


def _instant(at: int) -> datetime:
    return EPOCH + timedelta(microseconds=at)


def _microseconds(created: datetime) -> int:
    return (created - EPOCH) // timedelta(microseconds=1)


def _is_inside(created: datetime, created_range: TimeRange) -> bool:
    return (created_range.gte is None or created >= created_range.gte) and (
        created_range.lte is None or created <= created_range.lte
    )
