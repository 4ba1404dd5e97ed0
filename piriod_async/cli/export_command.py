"""The command `customers`: one workspace after the other, to a file or to standard output."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, aclosing, asynccontextmanager, nullcontext
from typing import Any

import click
from attrs import define, field

from piriod_async import CustomerListing, PiriodError, PiriodSession
from piriod_async.cli.messages import (
    ERROR,
    INCOMPLETE,
    INTERRUPTED,
    OK,
    Failure,
    exit_code,
    hint,
    in_a_line,
    joined,
    say,
    told,
)
from piriod_async.cli.options import Options
from piriod_async.cli.partial_files import Files, Part
from piriod_async.cli.progress import Progress
from piriod_async.export import Encoder


def list_customers(options: Options) -> int:
    """Do what the options ask for, and return the exit code.

    Raises:
        Failure: It came to an end before its time.
        click.UsageError: The options cannot be.
    """
    export = _Export(options, options.encoder(), options.parts(), _workspaces(options), _credentials(options))
    with ExitStack() as stack:
        if options.verbose:
            stack.enter_context(export.progress.logged(logging.getLogger("piriod_async")))
        try:
            asyncio.run(export.count() if options.count else export.read())
            return export.end()
        except KeyboardInterrupt:
            raise Failure(f"interrupted\n{export.kept()}".strip(), INTERRUPTED) from None
        except PiriodError as error:
            advice = joined(hint(error), export.kept())
            raise Failure(f"{told(error)}\n{advice}".strip(), exit_code(error)) from error
        except BrokenPipeError:  # the reader has had enough, as in `… | head`; nothing may be flushed to it at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return OK
        except OSError as error:
            raise Failure(f"{in_a_line(error)}\n{export.kept()}".strip(), ERROR) from error
        finally:
            export.close()


@define
class _Export:
    """What is read, and where it goes.

    Attributes:
        options: What was asked for.
        encoder: What makes bytes of customers, for standard output.
        parts: The files they go to; none for standard output.
        workspaces: Ids.
        credentials: Keywords of the session.
        failed: Workspaces that could not be read whole, where there are several.
    """

    options: Options
    encoder: Encoder
    parts: Sequence[Part]
    workspaces: tuple[str, ...]
    credentials: dict[str, Any] = field(repr=False)
    progress: Progress = field(factory=Progress, init=False)
    failed: dict[str, PiriodError] = field(factory=dict, init=False)
    _files: Files | None = field(default=None, init=False)
    _had: int = field(default=0, init=False)

    async def count(self) -> None:
        """Print how many customers there are."""
        async with self._session() as session:
            for workspace, listing in self._listings(session):
                try:
                    count = await listing.count()
                except PiriodError as error:
                    self._fail(workspace, error)
                else:
                    click.echo(f"{workspace}\t{count}" if self.options.labelled() else count)

    async def read(self) -> None:
        """Read all that is not there yet."""
        options = self.options
        async with self._session() as session:
            listings = self._listings(session)  # before a file is touched: it refuses what cannot be asked
            if self.parts:
                self._files = Files.open(self.parts, options.identity(self.workspaces), resume=options.resume)
                self._had = self._files.count
                if self._files.state.complete:
                    return
            else:
                self._print(self.encoder.header())
            async with self.progress.shown():
                for workspace, listing in listings:
                    if self._left != 0 and not (self._files and workspace in self._files.state.done):
                        try:
                            await self._one(workspace, listing, session)
                        except PiriodError as error:
                            self._fail(workspace, error)

    def end(self) -> int:
        """Give the files their names if all is there, say what is not, and return the exit code."""
        if self.failed:
            some = f"{len(self.failed)} of {len(self.workspaces)} workspaces failed: {', '.join(self.failed)}"
            raise Failure(f"{some}\n{self.kept()}".strip(), INCOMPLETE)
        if self._files:
            self._files.complete()
            if sys.stderr.isatty():
                say(f"{self._had:,} customers in {self.options.output}")
        return OK

    def kept(self) -> str:
        """Say what is there to go on with; nothing if there is nothing."""
        if not (self._files and self._files.count):
            return ""
        return f"{self._files.count:,} customers are kept in {self.parts[0].part}: add --resume to go on from there"

    def close(self) -> None:
        """Leave the files as they are."""
        if self._files:
            self._files.close()

    async def _one(self, workspace: str, listing: CustomerListing, session: PiriodSession) -> None:
        files, before = self._files, 0
        if files:
            files.rewind()
            self._had = files.count
            before = files.state.customers.get(workspace, 0)
            if after := files.state.checkpoints.get(workspace):
                listing = session.customers(workspace=workspace, after=after, **self.options.query)
        number = (
            f" ({self.workspaces.index(workspace) + 1} of {len(self.workspaces)})" if len(self.workspaces) > 1 else ""
        )
        self.progress.watch(listing, workspace + number, before=before, limit=self._left and before + self._left)
        written = None  # not `listing.checkpoint`: it covers a page as soon as it is in hand
        try:
            async with aclosing(listing.pages()) as pages:
                async for page in pages:
                    customers = page.customers[: self._left]
                    if not files:
                        self._print(self.encoder.encode(customers, workspace))
                    else:
                        due, written = files.write(customers, workspace), listing.checkpoint
                        if due and written:
                            files.commit(workspace, written)
                    self._had += len(customers)
                    if self._left == 0:
                        break
        except (PiriodError, asyncio.CancelledError):
            if files and written:
                files.commit(workspace, written)
            raise
        self.progress.refresh()
        if files:
            files.commit(workspace, done=True)

    @property
    def _left(self) -> int | None:
        """How many customers more may be written; None for any number."""
        return None if self.options.limit is None else max(self.options.limit - self._had, 0)

    def _listings(self, session: PiriodSession) -> list[tuple[str, CustomerListing]]:
        query = self.options.query
        return [(workspace, session.customers(workspace=workspace, **query)) for workspace in self.workspaces]

    def _fail(self, workspace: str, error: PiriodError) -> None:
        """Go on with the other workspaces, if there are any."""
        if len(self.workspaces) == 1:
            raise error
        self.failed[workspace] = error
        self.progress.say(joined(f"piriod-async: {workspace}: {told(error)}", hint(error)))

    def _print(self, data: bytes) -> None:
        with self.progress.aside() if sys.stdout.isatty() else nullcontext():
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    @asynccontextmanager
    async def _session(self) -> AsyncGenerator[PiriodSession, None]:
        options: dict[str, Any] = {"test_mode": self.options.test_mode, "concurrency": self.options.at_once}
        if self.options.sandbox is None:
            async with PiriodSession(**self.credentials, **options) as session:
                yield session
            return
        from piriod_async.testing.mock_server import MockServer  # noqa: PLC0415 (only those who use it pay for it)

        async with (
            MockServer(dict.fromkeys(self.workspaces, self.options.sandbox)) as sandbox,
            sandbox.session(**options) as session,
        ):
            yield session


def _workspaces(options: Options) -> tuple[str, ...]:
    """Return the ids of the workspaces, each once: a customer is not to come twice."""
    names = list(options.workspaces)
    if file := options.workspaces_file:
        try:
            lines = [line.partition("#")[0].strip() for line in file]
        except UnicodeDecodeError as error:
            raise click.UsageError(f"--workspaces-file {file.name}: expected text in UTF-8") from error
        names += filter(None, lines)
        if not names:  # and not all of another one, because whatever makes the file has failed
            raise click.UsageError(f"--workspaces-file {file.name}: expected an id at least")
    elif not names:
        found = os.environ.get("PIRIOD_WORKSPACE") or ("" if options.sandbox is None else "acc_sandbox")
        if not found:
            expected = "expected --workspace acc_…, PIRIOD_WORKSPACE, or --sandbox to try it out"
            raise click.UsageError(f"no workspace: {expected}")
        names = [found]
    return tuple(dict.fromkeys(names))


def _credentials(options: Options) -> dict[str, Any]:
    """Return the token and where to send it; asked for on a terminal, if nothing has it."""
    if options.sandbox is not None:
        if options.token_file:
            raise click.UsageError("--sandbox has a token of its own: expected no --token-file")
        return {}
    if options.token_file:
        try:
            token = options.token_file.read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise click.UsageError(f"--token-file {options.token_file}: {in_a_line(error)}") from error
        if not token:
            raise click.UsageError(f"--token-file {options.token_file} is empty: expected an API token")
    else:
        token = os.environ.get("PIRIOD_TOKEN", "")
    if not token and sys.stdin.isatty() and sys.stderr.isatty():
        token = click.prompt("Piriod API token", hide_input=True, err=True)
    if not token:
        raise click.UsageError("no token: expected PIRIOD_TOKEN, --token-file, or --sandbox to try it out")
    return {"token": token, **({"base_url": options.base_url} if options.base_url else {})}
