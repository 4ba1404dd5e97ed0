"""Which workspaces to read, with which token, from which server."""

import os
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import click

from piriod_async import PiriodSession
from piriod_async.cli.options import Options
from piriod_async.plain_text import sanitize_line
from piriod_async.transport.auth import Secret

MOCK_WORKSPACE = "acc_mock"


def resolve_workspaces(options: Options) -> tuple[str, ...]:
    """Return the workspace ids without repeats, from the options or the environment.

    Raises:
        click.UsageError: No workspace is given, or the file cannot be read.
    """
    ids = list(options.workspaces)
    if file := options.workspaces_file:
        try:
            lines = [line.partition("#")[0].strip() for line in file]
        except UnicodeDecodeError as error:
            raise click.UsageError(f"--workspaces-file {file.name}: expected text in UTF-8") from error
        ids += filter(None, lines)
        if not ids:  # an empty file is a mistake, and must not select PIRIOD_WORKSPACE
            raise click.UsageError(f"--workspaces-file {file.name}: expected at least one id")
    elif not ids:
        default = os.environ.get("PIRIOD_WORKSPACE") or ("" if options.mock is None else MOCK_WORKSPACE)
        if not default:
            expected = "expected --workspace acc_…, PIRIOD_WORKSPACE, or --mock to try it out"
            raise click.UsageError(f"no workspace: {expected}")
        ids = [default]
    return tuple(dict.fromkeys(ids))


def resolve_credentials(options: Options) -> dict[str, Any]:
    """Return the token and base URL as arguments of `PiriodSession`; prompt for a missing token on a terminal.

    Raises:
        click.UsageError: There is no token, or its file cannot be read.
    """
    if options.mock is not None:
        return {}
    if options.token_file:
        try:
            token = options.token_file.read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise click.UsageError(f"--token-file {options.token_file}: {sanitize_line(error)}") from error
        if not token:
            raise click.UsageError(f"--token-file {options.token_file} is empty: expected an API token")
    else:
        token = os.environ.get("PIRIOD_TOKEN", "")
    if not token and sys.stdin.isatty() and sys.stderr.isatty():
        token = click.prompt("Piriod API token", hide_input=True, err=True)
    if not token:
        raise click.UsageError("no token: expected PIRIOD_TOKEN, --token-file, or --mock to try it out")
    return {"token": Secret(token), **({"base_url": options.base_url} if options.base_url else {})}


@asynccontextmanager
async def open_session(
    options: Options, workspaces: Sequence[str], credentials: Mapping[str, Any]
) -> AsyncGenerator[PiriodSession, None]:
    """Open a session with the API, or with a mock server that runs inside the block."""
    settings: dict[str, Any] = {"test_mode": options.test_mode, "concurrency": options.effective_concurrency}
    if options.mock is None:
        async with PiriodSession(**credentials, **settings) as session:
            yield session
        return
    from piriod_async.testing.mock_server import MockServer  # noqa: PLC0415 (slow to import, and rarely used)

    customers = dict.fromkeys(workspaces, options.mock)
    async with MockServer(customers) as server, server.session(**settings) as session:
        yield session
