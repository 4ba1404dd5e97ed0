"""Which workspaces to read, with which token, from which server."""

import os
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import click

from piriod_async import PiriodSession
from piriod_async.cli.messages import describe_os_error
from piriod_async.cli.options import Options
from piriod_async.transport.auth import Secret

MOCK_WORKSPACE = "acc_mock"


def resolve_connection(options: Options) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return the workspace ids without repeats, and the token and base URL as arguments of `PiriodSession`.

    They come from the options or the environment; a missing token is prompted for on a terminal.

    Raises:
        click.UsageError: Something is missing, or a file cannot be read.
    """
    workspaces, token = _find_workspaces(options), _find_token(options)
    if options.mock is not None:
        return workspaces or (MOCK_WORKSPACE,), {}
    if workspaces and not token.reveal() and sys.stdin.isatty() and sys.stderr.isatty():
        token = Secret(click.prompt("Piriod API token", hide_input=True, err=True).strip())
    missing = []
    if not token.reveal():
        missing.append(("no token", "PIRIOD_TOKEN", "--token-file"))
    if not workspaces:
        missing.append(("no workspace", "PIRIOD_WORKSPACE", "--workspace"))
    if missing:
        absent, variables, settings = (" and ".join(names) for names in zip(*missing, strict=True))
        raise click.UsageError(f"{absent}: expected {variables} (or {settings}), or --mock to try it out")
    return workspaces, {"token": token, **({"base_url": options.base_url} if options.base_url else {})}


def _find_workspaces(options: Options) -> tuple[str, ...]:
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


def _find_token(options: Options) -> Secret:
    if not options.token_file:
        return Secret(os.environ.get("PIRIOD_TOKEN", "").strip())
    try:
        token = Secret(options.token_file.read_text(encoding="utf-8-sig").strip())
    except OSError as error:
        raise click.UsageError(f"--token-file {describe_os_error(error)}") from error
    except UnicodeDecodeError as error:
        raise click.UsageError(f"--token-file {options.token_file}: expected text in UTF-8") from error
    if not token.reveal():
        raise click.UsageError(f"--token-file {options.token_file} is empty: expected an API token")
    return token


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
