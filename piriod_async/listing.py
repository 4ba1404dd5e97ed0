"""A list of customers. Nothing is sent until it is read."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from time import monotonic
from typing import Unpack
from urllib.parse import urlencode

from attrs import define, evolve, field

from piriod_async.checkpoint import Checkpoint
from piriod_async.decoding.page_decoder import PageDecoder
from piriod_async.errors import QueryError
from piriod_async.invalid import InvalidRecords
from piriod_async.iteration import Iteration, OnInvalid
from piriod_async.models import Customer, Page, Progress
from piriod_async.pagination.cursor import Cursor
from piriod_async.pagination.prefetch import PrefetchLimit
from piriod_async.pagination.scoped import ScopedIterable
from piriod_async.query import CustomerFilters, CustomerQuery, check_names
from piriod_async.time_slice import TimeSlice
from piriod_async.transport.transport import Transport
from piriod_async.validators import check_positive_int


@define(eq=False)
class CustomerListing(ScopedIterable):
    """The customers that match a query, as returned by `PiriodSession.customers`. Nothing is sent until it is read.

    Each `async for` reads the list from the start. Pages are requested concurrently, and prefetching is bounded: when
    you stop iterating, no more requests are sent. To stop early, `break` inside `async with listing:`, which cancels
    what is pending as soon as the block exits.

    Iterating, and every method that reads, raises the errors drawn in `piriod_async.errors`. An iteration that ends
    without an error was complete.
    """

    query: CustomerQuery
    workspace: str
    _transport: Transport = field(alias="transport", repr=False)
    _decoder: PageDecoder = field(alias="decoder", repr=False)
    _test_mode: bool = field(alias="test_mode", repr=False)
    _after: Checkpoint | None = field(alias="after", repr=False)
    _check_filters: bool = field(alias="check_filters", repr=False)
    _on_invalid: OnInvalid = field(alias="on_invalid", repr=False)
    _prefetch_limit: PrefetchLimit = field(alias="prefetch_limit", repr=False)
    _iteration: Iteration | None = field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        check_on_invalid(self._on_invalid)
        if self._after is None:
            return
        if not isinstance(self._after, Checkpoint):
            raise QueryError(f"after={self._after!r}: expected a Checkpoint, or None")
        if not self.query.orders_by_created:
            raise QueryError(f"after=a checkpoint: expected None for ordering={self.query.ordering!r}")
        if (self._after.ordering, self._after.query) != (self.query.ordering, self.fingerprint):
            raise QueryError(f"after=a checkpoint of {self._after.query}: expected one of {self.fingerprint}")

    def __aiter__(self) -> AsyncGenerator[Customer, None]:
        """Return an async generator over the customers, in order."""
        iteration = self._start()
        return self._register(self._iter_customers(iteration))

    def pages(self) -> AsyncGenerator[Page, None]:
        """Return an async generator over the responses, in order, each with the customers that it adds."""
        return self._register(self._iter_pages(self._start()))

    async def count(self) -> int:
        """Return how many customers match, as the server counts them, invalid records included. Sends one request.

        Only the customer that comes with the count is checked against the filters.
        """
        async with aclosing(self._new_iteration()) as iteration:
            page = await iteration.fetch_one(raise_invalid=False)
        return page.count

    async def first(self) -> Customer | None:
        """Return the first customer, or None.

        Sends one request; after a checkpoint, or if the first record is invalid and skipped, it may take more.
        """
        if self._after is None:
            async with aclosing(self._new_iteration()) as iteration:
                page = await iteration.fetch_one(raise_invalid=self._on_invalid == "raise")
                iteration.delivered_in_page = len(page.customers)
            if page.customers or not page.count:
                return next(iter(page.customers), None)
        async with aclosing(self._iter_customers(self._new_iteration())) as customers:
            return await anext(customers, None)

    async def one_or_none(self) -> Customer | None:
        """Return the only customer that matches, or None; never the first of several.

        Sends one request, for two customers. After a checkpoint, or if the response counts more customers than it has,
        it reads on until there are two, or the list ends.

        A record that cannot be decoded is a customer too: it is never skipped here, whatever `on_invalid` says.

        Raises:
            MultipleCustomersError: Several customers match; its `ids` names the first of them.
            DecodeError: The only record cannot be decoded.
            PiriodError: As for every method that reads.
        """
        if self._after is None:
            async with aclosing(self._new_iteration()) as iteration:
                customer, is_complete = await iteration.fetch_only()
                iteration.delivered_in_page = int(is_complete and customer is not None)
            if is_complete:
                return customer
        found: dict[str, Customer] = {}
        iteration = self._new_iteration(on_invalid="raise")
        async with aclosing(self._iter_customers(iteration)) as customers:
            async for customer in customers:
                found[customer.id] = customer
                iteration.require_one(found, iteration.page.count)
        return next(iter(found.values()), None)

    async def collect(self) -> list[Customer]:
        """Return all customers, or raise: never an incomplete list.

        For orderings other than `created`, not every change of the list can be noticed; see `PiriodSession.customers`.
        """
        async with aclosing(aiter(self)) as customers:
            return [customer async for customer in customers]

    async def split(self, n: int) -> list["CustomerListing"]:
        """Return at most `n` listings that together are this one, with about as many customers each.

        They have disjoint ranges of `created`, in the order of this listing, so that tasks, processes or machines can
        read one each:

        ```python
        for part in await piriod.customers().split(4):
            await queue.put((part.query.created__gte, part.query.created__lte))
        ```

        A customer that matches from before the split until all parts have been read is delivered by exactly one of
        them, even while the list changes. The first and the last part are as open as this listing is. A part is a
        listing as any other, with a checkpoint of its own: to resume it, pass its `created__gte` and `created__lte`
        along with `after`. After a checkpoint, what is left is split, and the first part resumes there.

        Sends at most `n` requests; the server reads up to the page of each cut, as for any page number. There are fewer
        parts if there are fewer customers, or if too many were created at the same instant.

        Args:
            n: Number of parts.

        Raises:
            QueryError: `n` is not a whole number above 0, or the listing is not ordered by `created`.
            PiriodError: As for every method that reads.
        """
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            raise QueryError(f"n={n!r}: expected a whole number of parts, 1 or more")
        async with aclosing(self._new_iteration()) as iteration:
            if iteration.cursor is None:
                expected = '"created" or "-created": parts are ranges of `created`'
                raise QueryError(f"ordering={self.query.ordering!r}: expected {expected}")
            ranges = await iteration.split(iteration.cursor, n)
        first, *others = [self.with_query(created__gte=each.gte, created__lte=each.lte) for each in ranges]
        if self._after:
            first = evolve(first, after=evolve(self._after, query=first.fingerprint))
        return [first, *others]

    @property
    def progress(self) -> Progress:
        """How far the latest iteration has come."""
        iteration, limiter = self._iteration, self._transport.limiter
        if iteration is None:
            return Progress()
        return Progress(
            total=iteration.total,
            delivered=iteration.delivered,
            invalid=iteration.invalid.total,
            requests=iteration.counters.requests,
            retries=iteration.counters.retries,
            paused_until=limiter.paused_until if limiter else None,
        )

    @property
    def invalid(self) -> InvalidRecords:
        """The records that the latest iteration skipped, because they could not be decoded (`on_invalid="skip"`).

        It is up to date with the page that is being delivered.
        """
        return self._iteration.invalid if self._iteration else InvalidRecords()

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Where the latest iteration can be resumed, without loss or repetition: `customers(…, after=checkpoint)`.

        It covers everything up to and including the customer, or page, that the body of the loop has now. None before
        the first one, and for orderings other than by `created`.
        """
        return (self._iteration or self._new_iteration()).checkpoint

    @property
    def is_resumed(self) -> bool:
        """Whether it starts after a checkpoint, so that it does not deliver every customer."""
        return self._after is not None

    def with_query(self, *, prefetch: int | None = None, **changes: Unpack[CustomerFilters]) -> "CustomerListing":
        """Return a listing of the same workspace, from its start, with other filters, ordering or page size.

        Args:
            prefetch: Pages that may be pending or waiting to be consumed; by default as many as here. One is taken
                as two if ordered by `created`.
            **changes: The arguments of `CustomerQuery` to replace.
        """
        check_names(changes, CustomerListing.with_query)
        if prefetch is not None:
            check_positive_int("prefetch", prefetch)
        limit: PrefetchLimit = self._prefetch_limit if prefetch is None else lambda: prefetch
        return evolve(self, query=evolve(self.query, **changes), after=None, prefetch_limit=limit)

    def _start(self) -> Iteration:
        self._iteration = self._new_iteration()
        return self._iteration

    def _new_iteration(self, on_invalid: OnInvalid | None = None) -> Iteration:
        cursor = None
        if self.query.orders_by_created:
            cursor = Cursor(self.query.ordering == "-created")
            if self._after:
                cursor = evolve(cursor, created=self._after.created, seen_ids=set(self._after.ids))
        return Iteration(
            query=self.query,
            workspace=self.workspace,
            fingerprint=self.fingerprint,
            cursor=cursor,
            transport=self._transport,
            decoder=self._decoder,
            prefetch_limit=self._prefetch_limit,
            test_mode=self._test_mode,
            check_filters=self._check_filters,
            on_invalid=on_invalid or self._on_invalid,
        )

    async def _iter_customers(self, iteration: Iteration) -> AsyncGenerator[Customer, None]:
        async with aclosing(iteration):
            time_slice = TimeSlice()
            while await iteration.advance():
                for customer in iteration.page.customers:
                    iteration.delivered_in_page += 1
                    yield customer
                    if monotonic() >= time_slice.ends_at:
                        await time_slice.renew()

    async def _iter_pages(self, iteration: Iteration) -> AsyncGenerator[Page, None]:
        async with aclosing(iteration):
            time_slice = TimeSlice()
            while await iteration.advance():
                iteration.delivered_in_page = len(iteration.page.customers)
                yield iteration.page
                if monotonic() >= time_slice.ends_at:
                    await time_slice.renew()

    @property
    def fingerprint(self) -> str:
        """Distinguishes the listing from others, apart from its page size; the `query` of its checkpoints."""
        server = self._transport.url.parent.parent
        filters = self.query.filter_params(self.query.created__gte, self.query.created__lte)
        own = [("base_url", server), ("workspace", self.workspace), ("test_mode", self._test_mode)]
        return urlencode([*own, *sorted(filters)], safe=":/")


def check_on_invalid(value: object) -> None:
    """Check what to do with an invalid record.

    Raises:
        QueryError: The value is something else.
    """
    if value not in ("raise", "skip"):
        raise QueryError(f'on_invalid={value!r}: expected "raise" or "skip"')
