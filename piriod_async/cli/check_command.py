"""The `check` command: one request for each workspace."""

import asyncio
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from piriod_async import AccessReport, PiriodError, PiriodSession, RetryPolicy
from piriod_async.cli.command_errors import command_errors
from piriod_async.cli.connection import open_sessions, resolve_connection
from piriod_async.cli.connection_options import ConnectionOptions
from piriod_async.cli.messages import INCOMPLETE, OK, CommandError, describe, hint, print_error, to_line
from piriod_async.cli.streams import write_stdout

_LARGE_OFFSET = 60  # seconds; smaller ones are of no consequence


@frozen(kw_only=True)
class CheckOptions(ConnectionOptions):
    """The options of `check`.

    Attributes:
        timeout: Seconds for each request.
    """

    timeout: float


def check_access(options: CheckOptions) -> int:
    """Check each workspace, print a line for each, and return the exit code.

    Raises:
        CommandError: A workspace cannot be read.
        click.UsageError: An option is wrong.
    """
    connection = resolve_connection(options)
    with command_errors():
        _report(asyncio.run(_check_all(options, connection)))
    return OK


def _report(results: Mapping[str, AccessReport | PiriodError]) -> None:
    failed = {workspace: result for workspace, result in results.items() if isinstance(result, PiriodError)}
    for result in results.values():
        if isinstance(result, AccessReport):
            write_stdout(f"{_describe(result)}\n".encode())
    if len(results) == 1:
        for failure in failed.values():
            raise failure
    for workspace, failure in failed.items():
        print_error(f"{workspace}: {describe(failure)}", hint(failure))
    if failed:
        problem = f"{len(failed)} of {len(results)} workspaces failed: {', '.join(failed)}"
        raise CommandError(problem, exit_code=INCOMPLETE)


async def _check_all(
    options: CheckOptions, connection: Mapping[str, Mapping[str, Any]]
) -> dict[str, AccessReport | PiriodError]:
    async def check(session: PiriodSession, workspace: str) -> AccessReport | PiriodError:
        once = session.with_options(timeout=options.timeout, retry=RetryPolicy(attempts=1))
        try:
            return await once.check(workspace=workspace)
        except PiriodError as error:
            return error

    async with open_sessions(options, connection) as sessions:
        results = await asyncio.gather(*(check(session, workspace) for workspace, session in sessions.items()))
        return dict(zip(sessions, results, strict=True))


def _describe(report: AccessReport) -> str:
    data = "test data" if report.test_mode else "live data"
    text = f"{to_line(report.workspace)}: {report.customers:,} customers ({data}) in {report.latency * 1_000:.0f} ms"
    if report.clock_offset is not None and abs(report.clock_offset) > _LARGE_OFFSET:
        direction = "ahead of" if report.clock_offset > 0 else "behind"
        text += f"; the server's clock is {abs(report.clock_offset):,.0f} s {direction} this machine's"
    return text
