"""A Parquet dataset of many workspaces."""

import os
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Unpack

from distributed import Client

from piriod_async.errors import QueryError
from piriod_async.export.fields import select_fields
from piriod_async.integrations.dask.batch import write_batch
from piriod_async.integrations.dask.dataset import Dataset
from piriod_async.integrations.dask.plan import WorkspacesByToken, plan_batches
from piriod_async.integrations.dask.reading import Reading
from piriod_async.integrations.dask.report import DatasetReport
from piriod_async.integrations.dask.scheduling import BatchRunner, prepare
from piriod_async.iteration import OnInvalid
from piriod_async.query import CustomerFilters, CustomerQuery, check_names, show_filters
from piriod_async.session import SessionOptions
from piriod_async.validators import check_callback, check_positive_int


@show_filters
def customers_to_parquet(
    workspaces: WorkspacesByToken,
    path: str | os.PathLike[str],
    *,
    client: Client,
    token_env: str = "PIRIOD_TOKEN",  # noqa: S107 (a name)
    workspaces_per_task: int = 50,
    customers_per_part: int | None = None,
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
        customers_per_part: Read a workspace with more customers in parts of about as many (`CustomerListing.split`), so
            that a worker that dies, or a run that is resumed, loses no more than a part. The parts become one file when
            all are there. Needs an ordering by `created`, and takes one more request for each workspace.
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
        ExportError: A field is unknown, or the path is a file.
        ConnectionError: The scheduler went away.
        OSError: A file cannot be written.
    """
    started = time.monotonic()
    check_names(filters, customers_to_parquet)
    check_callback("on_batch", on_batch)
    if customers_per_part is not None:
        check_positive_int("customers_per_part", customers_per_part)
        if not (query := CustomerQuery(**filters)).orders_by_created:
            raise QueryError(f"customers_per_part={customers_per_part}: expected None for ordering={query.ordering!r}")
    plan = plan_batches(workspaces, token_env, workspaces_per_task)
    arguments = {**filters, "check_filters": check_filters, "on_invalid": on_invalid}
    reading = Reading.checked(session_options, requests_per_second, arguments)
    names = None if fields is None else tuple(select_fields(fields))
    dataset = Dataset(Dataset.absolute(path), names, secrets.token_hex(8), resume, customers_per_part)
    prepare(client)
    report = DatasetReport()
    runner = BatchRunner(client, write_batch, (reading, dataset), f"parquet-{dataset.run}")
    with closing(runner.run(plan)) as batches:
        for _, future in batches:
            report.add(future.result())
            future.release()  # or Dask would read the batch again if the worker that has the result died
            if on_batch:
                on_batch(report)
    report.seconds = time.monotonic() - started
    dataset.write_report(report.to_dict())
    return report
