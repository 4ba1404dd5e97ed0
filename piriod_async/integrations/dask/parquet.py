"""A Parquet dataset of many workspaces."""

import os
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import aclosing, closing
from typing import Unpack

from distributed import Client, secede

from piriod_async.export.fields import select_fields
from piriod_async.export.threads import run_in_thread
from piriod_async.integrations.dask.dataset import Dataset
from piriod_async.integrations.dask.plan import Batch, WorkspacesByToken, plan_batches
from piriod_async.integrations.dask.reading import Reading
from piriod_async.integrations.dask.report import DatasetReport
from piriod_async.integrations.dask.scheduling import BatchRunner, prepare
from piriod_async.integrations.dask.worker import WorkerSession, worker_plugin
from piriod_async.iteration import OnInvalid
from piriod_async.listing import CustomerListing
from piriod_async.query import CustomerFilters, show_filters
from piriod_async.session import SessionOptions
from piriod_async.validators import check_callback


@show_filters
def customers_to_parquet(
    workspaces: WorkspacesByToken,
    path: str | os.PathLike[str],
    *,
    client: Client,
    token_env: str = "PIRIOD_TOKEN",  # noqa: S107 (a name)
    workspaces_per_task: int = 50,
    requests_per_second: float | None = None,
    session_options: SessionOptions | None = None,
    fields: Iterable[str] | None = None,
    resume: bool = False,
    check_filters: bool = True,
    on_invalid: OnInvalid = "raise",
    on_batch: Callable[[DatasetReport], None] | None = None,
    **filters: Unpack[CustomerFilters],
) -> DatasetReport:
    """Write the customers of many workspaces to a Parquet dataset, and return a report.

    Each workspace is a hive partition, `workspace=acc_1/customers.parquet`, and all have one schema, which
    `piriod_async.export.arrow_format` describes. A file appears when it is complete, and `_report.json` at the end.
    A workspace that fails is in the report with its error, and keeps its earlier file; so do workspaces that are not
    listed.

    Args:
        workspaces: Workspace ids; or of several tokens, a mapping of the names of their environment variables to ids.
        path: A folder that all workers share, or a URL that fsspec knows, such as `s3://bucket/customers`.
        client: The cluster.
        token_env: Name of the environment variable with the token, on the workers; or of a function that they can
            import, `package.module:function`.
        workspaces_per_task: Workspaces that a task reads concurrently.
        requests_per_second: Maximum rate of requests for each token.
        session_options: Options of `PiriodSession` that differ from the environment of the workers.
        fields: Some of `FIELDS`, in the desired order; all if None.
        resume: Keep the files of an earlier run with the same query, rather than read their workspaces again.
        check_filters: As for `PiriodSession.customers`.
        on_invalid: As for `PiriodSession.customers`.
        on_batch: Called after each batch with the report so far, to show progress.
        **filters: As for `PiriodSession.customers`.

    Raises:
        ConfigurationError: An option is not valid, or a worker has no token.
        QueryError: A filter, or a workspace, is not valid.
        ExportError: A field is unknown.
        ConnectionError: The scheduler went away.
        OSError: A file cannot be written.
    """
    started = time.monotonic()
    check_callback("on_batch", on_batch)
    plan = plan_batches(workspaces, token_env, workspaces_per_task)
    arguments = {**filters, "check_filters": check_filters, "on_invalid": on_invalid}
    reading = Reading.checked(session_options, requests_per_second, arguments)
    names = None if fields is None else tuple(select_fields(fields))
    dataset = Dataset(Dataset.absolute(path), names, secrets.token_hex(8), resume)
    prepare(client)
    report = DatasetReport()
    runner = BatchRunner(client, write_batch, (reading, dataset), f"customers-to-parquet-{dataset.run}")
    with closing(runner.run(plan)) as batches:
        for _, future in batches:
            report.add(future.result())
            future.release()  # or Dask would read the batch again if the worker that has the result died
            if on_batch:
                on_batch(report)
    report.seconds = time.monotonic() - started
    dataset.write_report(report.to_dict())
    return report


def write_batch(batch: Batch, reading: Reading, dataset: Dataset) -> DatasetReport:
    """Write the files of a batch: the task that workers run."""
    plugin = worker_plugin()
    session = plugin.session(batch.token, reading.session_options)
    secede()  # the event loop does the work: the number of threads must not limit how many tokens are read at once
    return plugin.run(_BatchWriter(session, batch, reading, dataset).write())


class _BatchWriter:
    """Writes the files of a batch."""

    def __init__(self, session: WorkerSession, batch: Batch, reading: Reading, dataset: Dataset) -> None:
        self._counted = session
        self._session = session.session
        self._batch, self._reading, self._dataset = batch, reading, dataset
        self._report = DatasetReport()

    async def write(self) -> DatasetReport:
        """Read the workspaces that are not complete yet, and return the report."""
        requests, throttled = self._session.stats.requests, self._counted.throttled
        remaining = [each for each in self._batch.workspaces if not await run_in_thread(self._is_complete, each)]
        workspaces = self._session.across(remaining, on_error="collect", **self._reading.arguments)
        await workspaces.for_each(self._write_file)
        self._report.errors = workspaces.errors
        self._report.invalid = {workspace: records.total for workspace, records in workspaces.invalid.items()}
        self._report.requests = self._session.stats.requests - requests
        self._report.throttled = self._counted.throttled - throttled
        return self._report

    async def _write_file(self, listing: CustomerListing) -> None:
        file = await run_in_thread(self._dataset.create, listing.workspace, self._query(listing))
        try:
            async with aclosing(listing.pages()) as pages:
                async for page in pages:
                    await run_in_thread(file.write, page.customers)
            await run_in_thread(file.complete)
        except BaseException:
            await run_in_thread(file.discard)
            raise
        self._report.complete[listing.workspace] = file.rows

    def _is_complete(self, workspace: str) -> bool:
        listing = self._session.customers(workspace=workspace, **self._reading.arguments)
        found = self._dataset.complete_rows(workspace, self._query(listing))
        if found:
            rows, is_ours = found
            (self._report.complete if is_ours else self._report.skipped)[workspace] = rows
        return found is not None

    def _query(self, listing: CustomerListing) -> str:
        """Return a text that distinguishes the content of a file."""
        names = ",".join(self._dataset.fields or ())
        return f"{listing.fingerprint}&fields={names}&on_invalid={self._reading.arguments['on_invalid']}"
