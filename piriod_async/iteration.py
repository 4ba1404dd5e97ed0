"""One iteration of a listing: it requests pages, decodes them, and knows how far its consumer is."""

import logging
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Literal, TypeAlias

from attrs import asdict, define, evolve, field

from piriod_async.checkpoint import Checkpoint
from piriod_async.decoding.page_decoder import PageDecoder
from piriod_async.decoding.records import DecodedPage
from piriod_async.errors import (
    MAX_SHOWN_ID,
    DecodeError,
    IncompleteListError,
    MultipleCustomersError,
    PiriodError,
)
from piriod_async.invalid import InvalidRecord, InvalidRecords
from piriod_async.iteration_report import COMPLETE, LEFT, IterationReport
from piriod_async.models import Customer, Page
from piriod_async.pagination.by_created import CreatedPaginator, is_entire_list
from piriod_async.pagination.by_page_number import PageNumberPaginator
from piriod_async.pagination.cursor import Cursor
from piriod_async.pagination.prefetch import PrefetchLimit
from piriod_async.pagination.raw_page import RawPage, RecordKey
from piriod_async.pagination.split import Splitter
from piriod_async.pagination.time_range import TimeRange
from piriod_async.plain_text import shorten
from piriod_async.query import CustomerQuery
from piriod_async.transport.attempts import RequestInfo
from piriod_async.transport.counters import RequestCounters
from piriod_async.transport.response import Response
from piriod_async.transport.transport import Transport
from piriod_async.verify import verify

logger = logging.getLogger("piriod_async")
Paginator: TypeAlias = CreatedPaginator | PageNumberPaginator
OnInvalid: TypeAlias = Literal["raise", "skip"]
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
        invalid: The records that were skipped.
    """

    query: CustomerQuery
    workspace: str
    fingerprint: str
    cursor: Cursor | None
    _transport: Transport = field(alias="transport")
    _decoder: PageDecoder = field(alias="decoder")
    _prefetch_limit: PrefetchLimit = field(alias="prefetch_limit")
    _test_mode: bool = field(alias="test_mode")
    _check_filters: bool = field(alias="check_filters")
    _on_invalid: OnInvalid = field(alias="on_invalid")
    counters: RequestCounters = field(factory=RequestCounters, init=False)
    total: int | None = field(default=None, init=False)
    page: Page = field(default=_NO_PAGE, init=False)
    delivered_in_page: int = field(default=0, init=False)
    invalid: InvalidRecords = field(factory=InvalidRecords, init=False)
    _page_keys: Sequence[RecordKey] = field(default=(), init=False)  # of the page, those of its skipped records too
    _failure: DecodeError | None = field(default=None, init=False)  # to raise after the page
    _needs_created: bool = field(default=False, init=False)  # whether a record without `created` has no place
    _reported: set[int] = field(factory=set, init=False)
    _delivered_before: int = field(default=0, init=False)
    _paginator: Paginator | None = field(default=None, init=False)
    _report: IterationReport | None = field(default=None, init=False)  # from the first request to the end

    async def advance(self) -> bool:
        """Go to the next page. The old one is dropped before, so that decoded pages do not add up.

        Returns:
            False at the end of the list.
        """
        self._finish_page()
        self._paginator = self._paginator or self._paginate()
        with self._reporting() as report:
            if self._failure:
                raise self._failure
            async for page in self._paginator:
                has_invalid = await self._begin_page(page)
                if self.page.customers or not (has_invalid or page.unplaced_ids):
                    return True
                if self._failure:
                    raise self._failure
                self._finish_page()
            report.outcome = COMPLETE
        return False

    async def fetch_one(self, *, raise_invalid: bool) -> Page:
        """Request a page of one customer.

        Args:
            raise_invalid: Whether to raise an error if it cannot be decoded; otherwise it is left out.
        """
        with self._reporting() as report:
            page = await self._fetch(1, 1, self._created_range, at_once=True)
            decoded = await self._decode(page)
            if raise_invalid and decoded.invalid:
                raise _to_error(decoded.invalid[0][1])
            report.outcome = COMPLETE
            return _to_page(page, decoded.customers)

    async def fetch_only(self) -> tuple[Customer | None, bool]:
        """Request a page of two customers.

        Returns:
            The only customer, or None, and whether the response proves that no other customer matches.
        """
        with self._reporting() as report:
            page = await self._fetch(1, 2, self._created_range, at_once=True)
            unique = page.deduplicated()
            decoded = await self._decode(unique)
            self.require_one([key.id for key in unique.keys], page.count)  # one that cannot be decoded counts too
            if decoded.invalid:
                raise _to_error(decoded.invalid[0][1])
            report.outcome = COMPLETE
            return next(iter(decoded.customers), None), page.is_complete

    async def split(self, cursor: Cursor, parts: int) -> list[TimeRange]:
        """Return ranges of `created` that split what is left to read after a cursor, in the order of the listing."""

        async def fetch_dated(number: int, size: int, created_range: TimeRange, *, backwards: bool = False) -> RawPage:
            return (await self._fetch(number, size, created_range, backwards=backwards)).dated()

        with self._reporting() as report:
            splitter = Splitter(fetch_dated, self.query.page_size, self._prefetch_limit, self._created_range, cursor)
            ranges = await splitter.split(parts)
            report.outcome = COMPLETE
            return ranges

    def require_one(self, ids: Collection[str], count: int) -> None:
        """Check that there is one customer at most.

        Raises:
            MultipleCustomersError: There are several.
        """
        if len(ids) > 1:
            shown = f"{', '.join(ids)}{', …' if count > len(ids) else ''}"
            error = MultipleCustomersError(
                f"several customers match: expected one or none, got {shown}", ids=ids, count=count
            )
            error.workspace, error.attempts = self.workspace, 1
            if self._report:
                self._report.outcome = type(error).__name__
            raise self._transport.redactor.error(error, sys.exception())  # an id may echo the request

    async def aclose(self) -> None:
        """Cancel pending requests, and report the end."""
        paginator, self._paginator = self._paginator, None
        report, self._report = self._report, None
        try:
            if paginator:
                await paginator.aclose()
        finally:
            if report:
                report.end(self.delivered)

    @property
    def delivered(self) -> int:
        """Customers delivered."""
        return self._delivered_before + self.delivered_in_page

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Covers the customers delivered so far; None before the first, or if `created` is missing."""
        keys = self._page_keys
        if not self.cursor or not all(key.created for key in keys):
            return None
        cursor = self.cursor.copy()
        if self.delivered_in_page < len(self.page.customers):
            keys = self.page.customers[: self.delivered_in_page]
        cursor.advance(keys)
        if cursor.created is None:
            return None
        return Checkpoint(
            ordering=str(self.query.ordering),
            created=cursor.created,
            ids=frozenset(cursor.seen_ids),
            query=self.fingerprint,
        )

    def _finish_page(self) -> None:
        if self.cursor and all(key.created for key in self._page_keys):
            self.cursor.advance(self._page_keys)
        else:
            self.cursor = None  # a list of one page may lack `created`
        self._delivered_before += len(self.page.customers)
        if self._report:
            self._report.delivered(self._delivered_before)
        self.page, self._page_keys, self.delivered_in_page = _NO_PAGE, (), 0

    def _paginate(self) -> Paginator:
        limit, size = self._prefetch_limit, self.query.page_size
        if self.cursor:
            return CreatedPaginator(self._fetch_dated, size, limit, self._created_range, self.cursor.copy())
        return PageNumberPaginator(lambda number: self._fetch(number, size, self._created_range), limit)

    async def _fetch_dated(
        self, number: int, size: int, created_range: TimeRange, *, backwards: bool = False
    ) -> RawPage:
        """Request a page of a listing by `created`, in which a record needs one, unless the list has one page."""
        is_first = self.total is None
        at_once = is_first or backwards  # mostly the only page, or the two of a short list
        page = await self._fetch(number, size, created_range, backwards=backwards, at_once=at_once)
        if is_first:
            resumed = self.cursor is not None and self.cursor.created is not None
            self._needs_created = resumed or not is_entire_list(page)
        return page.dated() if self._needs_created else page

    async def _fetch(
        self, number: int, size: int, created_range: TimeRange, *, backwards: bool = False, at_once: bool = False
    ) -> RawPage:
        """Request a page, and decode its customers at once, or only their keys."""
        request = RequestInfo(page=number, workspace=self.workspace)
        decode_body = self._decoder.decode_page if at_once else self._decoder.decode_keys

        async def decode(response: Response) -> RawPage:
            page = evolve(await decode_body(response.body), response=response.info)
            if page.rows:
                return page
            if page.count > (number - 1) * size:  # the list is being emptied, or the server errs
                raise DecodeError(f"{request}: count is {page.count} but results is empty", retryable=True)
            if page.has_next and self.total is None:
                raise DecodeError(f"{request}: there is a next page but results is empty", retryable=True)
            return page

        query = self._backwards if backwards else self.query
        params = query.params(
            page=number, page_size=size, created__gte=created_range.gte, created__lte=created_range.lte
        )
        observed = self._report.observed if self._report else None
        page = await self._transport.fetch(params, decode, request=request, counters=self.counters, observed=observed)
        if self.total is None:
            already_delivered = 0
            if self.cursor and self.cursor.created:
                keys = page.dated().keys
                already_delivered = len(keys) - len(self.cursor.copy().take_new(keys))
            self.total = page.count - already_delivered
        return page

    async def _begin_page(self, page: RawPage) -> bool:
        """Decode the customers that a response adds; invalid records are skipped, or the page ends before the first.

        Returns:
            Whether there are invalid records.
        """
        decoded = await self._decode(page)
        customers, keys = decoded.customers, page.keys
        if decoded.invalid and self._on_invalid == "raise":
            position, record = decoded.invalid[0]
            customers = keys = customers[:position]
            self._failure = _to_error(record)
        else:
            for _, record in decoded.invalid:
                self._skip(record)
        self.page, self._page_keys = _to_page(page, customers), keys
        return bool(decoded.invalid)

    def _skip(self, record: InvalidRecord) -> None:
        self.invalid.add(record)
        place = record.path.partition(".")[0]
        customer = shorten(record.record_id, MAX_SHOWN_ID) if record.record_id else "without an id"
        logger.warning("workspace %s: skipped %s, customer %s: cannot be decoded", self.workspace, place, customer)
        logger.debug("%s", record)

    async def _decode(self, page: RawPage) -> DecodedPage:
        """Decode the customers that a response adds, and verify that they match the filters.

        Errors, and records that are not customers, are without the token, which a server may echo.
        """
        handled = sys.exception()
        try:
            decoded = await self._decoder.decode_customers(
                page, by_created=self._needs_created, reported=self._reported
            )
            if self._check_filters:
                verify(self.query, decoded.customers, test_mode=self._test_mode)
        except PiriodError as error:
            raise self._transport.redactor.error(error, handled)  # noqa: B904 (the same error)
        invalid = [(position, self._redacted(record)) for position, record in decoded.invalid]
        return evolve(decoded, invalid=invalid) if invalid else decoded

    def _redacted(self, record: InvalidRecord) -> InvalidRecord:
        return InvalidRecord(**self._transport.redactor.value(asdict(record)))

    @cached_property
    def _backwards(self) -> CustomerQuery:
        """The query of a listing by `created` in the opposite order."""
        return evolve(self.query, ordering="created" if self.query.ordering == "-created" else "-created")

    @property
    def _created_range(self) -> TimeRange:
        query = self.query
        return TimeRange(query.created__gte, query.created__lte)

    @contextmanager
    def _reporting(self) -> Iterator[IterationReport]:
        """Annotate errors, and report them at the end."""
        if self._report is None:
            observed = self._transport.observe(self.workspace)
            self._report = IterationReport(self.workspace, self.counters, observed)
        try:
            yield self._report
        except BaseException as error:
            self._report.outcome = LEFT if isinstance(error, GeneratorExit) else type(error).__name__
            if isinstance(error, PiriodError):
                error.workspace = self.workspace
            if isinstance(error, IncompleteListError | DecodeError):
                error.checkpoint = self.checkpoint
            raise


def _to_page(page: RawPage, customers: tuple[Customer, ...]) -> Page:
    return Page(customers=customers, count=page.count, raw=page.raw, response=page.response)


def _to_error(record: InvalidRecord) -> DecodeError:
    error = record.to_error()
    error.attempts = 1  # its response is not requested again
    return error
