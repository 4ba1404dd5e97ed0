"""Dask: the customers of many workspaces, read by the workers of a cluster.

```python
from dask.distributed import Client
from piriod_async.integrations.dask import customers_to_parquet

client = Client("scheduler:8786")  # or Client(), for the cores of this machine
report = customers_to_parquet(workspaces, "lake/customers/", client=client, country="CL")
```

The limit of the API is per token, so all workspaces of a token are read by one worker at a time, in batches: more
workers help where there are several tokens. `{"TOKEN_A": ["acc_1", …], "TOKEN_B": […]}` maps the names of environment
variables to workspaces. A worker that dies hands its tokens, and the batches that it had begun, to others.

No token leaves a process: each worker reads it from its own environment. The other settings are those of
`PiriodSession.from_env` on the worker (`PIRIOD_BASE_URL`, `PIRIOD_TEST_MODE`), or `session_options`.
"""

try:
    import dask.dataframe  # noqa: F401
    import distributed  # noqa: F401
except ImportError as error:  # dask.dataframe raises a plain one for a package that it lacks
    raise ModuleNotFoundError(
        "piriod_async.integrations.dask needs distributed and dask: pip install 'piriod-async[dask]'",
        name="distributed",
    ) from error

from piriod_async.integrations.dask.dataframe import customers_dataframe
from piriod_async.integrations.dask.parquet import customers_to_parquet
from piriod_async.integrations.dask.report import DatasetReport

__all__ = ["DatasetReport", "customers_dataframe", "customers_to_parquet"]
