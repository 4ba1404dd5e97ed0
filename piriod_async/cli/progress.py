"""What is going on, on standard error, while it does: only on a terminal."""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager

from attrs import define, field
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from piriod_async import CustomerListing
from piriod_async.cli.messages import in_a_line

TICK = 0.1  # seconds between two looks


@define
class _Watched:
    listing: CustomerListing
    label: str
    before: int
    limit: int | None
    since: float = field(factory=time.monotonic)


class Progress:
    """Two lines that tell how far a listing is, gone when it ends; and what else is said meanwhile, above them."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._watched: _Watched | None = None

    @asynccontextmanager
    async def shown(self) -> AsyncGenerator[None, None]:
        """Show the lines, if there is a terminal to show them on."""
        if not sys.stderr.isatty() or self._console.is_dumb_terminal:
            yield
            return
        self._begin()
        ticking = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            ticking.cancel()
            self._end()

    def watch(self, listing: CustomerListing, label: str, *, before: int = 0, limit: int | None = None) -> None:
        """Turn to a listing.

        Args:
            listing: It.
            label: Its name; may be empty.
            before: Customers that were had before it began.
            limit: Customers after which it will be left.
        """
        self._watched = _Watched(listing, label, before, limit)
        self.refresh()

    def refresh(self) -> None:
        """Show how things stand."""
        if self._live and self._watched:
            self._live.update(_lines(self._watched), refresh=True)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Clear the lines, while something else is written to the terminal."""
        if not self._live:
            yield
            return
        self._end()
        try:
            yield
        finally:
            self._begin()

    def say(self, line: str) -> None:
        """Write a line above."""
        self._console.print(Text(in_a_line(line)), soft_wrap=True)

    @contextmanager
    def logged(self, logger: logging.Logger) -> Iterator[None]:
        """Write a logger's records above."""
        handler = _Handler(self)
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)

    def _begin(self) -> None:
        # a new one each time: one that is started again goes up over the lines that were written meanwhile
        self._live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False)
        self._live.start()

    def _end(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    async def _tick(self) -> None:
        while True:
            self.refresh()
            await asyncio.sleep(TICK)


class _Handler(logging.Handler):
    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.say(record.getMessage())


def _lines(watched: _Watched) -> Group:
    progress, now = watched.listing.progress, time.monotonic()
    had = watched.before + progress.delivered
    total = None if progress.total is None else watched.before + progress.total
    if watched.limit is not None:
        total = watched.limit if total is None else min(total, watched.limit)
        had = min(had, watched.limit)
    first = Table.grid(padding=(0, 1), expand=True)
    first.add_column(no_wrap=True, overflow="ellipsis", max_width=28)
    first.add_column(ratio=1)
    first.add_column(no_wrap=True)
    of = "" if total is None else f" of {max(total, had):,}"
    bar = ProgressBar(total=total or None, completed=had, pulse=total is None, animation_time=now)
    first.add_row(*([Text(watched.label)] if watched.label else [""]), bar, Text(f"{had:,}{of} customers"))
    facts = [
        f"{progress.delivered / max(now - watched.since, TICK):,.0f}/s",
        _many(progress.requests, "request", "requests"),
        _many(progress.retries, "retry", "retries"),
    ]
    second = Text(" · ".join(facts), style="dim", no_wrap=True, overflow="ellipsis")
    if progress.paused_until:
        second.append(f" · waiting {max(progress.paused_until - now, 0):.0f} s: rate limited", style="not dim yellow")
    return Group(first, second)


def _many(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"
