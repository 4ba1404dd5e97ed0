"""A list of customers: nothing is sent until it is read."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from urllib.parse import urlencode

from attrs import define, evolve, field

from piriod_async.checkpoint import Checkpoint
from piriod_async.decoding.page_decoder import PageDecoder
from piriod_async.errors import DecodeError, IncompleteListError, PiriodError, QueryError
from piriod_async.models import Customer, Page, Progress
from piriod_async.pagination.by_created import Crawl
from piriod_async.pagination.by_page_number import iter_page_numbers
from piriod_async.pagination.cursor import Mark, Span
from piriod_async.pagination.raw_page import RawPage
from piriod_async.pagination.scoped import ScopedIterable
from piriod_async.query import CustomerQuery
from piriod_async.transport.attempts import RequestInfo
from piriod_async.transport.counters import RequestCounters
from piriod_async.transport.transport import Transport


@define(eq=False)
class _Run:
    """One iteration: what it sent, what it has had, and where its consumer is."""

    mark: Mark | None
    tally: RequestCounters = field(factory=RequestCounters)
    total: int | None = None
    before: int = 0
    page: tuple[Customer, ...] = ()
    taken: int = 0

    def turn(self) -> None:
        """Be done with a page, and let go of it: two at once are much more for the garbage collector to do."""
        if self.mark and all(customer.created for customer in self.page):
            self.mark.move(self.page)
        else:
            self.mark = None  # a list of one page may do without
        self.before += len(self.page)
        self.page, self.taken = (), 0


@define(eq=False)
class CustomerListing(ScopedIterable):
    """The customers that match a query. Made by `PiriodSession.customers`; no I/O until it is read.

    Each `async for` is a crawl of its own, from the start. Pages arrive side by side, a bounded way ahead of the loop:
    one that stops reading stops the requests. Leave a loop early inside `async with listing:`, and what that task has
    under way ends at once, rather than when the garbage is collected.

    Iterating, and every method that reads, raises what `errors` lists; `IncompleteListError` and `FilterIgnoredError`
    before the end is reached as if all were well.
    """

    query: CustomerQuery
    workspace: str
    _transport: Transport = field(alias="transport", repr=False)
    _decoder: PageDecoder = field(alias="decoder", repr=False)
    _test_mode: bool = field(alias="test_mode", repr=False)
    _after: Checkpoint | None = field(alias="after", repr=False)
    _check_filters: bool = field(alias="check_filters", repr=False)
    _ahead: Callable[[], int] = field(alias="ahead", repr=False)
    _run: _Run | None = field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if self._after is None:
            return
        if not isinstance(self._after, Checkpoint):
            raise QueryError(f"after={self._after!r}: expected a Checkpoint, or None")
        if not self.query.by_created:
            raise QueryError(f"after=a checkpoint: expected None for ordering={self.query.ordering!r}")
        if (self._after.ordering, self._after.query) != (self.query.ordering, self._identity()):
            raise QueryError(f"after=a checkpoint of {self._after.query}: expected one of {self._identity()}")

    def __aiter__(self) -> AsyncGenerator[Customer, None]:
        """Return an async generator over the customers, in order."""
        run = self._start()
        return self._hold(run, self._customers(run))

    def pages(self) -> AsyncGenerator[Page, None]:
        """Return an async generator over the responses, each with the customers that it adds, in order."""
        run = self._start()
        return self._hold(run, self._pages(run))

    async def count(self) -> int:
        """Return how many customers match the filters, by the server's count. One request.

        Only the customer that comes with it is checked against the filters.
        """
        page = await self._smallest()
        return page.count

    async def first(self) -> Customer | None:
        """Return the first customer, or None if there is none. One request; after a checkpoint it may take more."""
        if self._after is None:
            page = await self._smallest()
            return next(iter(page.customers), None)
        async with aclosing(self._customers(self._new_run())) as customers:
            return await anext(customers, None)

    async def collect(self) -> list[Customer]:
        """Return all customers, or raise: never a part.

        By an ordering other than `created`, a change is not always seen; see `PiriodSession.customers`.
        """
        async with aclosing(aiter(self)) as customers:
            return [customer async for customer in customers]

    @property
    def progress(self) -> Progress:
        """Where the iteration started last is now."""
        run, limiter = self._run, self._transport.limiter
        if run is None:
            return Progress()
        return Progress(
            total=run.total,
            delivered=run.before + run.taken,
            requests=run.tally.requests,
            retries=run.tally.retries,
            paused_until=limiter.paused_until if limiter else None,
        )

    @property
    def checkpoint(self) -> Checkpoint | None:
        """What to go on from so that nothing is lost or repeated: `customers(…, after=checkpoint)`.

        It covers all up to and including the customer, or page, that the body of the loop started last holds. None
        before the first, and for orderings other than by `created`.
        """
        return self._checkpoint(self._run or self._new_run())

    def _new_run(self) -> _Run:
        after, by_created = self._after, self.query.by_created
        mark = Mark(self.query.ordering == "-created") if by_created else None
        return _Run(evolve(mark, created=after.created, ids=set(after.ids)) if mark and after else mark)

    def _start(self) -> _Run:
        self._run = self._new_run()
        return self._run

    def _checkpoint(self, run: _Run) -> Checkpoint | None:
        if not run.mark or not all(customer.created for customer in run.page):
            return None
        mark = run.mark.copy()
        mark.move(run.page[: run.taken])
        if mark.created is None:
            return None
        return Checkpoint(
            ordering=str(self.query.ordering), created=mark.created, ids=frozenset(mark.ids), query=self._identity()
        )

    async def _customers(self, run: _Run) -> AsyncGenerator[Customer, None]:
        async with aclosing(self._turns(run)) as pages:
            async for page in pages:
                for run.taken, customer in enumerate(page.customers, 1):
                    yield customer
                del page

    async def _pages(self, run: _Run) -> AsyncGenerator[Page, None]:
        async with aclosing(self._turns(run)) as pages:
            async for page in pages:
                run.taken = len(page.customers)
                yield page

    async def _turns(self, run: _Run) -> AsyncGenerator[Page, None]:
        try:
            with self._named():
                async with aclosing(self._crawl(run)) as outlines:
                    async for outline in outlines:
                        page = await self._page(outline)
                        run.page = page.customers
                        yield page
                        del page
                        run.turn()
        except IncompleteListError as error:
            error.checkpoint = self._checkpoint(run)
            raise
        finally:
            self._release(run)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Let an error say whose customers were read."""
        try:
            yield
        except PiriodError as error:
            error.workspace = self.workspace
            raise

    async def _page(self, outline: RawPage) -> Page:
        """Return the customers that a response adds, which have been held against the filters."""
        by_id = {customer.id: customer for customer in await self._decoder.decode_customers(outline)}
        customers = tuple(by_id[row.id] for row in outline.rows)
        if self._check_filters:
            self.query.check(customers)
        return Page(customers=customers, count=outline.count, raw=outline.raw)

    async def _smallest(self) -> Page:
        """Ask for one customer, which brings the count."""
        with self._named():
            return await self._page(await self._fetch(1, 1, self._bounds, run=self._new_run()))

    def _crawl(self, run: _Run) -> AsyncGenerator[RawPage, None]:
        fetch = partial(self._fetch, run=run)
        size = self.query.page_size
        if run.mark:
            return Crawl(fetch, size, self._ahead, self._bounds, run.mark.copy()).pages()
        return iter_page_numbers(lambda number: fetch(number, size, self._bounds), page_size=size, ahead=self._ahead)

    async def _fetch(self, number: int, size: int, span: Span, *, run: _Run) -> RawPage:
        params = self.query.params(page=number, page_size=size, created__gte=span.gte, created__lte=span.lte)
        request = RequestInfo(page=number, workspace=self.workspace)

        async def decode(body: bytes) -> RawPage:
            page = await self._decoder.decode_keys(body)
            if not page.rows and page.count > (number - 1) * size:  # a list that is being emptied: ask again
                raise DecodeError(f"{request}: count is {page.count} but results is empty", retryable=True)
            return page

        page = await self._transport.fetch(params, decode, request=request, counters=run.tally)
        if run.total is None:
            had = len(page.rows) - len(run.mark.copy().fresh(page.rows)) if self._after and run.mark else 0
            run.total = page.count - had
        return page

    @property
    def _bounds(self) -> Span:
        return Span(self.query.created__gte, self.query.created__lte)

    def _identity(self) -> str:
        """Return what tells this listing from another, but for the size of its pages."""
        filters = self.query.filters(self.query.created__gte, self.query.created__lte)
        return urlencode([("workspace", self.workspace), ("test_mode", self._test_mode), *sorted(filters)])
