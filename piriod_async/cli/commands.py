"""The commands and their options.

What a command runs is imported with its first run: `--help` and a wrong option need neither aiohttp nor rich.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from piriod_async.cli.connection_options import (
    MOCK_CUSTOMERS,
    MOCK_WORKSPACE,
    NON_NEGATIVE,
    PATH,
    POSITIVE,
    connection_options,
)
from piriod_async.cli.filter_options import FILTERS, MIRROR_FILTERS, filter_options
from piriod_async.cli.messages import ERROR, OK, USAGE, CommandError, describe_os_error, os_hint, print_error
from piriod_async.cli.mirror_options import ChangesOptions, SyncOptions, parse_database, parse_max_removed
from piriod_async.cli.signals import INTERRUPTED
from piriod_async.cli.streams import open_closed_streams
from piriod_async.version import VERSION

EXIT_CODES = """\b
Exit codes:
  0    success (also when the pipe is closed early)
  1    error of the API, the network or a file
  2    wrong usage
  3    incomplete: the list changed too much, a workspace failed, or customers were left out
  4    too many customers would be removed from a mirror, which stays as it was
  130  interrupted by Ctrl-C; 143 by SIGTERM, 129 by SIGHUP
"""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    open_closed_streams()
    if sys.stdout is None:
        print_error("standard output is closed: expected it open, or redirected to a file or /dev/null")
        return USAGE
    try:
        return cli.main(arguments, prog_name="piriod-async", standalone_mode=False) or OK
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.ClickException as error:
        _report(error)
        return error.exit_code
    except OSError as error:
        print_error(describe_os_error(error), os_hint(error))
        return ERROR


def _report(error: click.ClickException) -> None:
    """Print an error in one or two lines; click itself prints the usage as well."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    advice = error.advice if isinstance(error, CommandError) else ""
    if isinstance(error, click.UsageError) and error.ctx:
        advice = f"Try '{error.ctx.command_path} --help'."
    print_error(error.format_message(), advice)


def _split_names(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(name.strip() for name in value.split(","))


def _validate_workspaces(_: click.Context, __: click.Parameter, values: Sequence[str]) -> Sequence[str]:
    from piriod_async import ConfigurationError, PiriodSession  # noqa: PLC0415 (slow to import)

    for value in values:
        try:
            PiriodSession("any-token", value)
        except ConfigurationError as error:
            raise click.BadParameter(str(error)) from error
    return values


_database_argument = click.argument("database", callback=parse_database)


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, message="%(prog)s %(version)s")
def cli() -> None:
    """List and export the customers of Piriod workspaces.

    The result has every matching customer exactly once, even if the list changes meanwhile; otherwise the command
    fails.
    """


@cli.command(epilog=EXIT_CODES)
@filter_options(FILTERS)
@click.option("--no-check-filters", is_flag=True, help="Do not verify that results match the filters.")
@click.option("--skip-invalid", is_flag=True, help="Leave out customers that cannot be decoded, and report them.")
@click.option("--limit", type=POSITIVE, metavar="N", help="Maximum number of customers, over all workspaces.")
@click.option("--count", is_flag=True, help="Print only the number of customers: one request per workspace.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write to FILE, renamed into place when complete; with --dask, to a folder.",
)
@click.option(
    "--format",
    type=click.Choice(["table", "jsonl", "csv", "parquet"]),
    help="Default: by the suffix of FILE; else a table on a terminal, jsonl in a pipe.",
)
@click.option("--fields", callback=_split_names, metavar="A,B,...", help="Fields to write, in this order.")
@click.option("--contacts-output", type=PATH, metavar="FILE", help="Write the contacts to a second CSV file.")
@click.option(
    "--no-escape-formulas",
    is_flag=True,
    help="Leave out the apostrophe that keeps spreadsheets from running text such as =1+1 (CSV).",
)
@click.option("--bom", is_flag=True, help="Begin the CSV with a byte order mark, by which spreadsheets know UTF-8.")
@click.option("--resume", is_flag=True, help="Resume an interrupted export to FILE.")
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Let the workers of a Dask cluster write a Parquet dataset: its scheduler, or local for this machine.",
)
@connection_options
@click.option("-v", "--verbose", is_flag=True, help="Log every attempt to standard error.")
def customers(**options: Any) -> int:
    """List customers, or export them to a file.

    The token is read from PIRIOD_TOKEN or --token-file, or prompted for on a terminal. It cannot be an argument,
    because other users could see it in the process list. PIRIOD_WORKSPACE, PIRIOD_TEST_MODE and PIRIOD_BASE_URL are
    defaults for the options.

    A file of --accounts has a table [[accounts]] for each: workspaces = ["acc_1"] (or workspace), token_file or
    token_variable, and if they differ base_url and test_mode. --workspace selects some of them.

    \b
    piriod-async customers --country CL --metadata plan=gold
    piriod-async customers -o customers.parquet
    piriod-async customers -o customers.csv --contacts-output contacts.csv --resume
    """  # noqa: D301 (click needs the character itself)
    from piriod_async.cli.export_command import export_customers  # noqa: PLC0415 (slow to import)
    from piriod_async.cli.options import Options  # noqa: PLC0415

    filters = {name: options.pop(name) for name in FILTERS}
    checked = Options(filters=filters, **options)
    if not checked.dask:
        return export_customers(checked)
    from piriod_async.cli.dataset_command import write_dataset  # noqa: PLC0415 (needs an extra)

    return write_dataset(checked)


@cli.command(epilog=EXIT_CODES)
@connection_options
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Seconds for each request.",
)
def check(**options: Any) -> int:
    """Check that the token is valid, the workspace readable and the network in order.

    Sends one request for each workspace, and no retry: fit for a container's health check.
    """
    from piriod_async.cli.check_command import CheckOptions, check_access  # noqa: PLC0415 (slow to import)

    return check_access(CheckOptions(**options))


@cli.command(epilog=EXIT_CODES)
@_database_argument
@filter_options(MIRROR_FILTERS)
@click.option("--no-check-filters", is_flag=True, help="Do not verify that results match the filters.")
@click.option("--skip-invalid", is_flag=True, help="Leave customers that cannot be decoded as they were.")
@click.option(
    "--max-removed",
    default="20%",
    show_default=True,
    callback=parse_max_removed,
    metavar="N|N%",
    help="Change nothing if more customers of a workspace would be removed. By N%, 10 may, but not all.",
)
@click.option("--accept-removed", type=POSITIVE, metavar="N", help="Remove up to N customers in this run.")
@click.option("--ignore", multiple=True, metavar="FIELD", help="Field whose changes do not count. Repeatable.")
@click.option(
    "--quick", is_flag=True, help="Read only new and updated customers, if that explains how many there are; else all."
)
@click.option("--dry-run", is_flag=True, help="Print what would change, and change nothing.")
@connection_options
@click.option("-v", "--verbose", is_flag=True, help="Log every attempt to standard error.")
def sync(**options: Any) -> int:
    """Make DATABASE a mirror of the customers, and print what was added, changed and removed.

    DATABASE is a file, which SQLite makes (customers.db), or postgresql://user@host/name. Leave a password to
    PGPASSWORD or ~/.pgpass, because other users could see it in the process list. Its view customers has one row for
    each customer.

    A customer that no longer matches the filters is removed. The history keeps removed customers.

    \b
    piriod-async sync customers.db
    piriod-async sync customers.db --country CL --dry-run
    piriod-async sync postgresql://user@localhost/erp --workspaces-file workspaces.txt
    """  # noqa: D301 (click needs the character itself)
    from piriod_async.cli.sync_command import sync_customers  # noqa: PLC0415 (needs SQLite, and is rarely used)

    filters = {name: options.pop(name) for name in MIRROR_FILTERS}
    return sync_customers(SyncOptions(filters=filters, **options))


@cli.command(epilog=EXIT_CODES)
@_database_argument
@click.option("--since", type=NON_NEGATIVE, default=0, metavar="RUN", help="Leave out this run and those before it.")
@click.option(
    "--format", type=click.Choice(["table", "jsonl"]), help="Default: a table on a terminal, jsonl in a pipe."
)
def changes(**options: Any) -> int:
    """Print the changes that the runs of sync found in DATABASE.

    A line of jsonl has run, kind (added, changed, returned or removed), workspace, id, and fields: the old and the new
    value of each field that differs.
    """
    from piriod_async.cli.changes_command import print_changes  # noqa: PLC0415 (needs SQLite, and is rarely used)

    return print_changes(ChangesOptions(**options))


@cli.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="0 for any free port.")
@click.option(
    "--customers",
    type=NON_NEGATIVE,
    default=MOCK_CUSTOMERS,
    show_default=True,
    metavar="N",
    help="Customers per workspace.",
)
@click.option(
    "--workspace",
    "workspaces",
    callback=_validate_workspaces,
    multiple=True,
    default=[MOCK_WORKSPACE],
    show_default=True,
    metavar="ID",
    help="Workspace id. Repeatable.",
)
def mock_server(port: int, customers: int, workspaces: Sequence[str]) -> None:
    """Run a local mock server until Ctrl-C or SIGTERM."""
    asyncio.run(_serve(port, dict.fromkeys(workspaces, customers)))


async def _serve(port: int, workspaces: dict[str, int]) -> None:
    from piriod_async.testing.mock_server import MockServer  # noqa: PLC0415 (slow to import, and rarely used)

    async with MockServer(workspaces, port=port) as server:
        click.echo(
            f"export PIRIOD_BASE_URL={server.url} PIRIOD_TOKEN={server.token} PIRIOD_WORKSPACE={server.workspace}"
        )
        click.echo(
            f"curl -H 'Authorization: Token {server.token}' -H 'x-simple-workspace: {server.workspace}' "
            f"'{server.url}/customers/?page_size=2'"
        )
        click.echo(f"workspaces: {' '.join(server.workspaces)}; Ctrl-C to stop")
        sys.stdout.flush()
        await asyncio.Event().wait()
