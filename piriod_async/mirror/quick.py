"""A quick sync: what was changed last, who was created last, and whether that explains how many customers there are."""

from collections.abc import Collection
from contextlib import aclosing
from datetime import datetime

from attrs import define, field, frozen

from piriod_async.errors import IncompleteListError
from piriod_async.listing import CustomerListing
from piriod_async.mirror.database import Database
from piriod_async.mirror.rows import plain, to_datetime
from piriod_async.mirror.staging import Staging, Tally
from piriod_async.mirror.thread import DatabaseThread
from piriod_async.models import Customer
from piriod_async.pagination.time_range import TimeRange, earliest


@frozen
class Known:
    """The customers of a workspace in the mirror, and the newest of them.

    Attributes:
        count: Number of customers.
        created: When the newest was created.
        updated: Up to when changes are known: who was changed while the last sync ran may have been read before.
        last_updated: Id of the last that was changed.
    """

    count: int
    created: datetime
    updated: datetime
    last_updated: str


def known(database: Database, workspace: str) -> Known | None:
    """Return what the mirror has of a workspace, if it has anything."""
    living = "from piriod_versions where workspace = ? and run_to is null"
    [(count, created)] = database.fetch(f"select count(*), max(created) {living}", (workspace,))
    last = database.fetch(
        f"select updated, id {living} and updated is not null order by updated desc limit 1", (workspace,)
    )
    before = database.fetch("select updated from piriod_workspaces where workspace = ?", (workspace,))
    if not last or not before or not before[0][0]:
        return None
    [(updated, id_)] = last
    return Known(count, to_datetime(created), min(to_datetime(updated), to_datetime(before[0][0])), id_)


def longest_unchanged(database: Database, workspace: str, changed: Collection[str]) -> datetime | None:
    """Return when the customer was changed who has not been for the longest time, but for those with these ids."""
    rows = database.fetch(
        "select updated, id from piriod_versions where workspace = ? and run_to is null and updated is not null "
        "order by updated limit ?",
        (workspace, len(changed) + 1),
    )
    return next((to_datetime(updated) for updated, id_ in rows if id_ not in changed), None)


@define(eq=False)
class QuickSync:
    """Stages what is new in a listing.

    Attributes:
        requests: Requests sent.
        invalid: Records that were skipped.
    """

    thread: DatabaseThread
    staging: Staging
    listing: CustomerListing
    requests: int = 0
    invalid: int = 0
    _seen: set[str] = field(factory=set)

    async def run(self, tally: Tally) -> bool:
        """Stage what is new.

        Returns:
            Whether it explains how many customers there are. If not, the listing has to be read completely.
        """
        mirrored = await self.thread.call(known, self.listing.workspace)
        if not mirrored or not await self._read_updated(tally, mirrored) or not await self._is_ordered():
            return False
        await self._read_created(tally, mirrored.created)
        count = await self.listing.count()
        self.requests += 1
        tally.unchanged = mirrored.count - tally.changed
        return count == mirrored.count + tally.added + tally.returned

    async def _read_updated(self, tally: Tally, mirrored: Known) -> bool:
        """Read who was changed last, up to what the mirror has.

        Returns:
            Whether the rows are in that order, and have the last customer that was changed as far as the mirror knows.
        """
        listing = self.listing.with_query(prefetch=1, ordering="-updated")
        latest: datetime | None = None
        try:
            async with aclosing(listing.pages()) as pages:
                async for page in pages:
                    for customer in page.customers:
                        if customer.updated is None or (latest and customer.updated > latest):
                            return False
                        latest = customer.updated
                    await self._compare(tally, page.customers)
                    if latest and latest < mirrored.updated:
                        break
        except IncompleteListError:
            return False  # the list changed while all of it was read
        finally:
            self._count(listing)
        return mirrored.last_updated in self._seen

    async def _is_ordered(self) -> bool:
        """Return whether the list begins with the oldest `updated` if it is asked to: one in a fixed order does not."""
        oldest = await self.thread.call(longest_unchanged, self.listing.workspace, self._seen)
        if oldest is None:
            return True  # everything was read
        self.requests += 1
        first = await self.listing.with_query(ordering="updated").first()
        return bool(first and first.updated and first.updated <= oldest)

    async def _read_created(self, tally: Tally, created: datetime) -> None:
        """Read who was created last: a customer may come into the list without being changed."""
        query = self.listing.query
        created_range = TimeRange(gte=earliest(created)) & TimeRange(query.created__gte, query.created__lte)
        listing = self.listing.with_query(ordering="created", created__gte=created_range.gte)
        try:
            async with aclosing(listing.pages()) as pages:
                async for page in pages:
                    await self._compare(tally, page.customers)
        finally:
            self._count(listing)

    async def _compare(self, tally: Tally, customers: tuple[Customer, ...]) -> None:
        new = [customer for customer in customers if plain(customer.id) not in self._seen]
        self._seen.update(plain(customer.id) for customer in new)
        await self.thread.call(self.staging.compare_customers, tally, new)

    def _count(self, listing: CustomerListing) -> None:
        self.requests += listing.progress.requests
        self.invalid += listing.invalid.total
