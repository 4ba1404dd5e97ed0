"""The commands, their options, and what they refuse."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from piriod_async import ConfigurationError, PiriodSession
from piriod_async.cli.export_command import list_customers
from piriod_async.cli.messages import ERROR, INTERRUPTED, OK, USAGE, Failure, say
from piriod_async.cli.options import Options

SANDBOX_CUSTOMERS = 1_000
EXIT_CODES = """\b
Exit codes:
  0    all of it, or as much as the reader of a pipe took
  1    an error of the API, the network or a file
  2    wrong usage
  3    incomplete: the list moved too much, or some of several workspaces failed
  130  interrupted
"""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    if sys.stdout is None or sys.stderr is None:
        say("standard output or error is closed: expected both open")
        return USAGE
    try:
        return main.main(arguments, prog_name="piriod-async", standalone_mode=False) or OK
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except (click.ClickException, Failure, OSError) as error:
        return _tell(error)


def _tell(error: click.ClickException | Failure | OSError) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
    elif isinstance(error, click.ClickException):
        usage = error.ctx if isinstance(error, click.UsageError) else None
        say(error.format_message() + (f"\nTry '{usage.command_path} --help'." if usage else ""))
    else:
        say(str(error))
    return ERROR if isinstance(error, OSError) else error.exit_code


def _instant(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError as error:
        expected = "expected a date-time with its zone: 2026-01-31T00:00:00-03:00"
        raise click.BadParameter(f"{value!r}: {expected}") from error
    if instant.utcoffset() is None:
        stamp = instant.isoformat()
        raise click.BadParameter(
            f"{value!r} names no time zone, and the API would read it in its own: "
            f"expected a date-time with its zone: {stamp}-03:00, or {stamp}Z for UTC"
        )
    return instant


def _pairs(_: click.Context, __: click.Parameter, values: Sequence[str]) -> dict[str, str] | None:
    if wrong := [value for value in values if "=" not in value]:
        raise click.BadParameter(f"{wrong[0]!r}: expected KEY=VALUE")
    pairs = [value.split("=", 1) for value in values]
    keys = [key for key, _ in pairs]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise click.BadParameter(f"{twice[0]!r} is given twice: expected each key once")
    return dict(pairs) or None


def _once(_: click.Context, __: click.Parameter, values: Sequence[str]) -> str | None:
    if len(values) > 1:  # what click does by itself is to forget the first
        raise click.BadParameter(f"it is given {len(values)} times: expected one value")
    return values[0] if values else None


def _ids(_: click.Context, __: click.Parameter, values: Sequence[str]) -> Sequence[str]:
    for value in values:
        try:
            PiriodSession("mock-token", value)  # it knows what can be sent
        except ConfigurationError as error:
            raise click.BadParameter(str(error)) from error
    return values


def _names(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(name.strip() for name in value.split(","))


ONCE: dict[str, Any] = {"callback": _once, "multiple": True}
COUNT, AT_LEAST_ONE = click.IntRange(min=0), click.IntRange(min=1)
PATH = click.Path(dir_okay=False, path_type=Path)


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("piriod-async"), message="%(prog)s %(version)s")
def main() -> None:
    """The customers of a Piriod workspace: all of them, exactly once, or an error that says why."""


@main.command(epilog=EXIT_CODES)
@click.option("--country", **ONCE, metavar="ID", help='Country id, as in "CL".')
@click.option("--email", **ONCE, metavar="TEXT", help="E-mail address.")
@click.option("--name", **ONCE, metavar="TEXT", help="Name, or a part of it.")
@click.option("--tax-id", **ONCE, metavar="ID", help="Tax identifier (RUT, RFC, NIT, …).")
@click.option("--created-gte", callback=_instant, metavar="WHEN", help="Created at or after; with its zone.")
@click.option("--created-lte", callback=_instant, metavar="WHEN", help="Created at or before; with its zone.")
@click.option("--subscriptions", **ONCE, metavar="ID", help="Id of one of its subscriptions.")
@click.option("--sources", **ONCE, metavar="ID", help="Id of one of its payment sources.")
@click.option("--metadata", callback=_pairs, multiple=True, metavar="KEY=VALUE", help="In its metadata; repeatable.")
@click.option(
    "--ordering",
    default="created",
    show_default=True,
    metavar="FIELD",
    help='"created" and "-created" are exactly once and can be resumed; "" for the server\'s own order.',
)
@click.option("--no-check-filters", is_flag=True, help="Do not hold the answers against the filters.")
@click.option("--workspace", "workspaces", multiple=True, metavar="ID", help="If not PIRIOD_WORKSPACE; repeatable.")
@click.option(
    "--workspaces-file", type=click.File(encoding="utf-8-sig"), help="Ids of workspaces, a line each; - for stdin."
)
@click.option("--test-mode", is_flag=True, envvar="PIRIOD_TEST_MODE", help="Test data in place of live data.")
@click.option("--limit", type=AT_LEAST_ONE, metavar="N", help="Customers at most, of all workspaces together.")
@click.option("--count", is_flag=True, help="Only how many there are: one request for each workspace.")
@click.option("-o", "--output", type=PATH, metavar="FILE", help="Write to FILE, which appears when it is whole.")
@click.option(
    "--format",
    type=click.Choice(["table", "jsonl", "csv", "parquet"]),
    help="By default the suffix of FILE, a table on a terminal, jsonl in a pipe.",
)
@click.option("--fields", callback=_names, metavar="A,B,…", help="Some fields, in this order.")
@click.option("--contacts", type=PATH, metavar="FILE", help="The customers' contacts, as a second CSV file.")
@click.option("--raw-cells", is_flag=True, help="CSV without the apostrophe before texts such as =1+1 or +56 9 ….")
@click.option("--resume", is_flag=True, help="Go on with an interrupted export to FILE.")
@click.option("--token-file", type=PATH, metavar="FILE", help="File with the token; goes before PIRIOD_TOKEN.")
@click.option("--base-url", envvar="PIRIOD_BASE_URL", metavar="URL", help="Where the API is, if not in production.")
@click.option("--concurrency", type=AT_LEAST_ONE, default=8, show_default=True, metavar="N", help="Requests at once.")
@click.option(
    "--page-size",
    type=click.IntRange(1, 100),
    default=100,
    show_default=True,
    metavar="N",
    help="Customers asked for with one request; 10 at least by created.",
)
@click.option(
    "--sandbox",
    type=COUNT,
    is_flag=False,
    flag_value=SANDBOX_CUSTOMERS,
    metavar="[N]",
    help="List a sandbox of N customers, to try things on.",
)
@click.option("-v", "--verbose", is_flag=True, help="Report every attempt.")
def customers(**options: Any) -> int:
    """List customers, or export them to a file.

    The token comes from PIRIOD_TOKEN, from --token-file, or is asked for on a terminal: never an argument, which
    anybody could see. PIRIOD_WORKSPACE, PIRIOD_TEST_MODE and PIRIOD_BASE_URL count where no option does.

    \b
    piriod-async customers --country CL --metadata plan=gold
    piriod-async customers -o customers.parquet
    piriod-async customers -o customers.csv --contacts contacts.csv --resume
    """  # noqa: D301 (click wants the character itself)
    return list_customers(Options(**options))


@main.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="0 for any free one.")
@click.option(
    "--customers", "size", type=COUNT, default=SANDBOX_CUSTOMERS, show_default=True, metavar="N", help="In each."
)
@click.option(
    "--workspace",
    "workspaces",
    callback=_ids,
    multiple=True,
    default=["acc_mock"],
    metavar="ID",
    help="Repeatable.",
)
def sandbox(port: int, size: int, workspaces: Sequence[str]) -> None:
    """Serve the API in miniature until Ctrl-C, N customers in each workspace."""
    asyncio.run(_serve(port, dict.fromkeys(workspaces, size)))


async def _serve(port: int, workspaces: dict[str, int]) -> None:
    from piriod_async.testing.mock_server import MockServer  # noqa: PLC0415 (only those who use it pay for it)

    async with MockServer(workspaces, port=port) as served:
        click.echo(
            f"export PIRIOD_BASE_URL={served.url} PIRIOD_TOKEN={served.token} PIRIOD_WORKSPACE={served.workspace}"
        )
        click.echo(
            f"curl -H 'Authorization: Token {served.token}' -H 'x-simple-workspace: {served.workspace}' "
            f"'{served.url}/customers/?page_size=2'"
        )
        click.echo(f"workspaces: {' '.join(served.workspaces)}; Ctrl-C to stop")
        sys.stdout.flush()
        await asyncio.Event().wait()
