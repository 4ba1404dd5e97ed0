"""The `sync` command: makes a mirror equal to the customers of the workspaces."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import chain
from typing import Any

from attrs import define, field

from piriod_async import CustomerListing, InvalidRecord, PiriodSession, WorkspaceListing
from piriod_async.cli.command_errors import command_errors
from piriod_async.cli.connection import open_sessions, resolve_connection
from piriod_async.cli.messages import (
    INCOMPLETE,
    OK,
    TOO_MANY_REMOVED,
    CommandError,
    describe,
    describe_invalid,
    hint,
    join_nonempty,
    print_error,
)
from piriod_async.cli.mirror_options import SyncOptions
from piriod_async.cli.progress import ProgressDisplay
from piriod_async.cli.streams import write_stdout
from piriod_async.mirror import Mirror, Sync, TooManyRemovedError


def sync_customers(options: SyncOptions) -> int:
    """Make a mirror equal to the customers of the workspaces, print what changed, and return the exit code.

    Raises:
        CommandError: The sync failed or was interrupted.
        click.UsageError: An option is wrong.
    """
    command = _SyncCommand(options, resolve_connection(options))
    with ExitStack() as stack:
        stack.enter_context(command_errors())
        if options.verbose:
            stack.enter_context(command.display.capturing_logs(logging.getLogger("piriod_async")))
        try:
            command.report(asyncio.run(command.run()))
        except TooManyRemovedError as error:
            raise CommandError(describe(error), exit_code=TOO_MANY_REMOVED) from error
    return OK


@define
class _SyncCommand:
    """One run of the command.

    Attributes:
        options: The command-line options.
        connection: The workspaces to read, and the arguments of `PiriodSession` for each.
        display: Progress on standard error.
        invalid: Some customers that cannot be decoded.
    """

    options: SyncOptions
    connection: Mapping[str, Mapping[str, Any]] = field(repr=False)
    display: ProgressDisplay = field(factory=ProgressDisplay, init=False)
    invalid: list[InvalidRecord] = field(factory=list, init=False)

    async def run(self) -> Sync:
        """Read the workspaces into the mirror."""
        async with open_sessions(self.options, self.connection) as sessions:
            listing = self._make_listing(sessions)  # validates the filters before a database is made
            async with Mirror(self.options.database, ignore=self.options.ignore) as mirror, self.display.refreshing():
                self.display.show(listing, self._label)
                sync = await mirror.sync(listing, **self.options.sync_arguments)
            records = listing.invalid
            self.invalid += chain(*records.values()) if isinstance(records, dict) else records
            return sync

    def report(self, sync: Sync) -> None:
        """Print what changed, and the errors of workspaces.

        Raises:
            CommandError: A workspace failed, or customers cannot be decoded.
        """
        if len(self.connection) == 1:
            for error in sync.errors.values():
                raise error
        if len(sync.errors) < len(self.connection):
            write_stdout(f"{summarize(sync, is_quick=self.options.quick)}\n".encode())
        skipped = describe_invalid("left as they were", sync.invalid, self.invalid)
        if not sync.errors:
            if skipped:
                raise CommandError(skipped, exit_code=INCOMPLETE)
            return
        for workspace, error in sync.errors.items():
            print_error(join_nonempty(f"{workspace}: {describe(error)}", hint(error)))
        if skipped:
            print_error(skipped)
        refused = any(isinstance(error, TooManyRemovedError) for error in sync.errors.values())
        failed = f"{len(sync.errors)} of {len(self.connection)} workspaces failed: {', '.join(sync.errors)}"
        raise CommandError(failed, exit_code=TOO_MANY_REMOVED if refused else INCOMPLETE)

    def _make_listing(self, sessions: Mapping[str, PiriodSession]) -> CustomerListing | WorkspaceListing:
        arguments = self.options.listing_arguments
        if self.options.multi_workspace:
            named = [session.with_options(workspace=workspace) for workspace, session in sessions.items()]
            return named[0].across(named, on_error="collect", **arguments)
        [(workspace, session)] = sessions.items()
        return session.customers(workspace=workspace, **arguments)

    @property
    def _label(self) -> str:
        return f"{len(self.connection)} workspaces" if len(self.connection) > 1 else next(iter(self.connection))


def summarize(sync: Sync, *, is_quick: bool) -> str:
    """Return what a sync changed, in one line; `is_quick`: whether it was asked to read only what is new."""
    counts = {name: getattr(sync, name) for name in ("added", "changed", "returned", "removed", "unchanged")}
    parts = [f"{count:,} {name}" for name, count in counts.items() if count is not None]
    if sync.removed is None:
        parts.append("removals not looked for")
    run = "dry run, nothing changed" if sync.dry_run else f"run {sync.run}"
    quick = ", quick" if sync.quick else ", read completely because quick was not enough" if is_quick else ""
    return f"{run}{quick}: {', '.join(parts)} ({sync.requests:,} request{'s' * (sync.requests != 1)})"
