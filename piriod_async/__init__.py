"""An asyncio client for the Piriod customers API: every matching customer exactly once, or an error.

```python
async with PiriodSession(token="…", workspace="acc_…") as piriod:  # or PiriodSession.from_env()
    async for customer in piriod.customers(country="CL", metadata={"plan": "gold"}):
        print(customer.id, customer.name, customer.aggregations.balance)
```

- `PiriodSession` holds the credentials and connections; one serves a process. Its `customers()` returns a
  `CustomerListing`, its `across()` a `WorkspaceListing` of many workspaces. A listing sends nothing until it is read.
- `Customer` is the record: frozen, money as `Decimal`, datetimes with their time zone.
- With the default `ordering="created"`, or `"-created"`, a customer that matches from before the first request until
  after the last is returned exactly once, even if the list changes; `piriod_async.pagination.by_created` has the proof.
  With another ordering, a change that is noticed raises `IncompleteListError` after the last customer.
- `Checkpoint` resumes an interrupted listing.
- Every error is a `PiriodError`; `piriod_async.errors` has the tree.
- `RetryPolicy` configures retries, and `on_attempt=` receives every `Attempt`.
- `piriod_context` and `PIRIOD` bind a session to an aiohttp application.

Imported on demand: `piriod_async.export` (JSON lines, CSV, Parquet, Arrow), `piriod_async.testing` (a mock server and
pytest fixtures) and the command line, `piriod-async`.
"""

from piriod_async.checkpoint import Checkpoint
from piriod_async.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    DecodeError,
    FilterIgnoredError,
    IncompleteListError,
    NotFoundError,
    PermissionDeniedError,
    PiriodError,
    QueryError,
    RateLimitError,
    ServerError,
    UnexpectedStatusError,
)
from piriod_async.integrations.aiohttp import PIRIOD, piriod_context
from piriod_async.invalid import InvalidRecord, InvalidRecords
from piriod_async.listing import CustomerListing
from piriod_async.models import (
    Aggregations,
    Contact,
    Country,
    Customer,
    CustomerStatus,
    Page,
    Progress,
    State,
    WorkspaceProgress,
)
from piriod_async.query import CustomerQuery
from piriod_async.session import PiriodSession
from piriod_async.transport.attempts import Attempt
from piriod_async.transport.retry_policy import RetryPolicy
from piriod_async.workspaces import WorkspaceListing

__all__ = [
    "PIRIOD",
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "Aggregations",
    "Attempt",
    "AuthenticationError",
    "BadRequestError",
    "Checkpoint",
    "ConfigurationError",
    "Contact",
    "Country",
    "Customer",
    "CustomerListing",
    "CustomerQuery",
    "CustomerStatus",
    "DecodeError",
    "FilterIgnoredError",
    "IncompleteListError",
    "InvalidRecord",
    "InvalidRecords",
    "NotFoundError",
    "Page",
    "PermissionDeniedError",
    "PiriodError",
    "PiriodSession",
    "Progress",
    "QueryError",
    "RateLimitError",
    "RetryPolicy",
    "ServerError",
    "State",
    "UnexpectedStatusError",
    "WorkspaceListing",
    "WorkspaceProgress",
    "piriod_context",
]
