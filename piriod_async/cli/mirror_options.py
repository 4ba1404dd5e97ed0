"""The options of `sync` and `changes`."""

import sys
from pathlib import Path
from typing import Any

import click
from attrs import field, frozen

from piriod_async.cli.connection_options import ConnectionOptions
from piriod_async.transport.auth import SecretStr


@frozen(kw_only=True)
class SyncOptions(ConnectionOptions):
    """The options of `sync` by their parameter's name; `commands.py` describes them.

    Attributes:
        database: The path of a file, or the URL of a PostgreSQL database, which may have a password.
        filters: Arguments of `CustomerQuery`.
        max_removed: A share of the customers, or a number.
    """

    database: str = field(repr=False)
    filters: dict[str, Any]
    no_check_filters: bool
    skip_invalid: bool
    max_removed: float | int
    accept_removed: int | None
    ignore: tuple[str, ...]
    quick: bool
    dry_run: bool
    verbose: bool

    @property
    def listing_arguments(self) -> dict[str, Any]:
        """Arguments of `PiriodSession.customers`, except the workspace."""
        return {
            **self.filters,
            "check_filters": not self.no_check_filters,
            "on_invalid": "skip" if self.skip_invalid else "raise",
        }

    @property
    def sync_arguments(self) -> dict[str, Any]:
        """Arguments of `Mirror.sync`, except the listing."""
        return {name: getattr(self, name) for name in ("max_removed", "accept_removed", "quick", "dry_run")}


@frozen(kw_only=True)
class ChangesOptions:
    """The options of `changes` by their parameter's name; `commands.py` describes them.

    Raises:
        click.UsageError: There is no such database.
    """

    database: str = field(repr=False)
    since: int
    format: str | None

    def __attrs_post_init__(self) -> None:
        if "://" in self.database:
            return
        path = Path(self.database)
        if not path.exists() or (path.is_file() and not path.stat().st_size):  # a mirror would make it
            problem = "an empty file" if path.exists() else "no such file"
            raise click.UsageError(f"{self.database}: {problem}: expected a database that piriod-async sync made")

    @property
    def output_format(self) -> str:
        """The format to write."""
        return self.format or ("table" if sys.stdout.isatty() else "jsonl")


def parse_database(_: click.Context, __: click.Parameter, value: str) -> SecretStr:
    """Return the database, which may have a password.

    Raises:
        click.BadParameter: A mirror cannot be there, or not for long.
    """
    from piriod_async.mirror import Mirror, MirrorError  # noqa: PLC0415 (needs SQLite, and is rarely used)

    database = value = SecretStr(value)  # from here on, tracebacks show no password
    try:
        Mirror(database)
    except MirrorError as error:
        raise click.BadParameter(str(error).removeprefix("database=")) from error
    name = str(Path(value))
    if name == ":memory:" or (name.startswith("file:") and (":memory:" in name or "mode=memory" in name)):
        expected = "expected the path of a file, such as customers.db"
        raise click.BadParameter(f"{value} is in memory, and gone when the command ends: {expected}")
    return database


def parse_max_removed(_: click.Context, __: click.Parameter, value: str) -> float | int:
    """Return a share for `20%`, and a number for `50`.

    Raises:
        click.BadParameter: The text is neither.
    """
    number = value.strip().removesuffix("%")
    if number.isascii() and number.isdecimal():
        if number == value.strip():
            return int(number)
        if int(number) <= 100:  # noqa: PLR2004 (percent)
            return int(number) / 100
    raise click.BadParameter(f"{value!r}: expected a share of the customers, such as 20%, or a number, such as 50")
