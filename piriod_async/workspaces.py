"""The customers of many workspaces, read concurrently through one session."""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
)
from contextlib import aclosing
from time import monotonic
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from attrs import define, evolve, field, frozen

from piriod_async.errors import PiriodError, QueryError, raise_errors
from piriod_async.invalid import InvalidRecords
from piriod_async.listing import CustomerListing
from piriod_async.models import Customer, Page, Progress, WorkspaceProgress
from piriod_async.pagination.adaptive_limit import MIN_PREFETCH, PREFETCH_PER_REQUEST
from piriod_async.pagination.prefetch import PrefetchLimit, cancel_and_wait, start_task
from piriod_async.pagination.scoped import ScopedIterable
from piriod_async.time_slice import TimeSlice

OnError: TypeAlias = Literal["raise", "collect"]


T_co = TypeVar("T_co", covariant=True)


class Several(Protocol[T_co]):
    """A collection that is not a text itself: a `str` contains only text, other collections answer for all."""

    def __contains__(self, value: object, /) -> bool: ...
    def __iter__(self) -> Iterator[T_co]: ...


@frozen
class Source:
    """Where to read a workspace.

    Attributes:
        workspace: Its id.
        origin: Describes which data the id stands for.
        make_listing: Makes its listing.
    """

    workspace: str
    origin: str
    make_listing: Callable[[PrefetchLimit], CustomerListing]


ReadListing: TypeAlias = Callable[[CustomerListing], Awaitable[None]]
ResolveSource: TypeAlias = Callable[[Any], Source]
"""Returns the source of an id, or of a session with a workspace; raises `QueryError` for anything else."""
QueueItem: TypeAlias = tuple[str, Page] | BaseException | None
"""A page of a workspace; the error that ends the iteration; or None at its end."""
WORKERS_PER_REQUEST = 2  # workspaces read at once, for each request in flight: one is delivered while another loads


@define(eq=False)
class WorkspaceListing(ScopedIterable):
    """The customers of many workspaces that match a query, as returned by `PiriodSession.across`.

    Iterating yields `(workspace, customer)`. The customers of each workspace come in their own order, every one exactly
    once; pages of different workspaces alternate. Workspaces are started as there is room, so thousands take no more
    memory than a few. They share the connections of the session, and the rate limit and retry budget of their token.

    With `on_error="raise"`, the first workspace that fails ends the iteration, and the error's `workspace` names it.
    With `"collect"`, the others continue, and `errors` has the workspaces that failed; customers that they delivered
    before are incomplete. Iterating, and every method that reads, raises the errors drawn in `piriod_async.errors`.
    """

    _workspaces: Iterable[Any] | AsyncIterable[Any] = field(alias="workspaces", repr=False)
    _resolve: ResolveSource = field(alias="resolve", repr=False)
    _concurrency: int = field(alias="concurrency", repr=False)
    _on_error: OnError = field(alias="on_error")
    _iteration: "_Iteration | None" = field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if isinstance(self._workspaces, str | bytes) or not isinstance(self._workspaces, Iterable | AsyncIterable):
            raise QueryError(f"workspaces={self._workspaces!r}: expected an iterable of workspace ids, or sessions")
        if self._on_error not in ("raise", "collect"):
            raise QueryError(f'on_error={self._on_error!r}: expected "raise" or "collect"')
        if isinstance(self._workspaces, Collection):  # an iterator is checked as it is read
            origins: dict[str, str] = {}
            for each in self._workspaces:
                _is_repeated(self._resolve(each), origins)

    def __aiter__(self) -> AsyncGenerator[tuple[str, Customer], None]:
        """Return an async generator over `(workspace, customer)`."""
        iteration = self._start()
        return self._register(self._iter_customers(iteration))

    def pages(self) -> AsyncGenerator[tuple[str, Page], None]:
        """Return an async generator over `(workspace, page)`: the responses, each with the customers that it adds."""
        return self._register(self._iter_pages(self._start()))

    async def for_each(self, read: ReadListing) -> None:
        """Call a function with the listing of each workspace, for as many at once as an iteration reads.

        The function reads it as often as it likes; `errors` and `progress` are those of the latest reading. An error
        that is not a `PiriodError` ends it, whatever `on_error` says.
        """
        iteration = self._start(read)
        async with aclosing(iteration):
            while await iteration.next_page():
                pass  # there are no pages, but the error that ended it is raised

    async def collect(self) -> dict[str, list[Customer]]:
        """Return all customers by workspace, an empty list for a workspace without customers.

        A workspace that failed is left out, rather than incomplete: with `on_error="collect"`, look at `errors`.
        """
        customers: dict[str, list[Customer]] = {}
        iteration = self._start()
        async with aclosing(self._register(self._iter_pages(iteration))) as pages:
            async for workspace, page in pages:
                customers.setdefault(workspace, []).extend(page.customers)
        succeeded = [workspace for workspace in iteration.finished if workspace not in iteration.errors]
        return {workspace: customers.get(workspace, []) for workspace in succeeded}

    @property
    def errors(self) -> dict[str, PiriodError]:
        """The error of each workspace that failed in the latest iteration, by id."""
        return self._iteration.errors if self._iteration else {}

    @property
    def invalid(self) -> dict[str, InvalidRecords]:
        """The records that the latest iteration skipped (`on_invalid="skip"`), of each workspace that has some."""
        return self._iteration.invalid if self._iteration else {}

    def raise_for_errors(self) -> None:
        """Raise the `errors`, if there are any.

        Raises:
            ExceptionGroup: The `PiriodError` of each workspace that failed.
        """
        raise_errors(self.errors, f"{len(self.errors)} of {len(self.progress.workspaces)} workspaces failed")

    @property
    def progress(self) -> WorkspaceProgress:
        """How far the latest iteration has come: the workspaces it has started, in total and each."""
        per_workspace = self._iteration.progress if self._iteration else {}
        totals = [progress.total for progress in per_workspace.values() if progress.total is not None]
        paused_until = max((progress.paused_until or 0.0 for progress in per_workspace.values()), default=0.0)
        return WorkspaceProgress(
            total=sum(totals) if totals else None,
            delivered=sum(progress.delivered for progress in per_workspace.values()),
            invalid=sum(progress.invalid for progress in per_workspace.values()),
            requests=sum(progress.requests for progress in per_workspace.values()),
            retries=sum(progress.retries for progress in per_workspace.values()),
            paused_until=paused_until or None,
            workspaces=per_workspace,
        )

    def _start(self, read: ReadListing | None = None) -> "_Iteration":
        if self._iteration and isinstance(self._workspaces, Iterator | AsyncIterator):
            raise QueryError(f"workspaces={self._workspaces!r}: expected a list, to read it again; this one is used up")
        self._iteration = _Iteration(
            _as_async(self._workspaces),
            self._resolve,
            self._concurrency,
            collect_errors=self._on_error == "collect",
            read=read,
        )
        return self._iteration

    async def _iter_customers(self, iteration: "_Iteration") -> AsyncGenerator[tuple[str, Customer], None]:
        async with aclosing(iteration):
            time_slice = TimeSlice()
            while item := await iteration.next_page():
                workspace, page = item
                for customer in page.customers:
                    iteration.delivered[workspace] += 1
                    yield workspace, customer
                    if monotonic() >= time_slice.ends_at:
                        await time_slice.renew()

    async def _iter_pages(self, iteration: "_Iteration") -> AsyncGenerator[tuple[str, Page], None]:
        async with aclosing(iteration):
            time_slice = TimeSlice()
            while item := await iteration.next_page():
                workspace, page = item
                iteration.delivered[workspace] += len(page.customers)
                yield workspace, page
                if monotonic() >= time_slice.ends_at:
                    await time_slice.renew()


@define(eq=False)
class _Iteration:
    """One iteration over many workspaces: workers read them, and put their pages into a queue.

    Attributes:
        workspaces: Ids, and sessions, not yet taken.
        resolve: Returns the source of each.
        concurrency: Requests in flight at once.
        collect_errors: Whether the other workspaces continue if one fails.
        read: Reads the listing of a workspace, in place of putting its pages into the queue.
        active: Listings that are being read, by workspace.
        delivered: Customers delivered, of each workspace that was started.
        finished: The last progress of workspaces that are done, or failed.
        errors: Why workspaces failed.
    """

    workspaces: AsyncGenerator[Any, None]
    resolve: ResolveSource
    concurrency: int
    collect_errors: bool = field(kw_only=True)
    read: ReadListing | None = field(kw_only=True)
    active: dict[str, CustomerListing] = field(factory=dict, init=False)
    delivered: dict[str, int] = field(factory=dict, init=False)
    finished: dict[str, Progress] = field(factory=dict, init=False)
    errors: dict[str, PiriodError] = field(factory=dict, init=False)
    _origins: dict[str, str] = field(factory=dict, init=False)
    _finished_invalid: dict[str, InvalidRecords] = field(factory=dict, init=False)
    _queue: asyncio.Queue[QueueItem] = field(
        factory=lambda: asyncio.Queue(1), init=False
    )  # fair: first come first served
    _source_lock: asyncio.Lock = field(factory=asyncio.Lock, init=False)
    _tasks: list[asyncio.Task[None]] = field(factory=list, init=False)
    _closed: bool = field(default=False, init=False)

    async def next_page(self) -> tuple[str, Page] | None:
        """Return the next page of any workspace, or None at the end."""
        if not self._tasks:
            workers = [start_task(self._worker()) for _ in range(WORKERS_PER_REQUEST * self.concurrency)]
            self._tasks = [*workers, start_task(self._await_workers(workers))]
        item = await self._queue.get()
        if isinstance(item, BaseException):
            raise item
        return item

    async def aclose(self) -> None:
        """Cancel the workers, and their pending requests."""
        self._closed = True
        await cancel_and_wait(self._tasks)
        await self.workspaces.aclose()

    @property
    def progress(self) -> dict[str, Progress]:
        """The progress of each workspace that was started. A page counts when its customers are delivered."""
        progress = self.finished | {workspace: listing.progress for workspace, listing in self.active.items()}
        if self.read:
            return progress
        return {workspace: evolve(progress[workspace], delivered=self.delivered[workspace]) for workspace in progress}

    @property
    def invalid(self) -> dict[str, InvalidRecords]:
        """The records that were skipped, of each workspace that has some."""
        active = {workspace: listing.invalid for workspace, listing in self.active.items()}
        return {workspace: records for workspace, records in (self._finished_invalid | active).items() if records}

    async def _worker(self) -> None:
        """Read one workspace after the other, while there are more."""
        while not self._closed:
            async with self._source_lock:
                try:
                    source = self.resolve(await anext(self.workspaces))
                except StopAsyncIteration:
                    return
            if not _is_repeated(source, self._origins):
                await self._read_workspace(source)
            await asyncio.sleep(0)  # neither a repeated id, nor one that fails unsent, need have suspended

    async def _read_workspace(self, source: Source) -> None:
        workspace = source.workspace
        self.delivered[workspace], self.finished[workspace] = 0, Progress()
        try:
            listing = self.active[workspace] = source.make_listing(self._prefetch_limit)
            if self.read:
                await self.read(listing)
            else:
                await self._put_pages(workspace, listing)
        except PiriodError as error:
            error.workspace = workspace if isinstance(workspace, str) else None  # the message shows anything else
            self.errors[workspace] = error
            if not self.collect_errors:
                raise
        finally:
            if done := self.active.pop(workspace, None):
                self.finished[workspace] = done.progress
                if done.invalid:
                    self._finished_invalid[workspace] = done.invalid

    async def _put_pages(self, workspace: str, listing: CustomerListing) -> None:
        async with aclosing(listing.pages()) as pages:
            async for page in pages:
                await self._put(workspace, page)

    async def _put(self, workspace: str, page: Page) -> None:
        if self._closed:  # nobody takes it: the source of ids swallowed the cancellation
            raise asyncio.CancelledError
        await self._queue.put((workspace, page))

    def _prefetch_limit(self) -> int:
        """Return the share of the prefetching that each listing may have; the last one may have all of it."""
        return max(MIN_PREFETCH, PREFETCH_PER_REQUEST * self.concurrency // len(self.active))

    async def _await_workers(self, workers: list[asyncio.Task[None]]) -> None:
        """Put the outcome into the queue: when all workers are done, or one has failed."""
        done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        outcome: BaseException | None
        if any(worker.cancelled() for worker in done):
            outcome = RuntimeError("the source of workspace ids ended with a cancellation: there may be more ids")
        else:
            outcome = next(filter(None, (worker.exception() for worker in done)), None)
        await self._queue.put(outcome)


def _is_repeated(source: Source, origins: dict[str, str]) -> bool:
    """Return whether a workspace was there before; if not, remember where it is read.

    Raises:
        QueryError: It was there from another origin, so that its id would stand for two lists of customers.
    """
    if source.workspace not in origins:
        origins[source.workspace] = source.origin
        return False
    if (first := origins[source.workspace]) != source.origin:
        problem = f"workspaces: {source.workspace!r} is there twice, as {first} and as {source.origin}"
        raise QueryError(f"{problem}: expected different ids, because results are labelled by id")
    return True


async def _as_async(workspaces: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[Any, None]:
    if isinstance(workspaces, AsyncIterable):
        async for workspace in workspaces:
            yield workspace
    else:
        for workspace in workspaces:
            yield workspace
