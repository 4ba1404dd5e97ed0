"""The customers of a Piriod workspace: all of them, exactly once, or an error that says why.

```python
async with PiriodSession(token="…", workspace="acc_…") as piriod:  # or PiriodSession.from_env()
    listing = piriod.customers(country="CL", metadata={"plan": "gold"})  # nothing is sent yet
    async for customer in listing:  # pages arrive side by side, ahead of the loop
        print(customer.id, customer.name, customer.aggregations.balance)
```

`PiriodSession` has the credentials and the connections; one serves a whole process. `session.customers()` makes a
`CustomerListing`: `async for`, `.pages()`, `.count()`, `.first()`, `.collect()`, `.progress`, and `.checkpoint`, to go
on from after an interruption. `session.across()` makes a `WorkspaceListing`, of many workspaces side by side. Leave a
loop early inside `async with listing:`, and what is under way ends with it.

By `created`, the default order, or `"-created"`, a customer that matches from before the first request until after the
last is delivered exactly once, however the list changes meanwhile; `piriod_async.pagination.by_created` says how, and proves it. By any
other order a change that is seen is an `IncompleteListError`, after all that came.

`Customer` is the record: frozen, money as `Decimal`, datetimes with their zone. What may go wrong is drawn in
`piriod_async.errors`, below `PiriodError`. What may pass is tried again, as `RetryPolicy` says, and `on_attempt=` is
told of every `Attempt`.

In an aiohttp application, `app.cleanup_ctx.append(piriod_context())` and `request.app[PIRIOD]`. For tests there are
`piriod_async.testing.mock_server.MockServer`, the API in miniature, its pytest fixtures, and `piriod_async.transport.backoff.no_backoff`. Files
and tables are made by `piriod_async.export`, and by the command line, `piriod-async`.
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
