"""The sync of one workspace: its pages are compared range by range, and who seems gone is asked for once more."""

from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime

from attrs import define, field

from piriod_async.listing import CustomerListing
from piriod_async.mirror.missing import Missing, count_removed, find_missing
from piriod_async.mirror.quick import QuickSync
from piriod_async.mirror.removal_limit import RemovalLimit
from piriod_async.mirror.rows import created_text, plain
from piriod_async.mirror.staging import FIRST, LAST, Staging, Tally
from piriod_async.mirror.thread import DatabaseThread
from piriod_async.models import Customer
from piriod_async.pagination.time_range import TimeRange, earliest, latest


@define(eq=False)
class WorkspaceSync:
    """Stages the differences between a listing and the mirror.

    Attributes:
        requests: Requests sent.
        invalid: Records that were skipped.
        quick: Whether to try to read only what is new; afterwards, whether that was enough.
    """

    thread: DatabaseThread
    staging: Staging
    listing: CustomerListing
    limit: RemovalLimit
    requests: int = 0
    invalid: int = 0
    quick: bool = field(default=False, kw_only=True)
    _ties: list[Customer] = field(factory=list)  # customers of the last instant: the next page may have more of it
    _position: str = field(init=False)

    @property
    def descending(self) -> bool:
        """Whether the newest customers come first."""
        return self.listing.query.ordering == "-created"

    async def run(self) -> Tally:
        """Read the listing, and stage what differs.

        Raises:
            TooManyRemovedError: More customers are gone than may be removed.
            PiriodError: The list could not be read completely.
        """
        tally = await self.thread.call(self.staging.start_workspace, self.listing.workspace)
        if self.quick:
            quick = QuickSync(self.thread, self.staging, self.listing)
            self.quick = await quick.run(tally)
            self.requests += quick.requests
            if self.quick:
                self.invalid = quick.invalid
                return tally
            await self.thread.call(self.staging.discard, self.listing.workspace)
            tally = await self.thread.call(self.staging.start_workspace, self.listing.workspace)
        if tally.updated is None:
            tally.updated = await self._newest_updated()
        await self._read_all(tally)
        await self._ask_again(tally)
        removed, known, names = await self.thread.call(count_removed, self.staging, tally)
        self.limit.check(removed, known, names, self.listing.workspace)
        tally.removed = removed
        return tally

    async def _newest_updated(self) -> datetime | None:
        """Return when the last customer was changed, as far as the server says: a quick sync will read up to then."""
        self.requests += 1
        newest = await self.listing.with_query(ordering="-updated").first()
        return newest.updated if newest else None

    async def _read_all(self, tally: Tally) -> None:
        self._position, end = (LAST, FIRST) if self.descending else (FIRST, LAST)
        try:
            async with aclosing(self.listing.pages()) as pages:
                async for page in pages:
                    await self._compare(tally, page.customers)
        finally:
            self.requests += self.listing.progress.requests
            self.invalid += self.listing.invalid.total
        await self._compare_until(tally, end, self._ties)

    async def _compare(self, tally: Tally, customers: Sequence[Customer]) -> None:
        """Compare all but the last instant, of which the next page may have more."""
        held = [*self._ties, *customers]
        complete = len(held)
        while complete and held[complete - 1].created == held[-1].created:
            complete -= 1
        if complete:
            await self._compare_until(tally, created_text(held[-1]), held[:complete])
        self._ties = held[complete:]

    async def _compare_until(self, tally: Tally, end: str, customers: Sequence[Customer]) -> None:
        low, high = (end, self._position) if self.descending else (self._position, end)
        await self.thread.call(self.staging.compare_range, tally, low, high, customers, descending=self.descending)
        self._position = end

    async def _ask_again(self, tally: Tally) -> None:
        """Request the ranges of `created` of those who seem gone: the list may have moved while it was read."""
        after: Missing | None = None
        while groups := await self.thread.call(find_missing, self.staging, tally, after):
            for group in groups:
                await self._ask_for(tally, group)
            after = groups[-1]

    async def _ask_for(self, tally: Tally, group: Missing) -> None:
        query = self.listing.query
        asked = TimeRange(earliest(group.first), latest(group.last)) & TimeRange(query.created__gte, query.created__lte)
        if asked.empty:
            return
        listing = self.listing.with_query(created__gte=asked.gte, created__lte=asked.lte, ordering="created")
        try:
            async with aclosing(listing.pages()) as pages:
                async for page in pages:
                    found = [customer for customer in page.customers if plain(customer.id) in group.ids]
                    await self.thread.call(self.staging.compare_customers, tally, found)
        finally:
            self.requests += listing.progress.requests
        if kept := _unreadable(listing, group):
            await self.thread.call(lambda _: self.staging.keep(tally, kept))


def _unreadable(listing: CustomerListing, group: Missing) -> list[str]:
    """Return the missing customers who may be among the records that cannot be decoded."""
    invalid = listing.invalid
    ids = [record.record_id for record in invalid]
    if None in ids or invalid.total > len(ids):
        return sorted(group.ids)  # any of them may be
    return sorted(group.ids.intersection(plain(id_) for id_ in ids if id_))
