"""Which workspaces to read, with which token, from which server."""

import os
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import click

from piriod_async import PiriodSession
from piriod_async.cli.accounts import read_accounts
from piriod_async.cli.connection_options import MOCK_WORKSPACE, ConnectionOptions
from piriod_async.cli.tokens import token_from_file
from piriod_async.transport.auth import Secret


def resolve_connection(options: ConnectionOptions) -> dict[str, dict[str, Any]]:
    """Return the ids of the workspaces, without repeats, and the arguments of `PiriodSession` for each.

    They come from the options or the environment; a missing token is prompted for on a terminal.

    Raises:
        click.UsageError: Something is missing, or a file cannot be read.
    """
    common: dict[str, Any] = {"test_mode": options.test_mode}
    if options.base_url:
        common["base_url"] = options.base_url
    if options.accounts:
        return {workspace: common | account for workspace, account in _select_accounts(options).items()}
    workspaces, token = find_workspaces(options), _find_token(options)
    if options.mock is not None:
        return dict.fromkeys(workspaces or (MOCK_WORKSPACE,), common)
    if workspaces and not token and sys.stdin.isatty() and sys.stderr.isatty():
        token = Secret(click.prompt("Piriod API token", hide_input=True, err=True).strip())
        token = token if token.reveal() else None
    missing = []
    if not token:
        missing.append(("no token", "PIRIOD_TOKEN", "--token-file"))
    if not workspaces:
        missing.append(("no workspace", "PIRIOD_WORKSPACE", "--workspace"))
    if missing:
        absent, variables, settings = (" and ".join(names) for names in zip(*missing, strict=True))
        raise click.UsageError(f"{absent}: expected {variables} (or {settings}), or --mock to try it out")
    arguments = {"token": token, **common}
    return dict.fromkeys(workspaces, arguments)


def _select_accounts(options: ConnectionOptions) -> dict[str, dict[str, Any]]:
    """Return the accounts of the file: all, or those of the workspaces that options name."""
    assert options.accounts  # noqa: S101 (the caller checked it)
    accounts = read_accounts(options.accounts)
    if not (options.workspaces or options.workspaces_file):
        return accounts
    selected = find_workspaces(options)
    if unknown := [workspace for workspace in selected if workspace not in accounts]:
        raise click.UsageError(f"--accounts {options.accounts}: expected an account with the workspace {unknown[0]}")
    return {workspace: accounts[workspace] for workspace in selected}


def find_workspaces(options: ConnectionOptions) -> tuple[str, ...]:
    """Return the ids that the options or the environment name, without repeats; maybe none.

    Raises:
        click.UsageError: The file of ids cannot be read.
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
    elif not ids and (default := os.environ.get("PIRIOD_WORKSPACE", "").strip()):
        ids = [default]
    return tuple(dict.fromkeys(ids))


def _find_token(options: ConnectionOptions) -> "Secret | Callable[[], str] | None":
    if options.token_file:
        return token_from_file(options.token_file, "--token-file")
    token = Secret(os.environ.get("PIRIOD_TOKEN", "").strip())
    return token if token.reveal() else None


@asynccontextmanager
async def open_sessions(
    options: ConnectionOptions, connection: Mapping[str, Mapping[str, Any]]
) -> AsyncGenerator[dict[str, PiriodSession], None]:
    """Open the session of each workspace with the API, or with a mock server that runs inside the block."""
    limits: Any = {"concurrency": options.effective_concurrency, "requests_per_second": options.requests_per_second}
    if options.mock is None:
        first = next(iter(connection.values()))
        async with PiriodSession(**first, **limits) as session:
            yield {workspace: session.with_options(**arguments) for workspace, arguments in connection.items()}
        return
    # slow to import, and rarely used
    from piriod_async.testing.mock_server import MockServer  # noqa: PLC0415
    from piriod_async.testing.mock_server.local_name import LOCAL_URL, open_local_session  # noqa: PLC0415

    async with (
        MockServer(dict.fromkeys(connection, options.mock)) as server,
        open_local_session(server) as client_session,
        server.session(
            base_url=LOCAL_URL, client_session=client_session, test_mode=options.test_mode, **limits
        ) as session,
    ):
        yield dict.fromkeys(connection, session)
