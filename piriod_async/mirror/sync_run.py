"""One sync: a run is begun, workspaces are read, and the run is committed or abandoned."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

from attrs import define, field

from piriod_async.errors import PiriodError, QueryError
from piriod_async.listing import CustomerListing
from piriod_async.mirror.comparison import Comparison
from piriod_async.mirror.errors import MirrorError, TooManyRemovedError
from piriod_async.mirror.lock import RENEW_SECONDS
from piriod_async.mirror.removal_limit import RemovalLimit
from piriod_async.mirror.results import Sync
from piriod_async.mirror.run import abandon, begin, check_scope, commit
from piriod_async.mirror.staging import Staging, Tally
from piriod_async.mirror.thread import DatabaseThread
from piriod_async.mirror.workspace_sync import WorkspaceSync
from piriod_async.pagination.prefetch import cancel_and_wait, start_task
from piriod_async.plain_text import shown
from piriod_async.workspaces import WorkspaceListing


class _StopAllError(Exception):
    """Ends the reading of all workspaces: the database failed, not a workspace."""


@define(eq=False)
class SyncRun:
    """One sync.

    Attributes:
        thread: Runs everything that uses the database.
        comparison: Compares customers.
        limit: How many may be removed.
        quick: Whether to try to read only what is new.
        dry_run: Whether to apply nothing.
    """

    thread: DatabaseThread
    comparison: Comparison
    limit: RemovalLimit
    quick: bool
    dry_run: bool
    _finished: dict[str, tuple[WorkspaceSync, Tally]] = field(factory=dict)
    _origins: dict[str, str] = field(factory=dict)
    _filters: str = ""

    async def sync(self, listing: CustomerListing | WorkspaceListing) -> Sync:
        """Read a listing, and apply it; see `Mirror.sync`."""
        if not isinstance(listing, CustomerListing | WorkspaceListing):
            raise QueryError(f"listing={shown(listing)}: expected a listing, from `session.customers` or `across`")
        for name in ("quick", "dry_run"):
            if not isinstance(getattr(self, name), bool):
                raise QueryError(f"{name}={getattr(self, name)!r}: expected True or False")
        if isinstance(listing, CustomerListing):
            _check_complete(listing)
        began = datetime.now(UTC)
        staging = Staging(self.comparison)
        try:
            await self.thread.call(begin, staging)
            async with self._keeping_lock(staging):
                if isinstance(listing, CustomerListing):
                    await self._read(staging, listing, alone=True)
                else:
                    await self._read_each(staging, listing)
            tallies = [tally for _, tally in self._finished.values()]
            if self.dry_run or not tallies:
                await self.thread.call(abandon, staging)
            else:
                looked = not all(sync.quick for sync, _ in self._finished.values())
                await self.thread.call(
                    commit,
                    staging,
                    tallies,
                    began=began,
                    looked=looked,
                    filters=self._filters,
                    origins=self._origins,
                )
        except BaseException:
            with suppress(MirrorError):  # then the next sync does it
                await self.thread.call(abandon, staging)
            raise
        return self._outcome(staging, listing)

    async def _read(self, staging: Staging, listing: CustomerListing, *, alone: bool) -> None:
        workspace = listing.workspace
        filters, origin = _scope(listing)
        await self.thread.call(check_scope, filters, workspace, origin, alone=alone)
        sync = WorkspaceSync(self.thread, staging, listing, self.limit, quick=self.quick)
        self._finished[workspace] = sync, await sync.run()
        self._filters, self._origins[workspace] = filters, origin

    async def _read_each(self, staging: Staging, listing: WorkspaceListing) -> None:
        async def read(one: CustomerListing) -> None:
            try:
                _check_complete(one)
                await self._read(staging, one, alone=False)
            except PiriodError as error:
                if isinstance(error, MirrorError | QueryError) and not isinstance(error, TooManyRemovedError):
                    raise _StopAllError from error
                try:
                    await self.thread.call(staging.discard, one.workspace)
                except MirrorError as failure:
                    raise _StopAllError from failure
                raise

        failure = None
        try:
            await listing.for_each(read)
        except _StopAllError as stop:
            failure = stop.__cause__
        if failure:
            raise failure

    @asynccontextmanager
    async def _keeping_lock(self, staging: Staging) -> AsyncIterator[None]:
        async def renew() -> None:
            with suppress(MirrorError):  # the next write fails with it
                while True:
                    await asyncio.sleep(RENEW_SECONDS)
                    await self.thread.call(staging.renew)

        task = start_task(renew())
        try:
            yield
        finally:
            await cancel_and_wait([task])

    def _outcome(self, staging: Staging, listing: CustomerListing | WorkspaceListing) -> Sync:
        run = None if self.dry_run or not self._finished else staging.run
        workspaces = {
            workspace: Sync(
                run=run,
                previous_run=staging.complete_run,
                added=tally.added,
                changed=tally.changed,
                returned=tally.returned,
                removed=None if sync.quick else tally.removed,
                unchanged=tally.unchanged,
                invalid=sync.invalid,
                requests=sync.requests,
                quick=sync.quick,
                dry_run=self.dry_run,
            )
            for workspace, (sync, tally) in self._finished.items()
        }
        if isinstance(listing, CustomerListing):
            return workspaces[listing.workspace]
        syncs = workspaces.values()
        looked = [sync.removed for sync in syncs if sync.removed is not None]
        return Sync(
            run=run,
            previous_run=staging.complete_run,
            added=sum(sync.added for sync in syncs),
            changed=sum(sync.changed for sync in syncs),
            returned=sum(sync.returned for sync in syncs),
            removed=sum(looked) if looked or not syncs else None,
            unchanged=sum(sync.unchanged for sync in syncs),
            invalid=sum(sync.invalid for sync in syncs),
            requests=sum(sync.requests for sync in syncs),
            quick=bool(syncs) and all(sync.quick for sync in syncs),
            dry_run=self.dry_run,
            workspaces=workspaces,
            errors=listing.errors,
        )


def _check_complete(listing: CustomerListing) -> None:
    """Check that a listing delivers every customer that matches.

    Raises:
        QueryError: It does not promise that.
    """
    if not listing.query.orders_by_created:
        reason = "only a listing by `created` is complete while the list changes"
        raise QueryError(f'listing: ordering={listing.query.ordering!r}: expected "created" or "-created": {reason}')
    if listing.is_resumed:
        raise QueryError("listing: after=a checkpoint: expected None: a mirror has every customer")


def _scope(listing: CustomerListing) -> tuple[str, str]:
    """Return the filters of a listing, and where it is read."""
    pairs = dict(parse_qsl(listing.fingerprint, keep_blank_values=True))
    mode = "test data" if pairs.pop("test_mode") == "True" else "live data"
    origin = f"{pairs.pop('base_url')}, {mode}"
    filters = {name: value for name, value in pairs.items() if name not in ("workspace", "ordering")}
    return urlencode(filters, safe=":"), origin
