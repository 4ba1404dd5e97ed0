"""The names of `piriod_async`, which imports them when the first of them is used."""

from piriod_async.access_report import AccessReport
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
    MultipleCustomersError,
    NotFoundError,
    PermissionDeniedError,
    PiriodError,
    QueryError,
    RateLimitError,
    ServerError,
    UnexpectedStatusError,
)
from piriod_async.integrations.aiohttp import PIRIOD, piriod_context
from piriod_async.integrations.aiohttp_errors import piriod_errors
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
from piriod_async.response_info import ResponseInfo
from piriod_async.session import PiriodSession
from piriod_async.transport.attempts import Attempt
from piriod_async.transport.retry_policy import RetryPolicy
from piriod_async.workspaces import WorkspaceListing

__all__ = [
    "PIRIOD",
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AccessReport",
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
    "MultipleCustomersError",
    "NotFoundError",
    "Page",
    "PermissionDeniedError",
    "PiriodError",
    "PiriodSession",
    "Progress",
    "QueryError",
    "RateLimitError",
    "ResponseInfo",
    "RetryPolicy",
    "ServerError",
    "State",
    "UnexpectedStatusError",
    "WorkspaceListing",
    "WorkspaceProgress",
    "piriod_context",
    "piriod_errors",
]
