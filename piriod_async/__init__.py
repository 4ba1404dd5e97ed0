"""The customers of a Piriod workspace: all of them, exactly once, or an error that says why.

```python
async with PiriodSession(token="…", workspace="acc_…") as piriod:
    async for customer in piriod.customers(country="CL"):
        print(customer.id, customer.name, customer.aggregations.balance)
```

`PiriodSession` has the credentials, `CustomerListing` what can be done with a list, `Customer` the record. What may go
wrong is drawn in `piriod_async.errors`; to test against the API in miniature there is `piriod_async.sandbox`.
"""

from piriod_async.aiohttp_app import PIRIOD, piriod_context
from piriod_async.attempt import Attempt
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
from piriod_async.fanout import WorkspaceListing
from piriod_async.listing import CustomerListing
from piriod_async.models import (
    Aggregations,
    Checkpoint,
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
from piriod_async.retry import RetryPolicy
from piriod_async.session import PiriodSession

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
