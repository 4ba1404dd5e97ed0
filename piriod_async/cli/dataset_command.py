"""`customers --dask`: the workers of a cluster write a Parquet dataset."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from piriod_async import PiriodSession
from piriod_async.cli.command_errors import command_errors
from piriod_async.cli.connection import find_workspaces
from piriod_async.cli.messages import INCOMPLETE, OK, CommandError, describe, hint, print_error
from piriod_async.cli.options import Options

if TYPE_CHECKING:
    from piriod_async.integrations.dask import DatasetReport

MAX_ERRORS = 10  # printed; `_report.json` has all


def write_dataset(options: Options) -> int:
    """Write a dataset and return the exit code.

    Raises:
        CommandError: The cluster, or a workspace, failed.
        click.UsageError: An option is wrong, or a package is missing.
    """
    workspaces = find_workspaces(options)
    if not workspaces:
        raise click.UsageError("no workspace: expected --workspaces-file, --workspace or PIRIOD_WORKSPACE")
    arguments = {name: value for name, value in options.listing_arguments.items() if value is not None}
    arguments["ordering"] = options.listing_arguments["ordering"]  # None is an order too
    with command_errors():  # before a cluster is started for nothing
        PiriodSession("any-token").across(workspaces, **arguments)
    with command_errors(lambda: _resume_hint(options.output)):
        try:
            report = _write(options, workspaces, arguments)
        except ModuleNotFoundError as error:
            raise click.UsageError(str(error)) from error
        return _finish(options, report, len(workspaces))


def _resume_hint(folder: Path | None) -> str:
    """Return how to resume; empty if there is nothing to resume."""
    complete = folder and any(folder.glob("workspace=*/*.parquet"))
    return "the files that are complete stay: add --resume to continue" if complete else ""


def _finish(options: Options, report: "DatasetReport", workspaces: int) -> int:
    for workspace, failure in list(report.errors.items())[:MAX_ERRORS]:
        print_error(f"{workspace}: {describe(failure)}", hint(failure))
    print_error(str(report))
    if report.errors:
        failed = f"{len(report.errors)} of {workspaces} workspaces failed"
        raise CommandError(failed, f"see {options.output}/_report.json; add --resume to continue", exit_code=INCOMPLETE)
    return INCOMPLETE if report.invalid else OK


def _write(options: Options, workspaces: tuple[str, ...], arguments: dict[str, Any]) -> "DatasetReport":
    from piriod_async.integrations.dask import customers_to_parquet  # noqa: PLC0415 (needs an extra)
    from piriod_async.integrations.dask.cluster import connect  # noqa: PLC0415 (needs an extra)

    assert options.dask  # noqa: S101 (the caller checked it)
    assert options.output  # noqa: S101 (the options require it)
    session_options: dict[str, Any] = {"concurrency": options.concurrency}
    if options.base_url:
        session_options["base_url"] = options.base_url
    if options.test_mode:
        session_options["test_mode"] = True
    progress = Progress(
        TextColumn("workspaces"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
    with connect(options.dask) as client, progress:
        print_error(f"dashboard: {client.dashboard_link}")
        bar = progress.add_task("workspaces", total=len(workspaces))
        return customers_to_parquet(
            workspaces,
            options.output,
            client=client,
            requests_per_second=options.requests_per_second,
            session_options=session_options,  # type: ignore[arg-type]  # a TypedDict
            fields=options.fields,
            resume=options.resume,
            on_batch=lambda report: progress.update(bar, completed=report.workspaces),
            **arguments,
        )
