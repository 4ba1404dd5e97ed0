"""Many workspaces side by side, through one session."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Hashable, Iterable, Iterator
from contextlib import aclosing
from typing import Literal, TypeAlias

from attrs import define, evolve, field

from piriod_async.errors import PiriodError, QueryError
from piriod_async.listing import CustomerListing
from piriod_async.models import Customer, Page, Progress, WorkspaceProgress
from piriod_async.pagination.prefetch import PREFETCH_PER_REQUEST, cancel
from piriod_async.pagination.scoped import ScopedIterable

OnError: TypeAlias = Literal["raise", "collect"]
Ready: TypeAlias = tuple[str, Page] | BaseException | None  # None when there is no more
WORKERS_PER_REQUEST = 2  # workspaces at once, for each request at once: one is asked for while another is handed over
MIN_PREFETCH = 2  # slots of look-ahead that a crawl always has


@define(eq=False)
class _Run:
    """One iteration: which workspaces it has come to, and how far each is."""

    source: AsyncGenerator[str, None]
    ready: asyncio.Queue[Ready] = field(factory=lambda: asyncio.Queue(1))
    next: asyncio.Lock = field(factory=asyncio.Lock)
    crawling: dict[str, CustomerListing] = field(factory=dict)
    delivered: dict[str, int] = field(factory=dict)
    ended: dict[str, Progress] = field(factory=dict)
    errors: dict[str, PiriodError] = field(factory=dict)
    left: bool = False

    async def hand_over(self, workspace: str, page: Page) -> None:
        if self.left:  # and nobody takes it: the cancellation got lost, in a source of ids that goes on after one
            raise asyncio.CancelledError
        await self.ready.put((workspace, page))

    @property
    def progress(self) -> dict[str, Progress]:
        each = self.ended | {workspace: listing.progress for workspace, listing in self.crawling.items()}
        return {workspace: evolve(each[workspace], delivered=self.delivered[workspace]) for workspace in each}


@define(eq=False)
class WorkspaceListing(ScopedIterable):
    """The customers of many workspaces that match a query. Made by `PiriodSession.across`; no I/O until it is read.

    Iterating yields `(workspace, customer)`. Each workspace's customers come in their own order, all of them, exactly
    once; those of different workspaces take turns, page by page. Workspaces are started as there is room, so thousands
    take no more memory than a few, and share the session's connections, pace and retries.

    With `on_error="raise"` the first workspace that fails ends the iteration, and the error's `workspace` names it.
    With `"collect"` the others go on, and `errors` names those that failed: what came of one before it failed is a
    part. Iterating, and every method that reads, raises what `piriod_async.errors` lists.
    """

    _workspaces: Iterable[str] | AsyncIterable[str] = field(alias="workspaces", repr=False)
    _list: Callable[[str, Callable[[], int]], CustomerListing] = field(alias="list", repr=False)
    _concurrency: int = field(alias="concurrency", repr=False)
    _on_error: OnError = field(alias="on_error")
    _run: _Run | None = field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if isinstance(self._workspaces, str | bytes) or not isinstance(self._workspaces, Iterable | AsyncIterable):
            raise QueryError(f"workspaces={self._workspaces!r}: expected an iterable of workspace ids")
        if self._on_error not in ("raise", "collect"):
            raise QueryError(f'on_error={self._on_error!r}: expected "raise" or "collect"')

    def __aiter__(self) -> AsyncGenerator[tuple[str, Customer], None]:
        """Return an async generator over `(workspace, customer)`."""
        run = self._start()
        return self._hold(run, self._customers(run))

    def pages(self) -> AsyncGenerator[tuple[str, Page], None]:
        """Return an async generator over `(workspace, page)`: the responses, each with the customers that it adds."""
        run = self._start()
        return self._hold(run, self._pages(run))

    async def collect(self) -> dict[str, list[Customer]]:
        """Return all customers by workspace, an empty list for one that has none.

        A workspace that failed is left out, never given in part: with `on_error="collect"`, look at `errors`.
        """
        found: dict[str, list[Customer]] = {}
        run = self._start()
        async with aclosing(self._hold(run, self._pages(run))) as pages:
            async for workspace, page in pages:
                found.setdefault(workspace, []).extend(page.customers)
        return {workspace: found.get(workspace, []) for workspace in run.ended if workspace not in run.errors}

    @property
    def errors(self) -> dict[str, PiriodError]:
        """Why workspaces failed in the iteration started last, by id."""
        return self._run.errors if self._run else {}

    def raise_for_errors(self) -> None:
        """Raise what `errors` holds.

        Raises:
            ExceptionGroup: Of the `PiriodError` of each workspace that failed, if one did.
        """
        if self.errors:
            failed = f"{len(self.errors)} of {len(self.progress.workspaces)} workspaces failed"
            raise ExceptionGroup(f"{failed}: {', '.join(map(str, self.errors))}", [*self.errors.values()])

    @property
    def progress(self) -> WorkspaceProgress:
        """Where the iteration started last is now: all workspaces that it has come to, together and each."""
        each = self._run.progress if self._run else {}
        totals = [progress.total for progress in each.values() if progress.total is not None]
        return WorkspaceProgress(
            total=sum(totals) if totals else None,
            delivered=sum(progress.delivered for progress in each.values()),
            requests=sum(progress.requests for progress in each.values()),
            retries=sum(progress.retries for progress in each.values()),
            paused_until=max((progress.paused_until or 0.0 for progress in each.values()), default=0.0) or None,
            workspaces=each,
        )

    def _start(self) -> _Run:
        if self._run and isinstance(self._workspaces, Iterator | AsyncIterator):
            raise QueryError(f"workspaces={self._workspaces!r}: expected a list, to read it again; this one is used up")
        self._run = _Run(_each(self._workspaces))
        return self._run

    async def _customers(self, run: _Run) -> AsyncGenerator[tuple[str, Customer], None]:
        async with aclosing(self._turns(run)) as pages:
            async for workspace, page in pages:
                for customer in page.customers:
                    run.delivered[workspace] += 1
                    yield workspace, customer

    async def _pages(self, run: _Run) -> AsyncGenerator[tuple[str, Page], None]:
        async with aclosing(self._turns(run)) as pages:
            async for workspace, page in pages:
                run.delivered[workspace] += len(page.customers)
                yield workspace, page

    async def _turns(self, run: _Run) -> AsyncGenerator[tuple[str, Page], None]:
        """Yield pages as they are ready; a queue lets those who wait to put one in go first come, first served."""
        tasks = [asyncio.create_task(self._crawl_some(run)) for _ in range(WORKERS_PER_REQUEST * self._concurrency)]
        ending = asyncio.create_task(_end(run, tasks))
        try:
            while (item := await run.ready.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            run.left = True
            await cancel([*tasks, ending])
            await run.source.aclose()
            self._release(run)

    async def _crawl_some(self, run: _Run) -> None:
        """Crawl one workspace after the other, while there are more."""
        while not run.left:
            async with run.next:
                try:
                    workspace = await anext(run.source)
                except StopAsyncIteration:
                    return
            if not isinstance(workspace, Hashable):
                raise QueryError(f"workspaces: {workspace!r}: expected a workspace's id")
            if workspace not in run.delivered:  # each once
                await self._crawl(run, workspace)

    async def _crawl(self, run: _Run, workspace: str) -> None:
        run.delivered[workspace], run.ended[workspace] = 0, Progress()
        try:
            listing = run.crawling[workspace] = self._list(workspace, lambda: self._ahead(run))
            async with aclosing(listing.pages()) as pages:
                async for page in pages:
                    await run.hand_over(workspace, page)
        except PiriodError as error:
            error.workspace = workspace
            run.errors[workspace] = error
            if self._on_error == "raise":
                raise
        finally:
            if ended := run.crawling.pop(workspace, None):
                run.ended[workspace] = ended.progress

    def _ahead(self, run: _Run) -> int:
        """Return a crawl's share of the look-ahead: all of it, for the one that is left in the end."""
        return max(MIN_PREFETCH, PREFETCH_PER_REQUEST * self._concurrency // len(run.crawling))


async def _each(workspaces: Iterable[str] | AsyncIterable[str]) -> AsyncGenerator[str, None]:
    if isinstance(workspaces, AsyncIterable):
        async for workspace in workspaces:
            yield workspace
    else:
        for workspace in workspaces:
            yield workspace


async def _end(run: _Run, tasks: list[asyncio.Task[None]]) -> None:
    """Say how it ended: when all have, or one with an error."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    outcome: BaseException | None
    if any(task.cancelled() for task in done):
        outcome = RuntimeError("the ids of workspaces ended with a cancellation: there may be more")
    else:
        outcome = next(filter(None, (task.exception() for task in done)), None)
    await run.ready.put(outcome)
