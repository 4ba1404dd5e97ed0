"""Lists of customers in memory, paginated as Django REST Framework does: one that changes, and one that does not."""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Literal, NamedTuple, TypeAlias
from zlib import crc32

from attrs import define, field

from piriod_async.errors import NotFoundError
from piriod_async.pagination.by_created import CreatedPaginator
from piriod_async.pagination.cursor import Cursor
from piriod_async.pagination.fetch import Fetch
from piriod_async.pagination.raw_page import RawPage
from piriod_async.pagination.time_range import TimeRange
from tests.support.plain_crawl import plain_crawl

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
TieOrder: TypeAlias = Literal["stable", "random", "by slice"]
ChangeKind: TypeAlias = Literal["create", "insert", "delete", "unmatch", "purge"]


class Key(NamedTuple):
    """Id and printed creation time of a customer in a response."""

    id: str
    created: datetime | None


@define(eq=False)
class ListedCustomer:
    """A customer in a moving list.

    Attributes:
        id: Its id.
        created_us: Creation time as stored, in microseconds after `EPOCH`.
        matches: Whether it matches the filters at the moment.
    """

    id: str
    created_us: int
    matches: bool = True


@define
class MovingList:
    """A list that changes between requests, and within one.

    Attributes:
        customers: In the order of the database, which is not that of `created`.
        rng: Draws what changes, and the order of ties.
        descending: Whether the newest customers come first.
        precision: Microseconds that timestamps are printed to.
        tie_order: Order of ties: as in the database, another each time, or one that depends on LIMIT and OFFSET.
        max_page_size: The server's maximum: larger page sizes are lowered to it.
        mid_request: Called between COUNT and SELECT.
        count_as: Returns what the server counts, given the true number of customers.
        links: Whether links to a next page depend on the count or on the rows.
        ignores_ordering: Whether the server ignores `ordering`.
        ignores_range: Whether the server ignores `created__gte` and `created__lte`.
        requests: (page number, page size, range, count) of each request.
        races: Number of requests in which a customer was removed between COUNT and SELECT.
        removed_ids: Ids of the customers that were deleted, or did not match for a while.
        insertions: Number of customers that came into the middle of the list.
    """

    customers: list[ListedCustomer]
    rng: random.Random = field(factory=lambda: random.Random(7))
    descending: bool = False
    precision: int = 1
    tie_order: TieOrder = "stable"
    max_page_size: int = 100
    mid_request: Callable[[], object] = lambda: None
    count_as: Callable[[int], int] = int
    links: Literal["count", "rows"] = "count"
    ignores_ordering: bool = False
    ignores_range: bool = False
    requests: list[tuple[int, int, TimeRange, int]] = field(factory=list)
    races: int = 0
    removed_ids: set[str] = field(factory=set)
    insertions: int = 0
    _new_numbers: "count[int]" = field(factory=count)

    @classmethod
    def created_at(cls, times: Iterable[int], **options: Any) -> "MovingList":
        """Return a list of the customers c0, c1, … created at these times, in microseconds after `EPOCH`."""
        return cls([ListedCustomer(f"c{index}", created_us) for index, created_us in enumerate(times)], **options)

    def select(
        self, created_range: TimeRange, page_slice: tuple[int, int] = (0, 0), *, backwards: bool = False
    ) -> list[ListedCustomer]:
        """Return the customers that match at the moment, in order."""
        gte, lte = (None, None) if self.ignores_range else (created_range.gte, created_range.lte)
        low, high = gte and _to_microseconds(gte), lte and _to_microseconds(lte)
        selected = [
            customer
            for customer in self.customers
            if customer.matches
            and (low is None or customer.created_us >= low)
            and (high is None or customer.created_us <= high)
        ]
        if self.tie_order == "random":
            self.rng.shuffle(selected)
        elif self.tie_order == "by slice":
            selected.sort(key=lambda customer: crc32(f"{page_slice} {customer.id}".encode()))
        if self.ignores_ordering:
            return selected[::-1]
        return sorted(selected, key=lambda customer: customer.created_us, reverse=self.descending != backwards)

    async def fetch(self, number: int, size: int, created_range: TimeRange, *, backwards: bool = False) -> RawPage:
        """Return a page at once."""
        return self.respond(number, size, created_range, backwards=backwards)

    def respond(self, number: int, size: int, created_range: TimeRange, *, backwards: bool = False) -> RawPage:
        """Return a page, as the framework does: COUNT, then SELECT, then cut the rows to the count."""
        size = min(size, self.max_page_size)
        offset = (number - 1) * size
        counted = len(self.select(created_range))
        total = self.count_as(counted)
        self.requests.append((number, size, created_range, total))
        self.mid_request()
        selected = self.select(created_range, (offset, size), backwards=backwards)
        self.races += len(selected) < counted
        if number > 1 and offset >= (total if self.links == "count" else len(selected)):
            raise NotFoundError("Invalid page.", status=404)
        page = selected[offset : offset + size]
        if self.links == "count":
            page = page[: max(total - offset, 0)]
        has_next = offset + size < (total if self.links == "count" else len(selected))
        return RawPage(keys=tuple(map(self.key_of, page)), count=total, has_next=has_next, raw=b"")

    def key_of(self, customer: ListedCustomer) -> Key:
        """Return the key of a customer, as a response prints it."""
        return Key(customer.id, _to_datetime(customer.created_us - customer.created_us % self.precision))

    def change(self, kind: ChangeKind) -> None:
        """Change a random customer, or all of an instant for "purge"."""
        customers = self.customers
        if kind == "create":
            newest = max((customer.created_us for customer in customers), default=0)
            step = self.rng.choice((0, 1, 7_000))
            self._add(len(customers), newest + step)
            self.insertions += self.descending and step < self.precision + 1
        elif kind == "insert":
            self.insertions += 1
            unmatched = [customer for customer in customers if not customer.matches]
            if unmatched and self.rng.random() < 0.5:
                self.rng.choice(unmatched).matches = True
            elif customers:
                created_us = self.rng.choice(customers).created_us + self.rng.choice((-1, 0, 1))
                self._add(self.rng.randrange(len(customers) + 1), max(created_us, 0))
        elif kind == "purge":
            if customers and self.rng.random() < 0.1:
                created_us = self.rng.choice(customers).created_us
                self.removed_ids |= {customer.id for customer in customers if customer.created_us == created_us}
                customers[:] = [customer for customer in customers if customer.created_us != created_us]
        elif customers:
            customer = self.rng.choice(customers)
            self.removed_ids.add(customer.id)
            customer.matches = False
            if kind == "delete":
                customers.remove(customer)

    def _add(self, index: int, created_us: int) -> None:
        self.customers.insert(index, ListedCustomer(f"n{next(self._new_numbers)}", created_us))


@define
class StaticList:
    """A long list without ties that does not change. It is computed, so a million customers take no memory.

    Attributes:
        length: Number of customers: c0, c1, …
        step: Microseconds between two customers.
        requests: (page number, page size, count) of each request.
    """

    length: int
    step: int = 7_919
    requests: list[tuple[int, int, int]] = field(factory=list)

    async def fetch(self, number: int, size: int, created_range: TimeRange, *, backwards: bool = False) -> RawPage:
        """Return a page at once."""
        times = range(0, self.length * self.step, self.step)
        first = bisect_left(times, _to_microseconds(created_range.gte)) if created_range.gte else 0
        end = bisect_right(times, _to_microseconds(created_range.lte)) if created_range.lte else self.length
        self.requests.append((number, size, end - first))
        offset = first + (number - 1) * size
        if number > 1 and offset >= end:
            raise NotFoundError("Invalid page.", status=404)
        rows = range(first, end)[::-1] if backwards else range(first, end)
        keys = [Key(f"c{index}", _to_datetime(times[index])) for index in rows[offset - first :][:size]]
        has_next = offset + size < end
        return RawPage(keys=keys, count=end - first, has_next=has_next, raw=b"")


def paginate(
    fetch: Fetch,
    *,
    page_size: int = 100,
    descending: bool = False,
    prefetch_limit: int = 32,
    cursor: Cursor | None = None,
) -> CreatedPaginator:
    """Return a paginator by `created`."""
    return CreatedPaginator(fetch, page_size, lambda: prefetch_limit, TimeRange(), cursor or Cursor(descending))


async def read(fetch: Fetch, **options: Any) -> list[Key]:
    """Return all customers of a list, paginated by `created`."""
    async with aclosing(paginate(fetch, **options)) as pages:
        return [key async for page in pages for key in page.keys]


async def read_ids(fetch: Fetch, **options: Any) -> list[str]:
    """Return the ids of all customers of a list, paginated by `created`."""
    return [key.id for key in await read(fetch, **options)]


async def read_plain(fetch: Fetch, *, page_size: int = 100) -> list[Key]:
    """Return the customers that a plain concurrent crawl receives."""

    async def fetch_page(number: int) -> tuple[int, Iterable[Key]]:
        try:
            page = await fetch(number, page_size, TimeRange())
        except NotFoundError:
            return 0, []
        return page.count, page.keys

    return await plain_crawl(fetch_page, page_size=page_size)


def _to_datetime(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def _to_microseconds(created: datetime) -> int:
    return (created - EPOCH) // timedelta(microseconds=1)
