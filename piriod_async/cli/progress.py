"""Progress on standard error while an export runs, if that is a terminal."""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import IO, cast

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column
from rich.text import Text

from piriod_async import CustomerListing, WorkspaceListing
from piriod_async.cli.messages import to_line
from piriod_async.cli.streams import StandardError

REFRESH_SECONDS = 0.1


class ProgressDisplay(Progress):
    """A bar and a line of figures, read from a listing at every refresh and cleared at the end.

    Args:
        disable: Show nothing, even on a terminal.
    """

    def __init__(self, *, disable: bool = False) -> None:
        self._listing: CustomerListing | WorkspaceListing | None = None
        self._written = 0
        self._limit: int | None = None
        self._suspended = False
        console = Console(file=cast("IO[str]", StandardError()), highlight=False)
        label = Column(no_wrap=True, overflow="ellipsis", max_width=28)
        super().__init__(
            TextColumn("{task.description}", markup=False, table_column=label),
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            TextColumn("{task.fields[count]}", markup=False),
            console=console,
            auto_refresh=False,  # its thread could write between the rows that `suspended` makes room for
            transient=True,
            redirect_stdout=False,
            expand=True,
            disable=disable or not sys.stderr.isatty() or console.is_dumb_terminal,
        )

    @asynccontextmanager
    async def refreshing(self) -> AsyncGenerator[None, None]:
        """Show the progress inside the block, and keep it up to date."""
        with self:
            refreshing = asyncio.create_task(self._keep_refreshing())
            try:
                yield
            finally:
                refreshing.cancel()

    def show(
        self,
        listing: CustomerListing | WorkspaceListing,
        label: str,
        *,
        written: int = 0,
        limit: int | None = None,
    ) -> None:
        """Show the progress of this listing from now on.

        Args:
            listing: The listing.
            label: Text before the bar; may be empty.
            written: Customers that a previous run wrote.
            limit: Customers after which the export stops.
        """
        for task in self.task_ids:
            self.remove_task(task)
        self._listing, self._written, self._limit = listing, written, limit
        self.add_task(label, total=None, count="")

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Clear the progress inside the block, which writes to the same terminal."""
        self._suspended = True
        self.refresh()
        try:
            yield
        finally:
            self._suspended = False
            self.refresh()

    def print_line(self, line: str) -> None:
        """Print a line above the progress."""
        self.console.print(Text(to_line(line)), soft_wrap=True)

    @contextmanager
    def capturing_logs(self, logger: logging.Logger) -> Iterator[None]:
        """Print all records of a logger above the progress."""
        handler, level = _LineHandler(self), logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return what rich shows at a refresh."""
        if self._suspended or not self._listing:
            return [Text()]
        progress = self._listing.progress
        count, total = self._written + progress.delivered, progress.total
        if total is not None:
            total += self._written
        if self._limit is not None:
            total = self._limit if total is None else min(total, self._limit)
            count = min(count, self._limit)
        [task] = self.tasks
        of = "" if total is None else f" of {max(total, count):,}"
        self.update(task.id, total=total or None, completed=count, count=f"{count:,}{of} customers")
        figures = [
            f"{progress.delivered / max(task.elapsed or 0, REFRESH_SECONDS):,.0f}/s",
            _plural(progress.requests, "request", "requests"),
            _plural(progress.retries, "retry", "retries"),
        ]
        line = Text(" · ".join(figures), style="dim", no_wrap=True, overflow="ellipsis")
        if progress.paused_until:
            seconds = max(progress.paused_until - time.monotonic(), 0)
            line.append(f" · waiting {seconds:.0f} s: rate limited", style="not dim yellow")
        return [self.make_tasks_table(self.tasks), line]

    async def _keep_refreshing(self) -> None:
        while True:
            self.refresh()
            await asyncio.sleep(REFRESH_SECONDS)


class _LineHandler(logging.Handler):
    """Prints a record on one line; `rich.logging.RichHandler` folds it, and lets control characters pass."""

    def __init__(self, display: ProgressDisplay) -> None:
        super().__init__()
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        self._display.print_line(record.getMessage())


def _plural(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"
