"""Functions that return a token for `PiriodSession`, from a file or a variable. They are called again after a 401."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import click

from piriod_async import ConfigurationError, PiriodSession
from piriod_async.cli.messages import describe_os_error


def token_from_file(path: Path, option: str) -> Callable[[], str]:
    """Return a function that reads a token from a file.

    Args:
        path: The file.
        option: Where it is named, for messages.

    Raises:
        click.UsageError: There is no valid token in it.
    """
    read = _file_reader(path.resolve())
    try:
        is_empty = not read()
    except OSError as error:
        error.filename = path
        raise click.UsageError(f"{option} {describe_os_error(error)}") from error
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{option} {path}: expected text in UTF-8") from error
    if is_empty:
        raise click.UsageError(f"{option} {path} is empty: expected an API token")
    _check(read, f"{option} {path}")
    return read


def token_from_variable(name: str, option: str) -> Callable[[], str]:
    """Return a function that reads a token from an environment variable.

    Args:
        name: The variable.
        option: Where it is named, for messages.

    Raises:
        click.UsageError: There is no valid token in it.
    """
    read = _variable_reader(name)
    if not read():
        raise click.UsageError(f"{option} {name} is not set: expected a variable with an API token")
    _check(read, f"{option} {name}")
    return read


@cache  # accounts with one token share its rate limit, and a session knows the token by its function
def _file_reader(path: Path) -> Callable[[], str]:
    def read_token_file() -> str:
        return path.read_text(encoding="utf-8-sig").strip()

    return read_token_file


@cache
def _variable_reader(name: str) -> Callable[[], str]:
    def read_token_variable() -> str:
        return os.environ.get(name, "").strip()

    return read_token_variable


def _check(read: Callable[[], str], source: str) -> None:
    try:
        PiriodSession(read())
    except ConfigurationError as error:
        raise click.UsageError(f"{source}: {error}") from error
