"""A dask DataFrame of the customers of many workspaces."""

from collections.abc import Iterable
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Unpack
from uuid import uuid4

import dask.dataframe as dd
from distributed import Client

from piriod_async.export.fields import select_fields
from piriod_async.export.threads import run_in_thread
from piriod_async.integrations.dask.plan import Batch, WorkspacesByToken, plan_batches
from piriod_async.integrations.dask.reading import Reading
from piriod_async.integrations.dask.scheduling import BatchRunner, prepare
from piriod_async.integrations.dask.worker import run_with_session
from piriod_async.query import CustomerFilters, check_names, show_filters
from piriod_async.session import PiriodSession, SessionOptions

if TYPE_CHECKING:
    import pandas as pd


@show_filters
def customers_dataframe(
    workspaces: WorkspacesByToken,
    *,
    client: Client,
    token_env: str = "PIRIOD_TOKEN",  # noqa: S107 (a name)
    workspaces_per_task: int = 50,
    requests_per_second: float | None = None,
    session_options: SessionOptions | None = None,
    fields: Iterable[str] | None = None,
    check_filters: bool = True,
    **filters: Unpack[CustomerFilters],
) -> dd.DataFrame:
    """Read the customers of many workspaces into the memory of the workers, as a dask DataFrame.

    The columns are `workspace` and the fields, with Arrow types (`piriod_async.export.arrow_format` describes them). It
    returns when everything is read, so computing it, however often, sends no request, unless a worker is lost. For more
    customers than the workers can hold, use `customers_to_parquet` and `dask.dataframe.read_parquet`.

    Args:
        workspaces: As for `customers_to_parquet`, as are the arguments that follow.
        client: The cluster.
        token_env: Name of the environment variable, or of the function.
        workspaces_per_task: Workspaces in a partition of the frame.
        requests_per_second: Maximum rate of requests for each token.
        session_options: Options of `PiriodSession`.
        fields: Some of `FIELDS`, in the desired order; all if None.
        check_filters: As for `PiriodSession.customers`.
        **filters: As for `PiriodSession.customers`.

    Raises:
        PiriodError: A workspace failed, or an argument is not valid.
        ConnectionError: The scheduler went away.
    """
    check_names(filters, customers_dataframe)
    plan = plan_batches(workspaces, token_env, workspaces_per_task)
    reading = Reading.checked(session_options, requests_per_second, {**filters, "check_filters": check_filters})
    names = None if fields is None else tuple(select_fields(fields))
    prepare(client)
    runner = BatchRunner(client, read_batch, (reading, names), f"dataframe-{uuid4().hex}")
    partitions = {}
    with closing(runner.run(plan)) as batches:
        for batch, future in batches:
            if future.status == "error":
                future.result()  # raises it
            partitions[batch] = future
    ordered = [partitions[batch] for batches in plan.values() for batch in batches]
    empty = _to_frame(names, ())
    frame: dd.DataFrame = dd.from_delayed(ordered, meta=empty) if ordered else dd.from_pandas(empty, npartitions=1)
    return frame


def read_batch(batch: Batch, reading: Reading, fields: tuple[str, ...] | None) -> "pd.DataFrame":
    """Return the customers of a batch: the task that workers run."""
    return run_with_session(
        batch.token, reading.session_options, lambda opened: _read(opened.session, batch, reading, fields)
    )


async def _read(
    session: PiriodSession, batch: Batch, reading: Reading, fields: tuple[str, ...] | None
) -> "pd.DataFrame":
    encoder = _encoder(fields)
    batches = []
    async with aclosing(session.across(batch.workspaces, **reading.arguments).pages()) as pages:
        async for workspace, page in pages:
            batches.append(await run_in_thread(encoder.batch, page.customers, workspace))
    return await run_in_thread(_to_frame, fields, batches)


def _encoder(fields: tuple[str, ...] | None) -> Any:
    from piriod_async.export.arrow_format import ArrowStreamEncoder  # noqa: PLC0415 (needs an extra)

    return ArrowStreamEncoder(fields, workspace_column=True)


def _to_frame(fields: tuple[str, ...] | None, batches: Iterable[Any]) -> "pd.DataFrame":
    import pandas as pd  # noqa: PLC0415 (slow to import)

    frame: pd.DataFrame = _encoder(fields).table(list(batches)).to_pandas(types_mapper=pd.ArrowDtype)
    return frame
