"""One iteration of a listing: it requests pages, decodes them, and knows how far its consumer is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from attrs import define, field

from piriod_async.checkpoint import Checkpoint
from piriod_async.decoding.page_decoder import PageDecoder
from piriod_async.errors import DecodeError, IncompleteListError, PiriodError
from piriod_async.models import Customer, Page
from piriod_async.pagination.by_created import CreatedPaginator
from piriod_async.pagination.by_page_number import PageNumberPaginator
from piriod_async.pagination.cursor import Cursor
from piriod_async.pagination.prefetch import PrefetchLimit
from piriod_async.pagination.raw_page import RawPage
from piriod_async.pagination.time_range import TimeRange
from piriod_async.query import CustomerQuery
from piriod_async.transport.attempts import RequestInfo
from piriod_async.transport.counters import RequestCounters
from piriod_async.transport.transport import Transport
from piriod_async.verify import verify

Paginator: TypeAlias = CreatedPaginator | PageNumberPaginator
_NO_PAGE = Page(customers=(), count=0, raw=b"")


@define(eq=False, kw_only=True)
class Iteration:
    """One iteration of a listing: its requests, and how far its consumer is.

    Attributes:
        query: Filters, ordering and page size.
        workspace: Workspace id.
        fingerprint: Distinguishes the listing from others, for checkpoints.
        cursor: Where to start; it advances as pages are delivered. None for orderings other than by `created`.
        counters: Requests of this iteration.
        total: Customers to deliver, by the count of the first response.
        page: The page that is being delivered.
        delivered_in_page: Customers of it that have been.
    """

    query: CustomerQuery
    workspace: str
    fingerprint: str
    cursor: Cursor | None
    _transport: Transport = field(alias="transport")
    _decoder: PageDecoder = field(alias="decoder")
    _prefetch_limit: PrefetchLimit = field(alias="prefetch_limit")
    _check_filters: bool = field(alias="check_filters")
    counters: RequestCounters = field(factory=RequestCounters, init=False)
    total: int | None = field(default=None, init=False)
    page: Page = field(default=_NO_PAGE, init=False)
    delivered_in_page: int = field(default=0, init=False)
    _delivered_before: int = field(default=0, init=False)
    _paginator: Paginator | None = field(default=None, init=False)

    async def advance(self) -> bool:
        """Go to the next page. The old one is dropped before, so that only one decoded page is alive.

        Returns:
            False at the end of the list.
        """
        self._finish_page()
        self._paginator = self._paginator or self._paginate()
        with self._annotating_errors():
            async for page in self._paginator:
                self.page = await self._to_page(page)
                return True
        return False

    async def fetch_one(self) -> Page:
        """Request a page of one customer."""
        with self._annotating_errors():
            return await self._to_page(await self._fetch(1, 1, self._created_range))

    async def aclose(self) -> None:
        """Cancel pending requests."""
        paginator, self._paginator = self._paginator, None
        if paginator:
            await paginator.aclose()

    @property
    def delivered(self) -> int:
        """Customers delivered."""
        return self._delivered_before + self.delivered_in_page

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Covers the customers delivered so far; None before the first, or if `created` is missing."""
        customers = self.page.customers
        if not self.cursor or not all(customer.created for customer in customers):
            return None
        cursor = self.cursor.copy()
        cursor.advance(customers[: self.delivered_in_page])
        if cursor.created is None:
            return None
        return Checkpoint(
            ordering=str(self.query.ordering),
            created=cursor.created,
            ids=frozenset(cursor.seen_ids),
            query=self.fingerprint,
        )

    def _finish_page(self) -> None:
        customers = self.page.customers
        if self.cursor and all(customer.created for customer in customers):
            self.cursor.advance(customers)
        else:
            self.cursor = None  # a list of one page may lack `created`
        self._delivered_before += len(customers)
        self.page, self.delivered_in_page = _NO_PAGE, 0

    def _paginate(self) -> Paginator:
        limit, size = self._prefetch_limit, self.query.page_size
        if self.cursor:
            return CreatedPaginator(self._fetch, size, limit, self._created_range, self.cursor.copy())
        return PageNumberPaginator(lambda number: self._fetch(number, size, self._created_range), limit)

    async def _fetch(self, number: int, size: int, created_range: TimeRange) -> RawPage:
        request = RequestInfo(page=number, workspace=self.workspace)

        async def decode(body: bytes) -> RawPage:
            page = await self._decoder.decode_keys(body)
            if page.rows:
                return page
            if page.count > (number - 1) * size:  # the list is being emptied, or the server errs
                raise DecodeError(f"{request}: count is {page.count} but results is empty", retryable=True)
            if page.has_next and self.total is None:
                raise DecodeError(f"{request}: there is a next page but results is empty", retryable=True)
            return page

        params = self.query.params(
            page=number, page_size=size, created__gte=created_range.gte, created__lte=created_range.lte
        )
        page = await self._transport.fetch(params, decode, request=request, counters=self.counters)
        if self.total is None:
            already_delivered = 0
            if self.cursor and self.cursor.created:
                already_delivered = len(page.keys) - len(self.cursor.copy().take_new(page.keys))
            self.total = page.count - already_delivered
        return page

    async def _to_page(self, page: RawPage) -> Page:
        """Decode the customers that a response adds, and verify that they match the filters."""
        try:
            customers = await self._decode(page)
        except PiriodError as error:  # a record that it quotes may echo the request
            raise self._transport.redactor.error(error)  # noqa: B904 (the same error)
        return Page(customers=customers, count=page.count, raw=page.raw)

    async def _decode(self, page: RawPage) -> tuple[Customer, ...]:
        by_id = {customer.id: customer for customer in await self._decoder.decode_customers(page)}
        customers = tuple(by_id[key.id] for key in page.keys)
        if self._check_filters:
            verify(self.query, customers)
        return customers

    @property
    def _created_range(self) -> TimeRange:
        query = self.query
        return TimeRange(query.created__gte, query.created__lte)

    @contextmanager
    def _annotating_errors(self) -> Iterator[None]:
        try:
            yield
        except PiriodError as error:
            error.workspace = self.workspace
            if isinstance(error, IncompleteListError):
                error.checkpoint = self.checkpoint
            raise
