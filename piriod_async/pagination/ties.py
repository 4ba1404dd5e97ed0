"""Customers created at the same instant, where there are more of them than a page holds.

They can only be read by page number, and their order may depend on LIMIT and OFFSET (PostgreSQL's top-N sort), so that
a pass over them may repeat some and miss others, in a list that does not change too. And where it changes, one customer
may leave as another comes, so that all counts are the same. So passes are complete only if they prove it:

A customer that was read before a moment, and again after it, was in the list at that moment, unless it left and came
back. If there are as many of them as the server counted then, they are all there were, so that everybody who was in the
list throughout is among them. The moments are those at which passes start. Nobody may have left and come back: so the
passes before the moment and those after it show the same customers, and the count only rose over them, or only fell.

Nothing less proves it: passes that together show as many customers as each of them counted may show one that left and
one that came, and none of them one that stayed. This fails only for one that comes back just as another one leaves.

A server that counts wrong, or that counts a customer more than once, gives no proof. There, a pass is trusted if
another one with pages of another length agrees with it, the count did not change, and no pass with that count shows
anybody else.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import cached_property
from itertools import chain, groupby
from operator import itemgetter

from attrs import define, evolve, field, frozen

from piriod_async.errors import IncompleteListError
from piriod_async.pagination.cursor import require_created
from piriod_async.pagination.fetch import Fetch
from piriod_async.pagination.numbered_pages import NumberedPages
from piriod_async.pagination.prefetch import OrderedPrefetch, PrefetchLimit, cancel_and_wait, start_task
from piriod_async.pagination.raw_page import RawPage, RecordKey
from piriod_async.pagination.time_range import TimeRange, earliest, latest

MAX_TIE_PASSES = 8  # and as many again, once they have shown everybody


@frozen(eq=False)
class _Pass:
    """One reading of an instant by page number.

    Attributes:
        size: Customers requested per page.
        pages: The responses.
    """

    size: int
    pages: Sequence[RawPage]

    @cached_property
    def ids(self) -> Sequence[str]:
        """Customer ids of all rows, in order."""
        return [key.id for page in self.pages for key in page.keys]

    @cached_property
    def seen(self) -> set[str | int]:
        """Ids of all customers, and what identifies the records that have no key."""
        return {*self.ids, *chain.from_iterable(page.unplaced_ids for page in self.pages)}

    @property
    def count(self) -> int:
        """Customers at the moment that the pass started."""
        return self.pages[0].count

    @property
    def page_length(self) -> int:
        """Rows of a full page: what the server gave, which may be less than requested."""
        return self.pages[0].rows

    @property
    def counts(self) -> set[int]:
        """Counts of the responses."""
        return {page.count for page in self.pages}

    @property
    def exceeds_counts(self) -> bool:
        """Whether the server counts too few."""
        return sum(page.rows for page in self.pages) > max(self.counts)

    def agrees_with(self, other: "_Pass") -> bool:
        """Return whether two passes show the same, whatever the server counts, as long as it counts the same.

        Passes with pages of the same length may repeat the same mistake, unless they are one page each.
        """
        if len(self.counts | other.counts) > 1:
            return False
        if self.page_length == other.page_length and max(len(self.pages), len(other.pages)) > 1:
            return False
        if self.ids == other.ids:  # even with repetitions: a filter that joins tables repeats a customer
            return True
        return len(set(self.ids)) == len(self.ids) and set(self.ids) == set(other.ids)


@define(eq=False)
class TieReader:
    """Reads all customers of an instant, once for all gaps that meet it.

    Attributes:
        fetch: Requests a page.
        prefetch_limit: Returns how many pages may be pending or waiting to be consumed.
        descending: Whether the newest customers come first.
    """

    fetch: Fetch
    prefetch_limit: PrefetchLimit
    descending: bool
    _tasks: dict[datetime, asyncio.Task[list[RawPage]]] = field(factory=dict, init=False)

    async def read(self, created: datetime, created_range: TimeRange, page_size: int) -> list[RawPage]:
        """Return the pages of an instant.

        Args:
            created: The instant.
            created_range: The range of the listing; the instant may be at its edge.
            page_size: Customers requested per page.

        Raises:
            IncompleteListError: The passes did not prove complete.
        """
        if created not in self._tasks:
            instant = created_range & TimeRange(earliest(created), latest(created))
            self._tasks[created] = start_task(self._read_ties(created, instant, page_size))
        return await asyncio.shield(self._tasks[created])

    def forget(self, is_behind: Callable[[datetime], bool]) -> None:
        """Release the pages of instants that have been delivered."""
        for created in [created for created, task in self._tasks.items() if task.done() and is_behind(created)]:
            del self._tasks[created]

    async def aclose(self) -> None:
        """Cancel pending requests."""
        await cancel_and_wait(self._tasks.values())

    async def _read_ties(self, created: datetime, instant: TimeRange, page_size: int) -> list[RawPage]:
        """Read an instant by page number until passes are complete.

        Each pass requests smaller pages than the one before, because the order of ties may depend on their size. Once
        they have shown as many customers as there are, the same pages show them again if the list did not change.
        """
        passes: list[_Pass] = []
        size = page_size
        sizes_again: Iterator[int] | None = None
        while len(passes) < MAX_TIE_PASSES * (1 if sizes_again is None else 2):
            first = await self.fetch(1, size, instant)
            expected = len(passes[-1].ids) if passes else first.count
            passes.append(_Pass(size, [first, *await self._remaining_pages(first, expected, size, instant)]))
            if complete := _find_complete(passes):
                return _merge(complete, descending=self.descending)
            if sizes_again is None and len(passes) > 1 and len(_seen(passes)) == first.count:
                sizes_again = iter([each.size for each in passes])
            size = next(sizes_again or iter(()), _smaller_size(passes))
        raise IncompleteListError(
            f"{len(passes)} readings of the {passes[-1].count} customers created at {created.isoformat()} did not "
            "agree: list again, or with ordering=None"
        )

    async def _remaining_pages(self, first: RawPage, expected: int, size: int, instant: TimeRange) -> list[RawPage]:
        async def fetch(number: int) -> RawPage:
            return await self.fetch(number, size, instant)

        jobs = NumberedPages(fetch).jobs_after(first, expected)
        async with aclosing(OrderedPrefetch(jobs, self.prefetch_limit)) as pages:
            return [page async for page in pages]


def _smaller_size(passes: Sequence[_Pass]) -> int:
    """Return a page size that no pass has had, as long as there is one."""
    smallest = min(min(each.size, each.page_length) for each in passes)
    return max(smallest - (len(passes[-1].pages) > 1), 1)


def _seen(passes: Sequence[_Pass]) -> set[str | int]:
    return set().union(*(each.seen for each in passes))


def _find_complete(passes: Sequence[_Pass]) -> Sequence[_Pass]:
    """Return the last passes, as many as it takes for them to be complete; none if they are not."""
    *earlier, last = passes
    shown = _seen([each for each in passes if each.counts == last.counts])
    if last.seen == shown and any(map(last.agrees_with, earlier)):
        return [last]
    if any(each.exceeds_counts for each in passes):
        return []
    passes = _one_way(passes)
    for index in range(len(passes) - 1, 0, -1):
        after = _seen(passes[index:])
        if len(after) == passes[index].count and any(_seen(passes[start:index]) == after for start in range(index)):
            return passes[index:]
    return []


def _one_way(passes: Sequence[_Pass]) -> Sequence[_Pass]:
    """Return the last passes, as many as there are over which the count only rose or only fell."""
    for start in range(len(passes)):
        counts = [page.count for each in passes[start:] for page in each.pages]
        if sorted(counts) in (counts, counts[::-1]):
            return passes[start:]
    return []


def _merge(passes: Sequence[_Pass], *, descending: bool) -> list[RawPage]:
    """Return the pages of passes in order; of several, each with the customers that those before it do not have."""
    pages = [page for each in passes for page in each.pages]
    if len(passes) == 1:
        return pages
    rows: dict[str, tuple[RecordKey, RawPage]] = {}
    for page in pages:
        for key in page.keys:
            rows.setdefault(key.id, (key, page))
    ordered = sorted(rows.values(), key=lambda row: require_created(row[0]), reverse=descending)
    merged = [evolve(page, keys=tuple(key for key, _ in group)) for page, group in groupby(ordered, itemgetter(1))]
    return [*(evolve(page, keys=()) for page in pages if page.unplaced_ids), *merged]
