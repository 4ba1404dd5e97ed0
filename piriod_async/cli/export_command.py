"""The `customers` command: writes one workspace after the other, to files or to standard output."""

import asyncio
import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, aclosing, nullcontext
from typing import Any

import click
from attrs import define, field

from piriod_async import CustomerListing, InvalidRecord, PiriodError, PiriodSession
from piriod_async.cli.command_errors import command_errors
from piriod_async.cli.connection import open_sessions, resolve_connection
from piriod_async.cli.messages import (
    INCOMPLETE,
    MAX_EXAMPLES,
    OK,
    CommandError,
    describe,
    describe_invalid,
    hint,
    join_nonempty,
    print_error,
)
from piriod_async.cli.options import Options
from piriod_async.cli.outputs import make_encoder, make_files
from piriod_async.cli.partial_files import PartialFile, ResumableExport
from piriod_async.cli.progress import ProgressDisplay
from piriod_async.cli.read_ahead import CountAhead, ListingAhead, take_ahead
from piriod_async.cli.streams import is_pipe, write_stdout
from piriod_async.export import FIELDS, Encoder, ExportError

LISTINGS_AHEAD_PER_REQUEST = 3  # listings that are read ahead, for each request that may be in flight


def export_customers(options: Options) -> int:
    """Export or count customers and return the exit code.

    Raises:
        CommandError: The export failed or was interrupted.
        click.UsageError: An option is wrong.
    """
    try:
        encoder = make_encoder(options)
        files = make_files(options, encoder)
    except ExportError as error:
        raise click.UsageError(describe(error)) from error
    except ModuleNotFoundError as error:
        raise click.UsageError(str(error)) from error
    if unknown := options.unknown_orderings:
        names, known = ",".join(unknown), f"expected some of {', '.join(FIELDS)}"
        print_error(f"warning: --ordering {names}: customers have no such field, so the API may ignore it", known)
    export = _Export(options, encoder, files, resolve_connection(options))
    with ExitStack() as stack:
        stack.callback(export.close)
        stack.enter_context(command_errors(export.resume_hint))
        if options.verbose:
            stack.enter_context(export.display.capturing_logs(logging.getLogger("piriod_async")))
        asyncio.run(export.count() if options.count else export.run())
        export.finish()
    return OK


@define
class _Export:
    """One run of the command.

    Attributes:
        options: The command-line options.
        encoder: Encodes customers for standard output.
        files: Files to write; empty for standard output.
        connection: The workspaces to read, and the arguments of `PiriodSession` for each.
        display: Progress on standard error.
        errors: Errors by workspace, if there are several workspaces.
        invalid: Number of customers that were left out, by workspace.
        invalid_examples: Some of them.
    """

    options: Options
    encoder: Encoder
    files: Sequence[PartialFile]
    connection: dict[str, dict[str, Any]] = field(repr=False)
    display: ProgressDisplay = field(init=False)
    errors: dict[str, PiriodError] = field(factory=dict, init=False)
    invalid: dict[str, int] = field(factory=dict, init=False)
    invalid_examples: list[InvalidRecord] = field(factory=list, init=False)
    _resumable: ResumableExport | None = field(default=None, init=False)
    _written: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.display = ProgressDisplay(disable=not self.files and is_pipe(sys.stdout))

    async def count(self) -> None:
        """Print the number of customers of each workspace."""
        async with open_sessions(self.options, self.connection) as sessions:
            counts = (CountAhead(listing) for _, listing in self._listings(sessions))
            async with aclosing(take_ahead(counts, self._max_ahead)) as taken:
                async for each in taken:
                    workspace = each.listing.workspace
                    try:
                        count = await each.count()
                    except PiriodError as error:
                        self._record_failure(workspace, error)
                    else:
                        line = f"{workspace}\t{count}\n" if self.options.multi_workspace else f"{count}\n"
                        self._print(line.encode())

    async def run(self) -> None:
        """Write all customers that a previous run has not written."""
        options = self.options
        async with open_sessions(options, self.connection) as sessions:
            listings = self._listings(sessions)  # validates the filters before a file is touched
            done: Sequence[str] = ()
            if self.files:
                fingerprint = options.fingerprint(self.connection)
                self._resumable = ResumableExport.open(self.files, fingerprint, resume=options.resume)
                if self._resumable.note:
                    print_error(self._resumable.note)
                self._written, done = self._resumable.state.count, self._resumable.state.done
                self.invalid = dict(self._resumable.state.invalid)
                if self._resumable.state.complete:
                    return
            else:
                self._print(self.encoder.header())
            missing = [self._resume(listing, sessions) for workspace, listing in listings if workspace not in done]
            async with self.display.refreshing():
                try:
                    await self._export_each(missing)
                finally:
                    if self._resumable:
                        self._resumable.save()

    def finish(self) -> None:
        """Rename complete files into place and report the result.

        Raises:
            CommandError: A workspace failed, or customers were left out.
        """
        skipped = describe_invalid("left out", sum(self.invalid.values()), self.invalid_examples)
        if self.errors:
            if skipped:
                print_error(skipped)
            failed = f"{len(self.errors)} of {len(self.workspaces)} workspaces failed: {', '.join(self.errors)}"
            raise CommandError(failed, self.resume_hint(), exit_code=INCOMPLETE)
        if self._resumable:
            self._resumable.complete()
            if sys.stderr.isatty():
                print_error(f"{self._written:,} customers in {self.options.output}")
        elif not self.options.count:
            self._print(self.encoder.footer())
        if skipped:
            raise CommandError(skipped, exit_code=INCOMPLETE)

    def resume_hint(self) -> str:
        """Return how to resume; empty if there is nothing to resume."""
        if not (self._resumable and self._resumable.count):
            return ""
        return f"{self._resumable.count:,} customers are kept in {self.files[0].path}: add --resume to continue"

    def close(self) -> None:
        """Close the files."""
        if self._resumable:
            self._resumable.close()

    async def _export_each(self, listings: Iterable[CustomerListing]) -> None:
        limit = 0 if self.options.limit else self._max_ahead
        async with aclosing(take_ahead(map(ListingAhead, listings), limit)) as taken:
            async for each in taken:
                if self._remaining == 0:
                    break
                try:
                    await self._export_workspace(each)
                except PiriodError as error:
                    self._record_failure(each.listing.workspace, error)

    async def _export_workspace(self, ahead: ListingAhead) -> None:
        listing = ahead.listing
        workspace, resumable, already_written = listing.workspace, self._resumable, 0
        if resumable:
            resumable.rollback()  # what a failed workspace left uncommitted
            self._written = resumable.state.count
            already_written = resumable.state.customers.get(workspace, 0)
        self._show_progress(workspace, listing, already_written)
        invalid_before = self.invalid.get(workspace, 0)
        checkpoint = None  # of what is written; listing.checkpoint already covers the page that is being written
        try:
            async with aclosing(ahead.pages()) as pages:
                async for each in pages:
                    customers = each.page.customers[: self._remaining]
                    if not resumable:
                        self._print(self.encoder.encode(customers, workspace))
                    else:
                        commit_due, checkpoint = resumable.write(customers, workspace), each.checkpoint
                        self.invalid[workspace] = invalid_before + each.invalid
                        if commit_due and checkpoint:
                            resumable.commit(workspace, checkpoint, invalid=self.invalid[workspace])
                    self._written += len(customers)
                    if self._remaining == 0:
                        break
        except (PiriodError, asyncio.CancelledError):
            if resumable and checkpoint:
                resumable.commit(workspace, checkpoint, invalid=self.invalid[workspace])
            raise
        finally:
            self.invalid_examples += listing.invalid[: MAX_EXAMPLES - len(self.invalid_examples)]
        self.invalid[workspace] = invalid_before + listing.invalid.total
        self.display.refresh()
        if resumable:
            resumable.commit(workspace, invalid=self.invalid[workspace], done=True)

    def _resume(self, listing: CustomerListing, sessions: Mapping[str, PiriodSession]) -> CustomerListing:
        """Return the listing, from where an interrupted export of it ended."""
        workspace = listing.workspace
        after = self._resumable.state.checkpoints.get(workspace) if self._resumable else None
        if not after:
            return listing
        return sessions[workspace].customers(workspace=workspace, after=after, **self.options.listing_arguments)

    def _show_progress(self, workspace: str, listing: CustomerListing, already_written: int) -> None:
        label, count, remaining = workspace, len(self.workspaces), self._remaining
        if count > 1:
            label += f" ({self.workspaces.index(workspace) + 1} of {count})"
        limit = None if remaining is None else already_written + remaining
        self.display.show(listing, label, written=already_written, limit=limit)

    @property
    def _max_ahead(self) -> int:
        return LISTINGS_AHEAD_PER_REQUEST * self.options.concurrency

    @property
    def _remaining(self) -> int | None:
        """How many more customers the limit allows; None without a limit."""
        return None if self.options.limit is None else max(self.options.limit - self._written, 0)

    @property
    def workspaces(self) -> tuple[str, ...]:
        """Ids of the workspaces to read."""
        return tuple(self.connection)

    def _listings(self, sessions: Mapping[str, PiriodSession]) -> list[tuple[str, CustomerListing]]:
        arguments = self.options.listing_arguments
        return [(name, session.customers(workspace=name, **arguments)) for name, session in sessions.items()]

    def _record_failure(self, workspace: str, error: PiriodError) -> None:
        """Report an error and continue with the other workspaces, if there are any."""
        if len(self.workspaces) == 1:
            raise error
        self.errors[workspace] = error
        self.display.print_line(join_nonempty(f"piriod-async: {workspace}: {describe(error)}", hint(error)))

    def _print(self, data: bytes) -> None:
        with self.display.suspended() if sys.stdout.isatty() else nullcontext():
            write_stdout(data)
