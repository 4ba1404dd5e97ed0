"""The errors that this library raises.

```
PiriodError
├── ConfigurationError (ValueError)     bad token, workspace, base_url or session; nothing was sent
├── QueryError (ValueError)             a filter, ordering or page_size the API would misread; nothing was sent
├── APIConnectionError                  no complete response: refused, reset, cut off, or the session was closed
│   └── APITimeoutError                 no complete response within the timeout
├── APIStatusError                      a response with a status other than 200
│   ├── BadRequestError                 400, with `errors` by field
│   ├── AuthenticationError             401
│   ├── PermissionDeniedError           403
│   ├── NotFoundError                   404
│   ├── RateLimitError                  429, with `retry_after`
│   ├── ServerError                     5xx
│   └── UnexpectedStatusError           any other: redirects, 204, 402, …
├── DecodeError                         a 200 response whose body cannot be decoded
├── FilterIgnoredError                  the server returned customers that a filter excludes
├── MultipleCustomersError              several customers match where one or none was expected, with `ids`
└── IncompleteListError                 the list could not be read completely
```

Every error can be pickled with all its attributes, for process pools and task queues. Messages are one line of at most
about 1,000 characters, without control characters; what they quote is complete in the attributes.
"""

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from piriod_async.plain_text import shorten
from piriod_async.response_info import ResponseInfo

MAX_MESSAGE = 1_000  # characters
MAX_SHOWN_ID = 100
_MAX_SHOWN_DETAIL = 400


class PiriodError(Exception):
    """Base class of all errors of this library.

    Attributes:
        attempts: Number of times that the request was sent; 0 if it was not.
        workspace: Id of the workspace that was being read, if any.
        retryable: Whether the same request may succeed later. If so, it was already retried.
        retry_budget_exhausted: True if it was not retried, or not again, because too many requests of the session
            failed: see `SessionStats.retry_budget`.
    """

    retry_budget_exhausted = False

    def __init__(self, message: str = "", *, retryable: bool = False) -> None:
        super().__init__(shorten(message, MAX_MESSAGE))
        self.attempts = 0
        self.workspace: str | None = None
        self.retryable = retryable

    def __str__(self) -> str:
        """Return the message, with the workspace, the number of attempts if there were several, and why no more."""
        message = super().__str__()
        if self.workspace is not None and str(self.workspace) not in message:  # a caller may have passed a number
            message += f" (workspace {shorten(str(self.workspace), MAX_SHOWN_ID)})"
        retries = [f"after {self.attempts} attempts"] if self.attempts > 1 else []
        if self.retry_budget_exhausted:
            retries.append("not retried: the session's retry budget is exhausted")
        if retries:
            message += f" ({'; '.join(retries)})"
        return message


class ConfigurationError(PiriodError, ValueError):
    """A setting of the session is invalid."""


class QueryError(PiriodError, ValueError):
    """The API would misread an argument; the message has its name, its value and what was expected."""


class APIConnectionError(PiriodError):
    """No complete response arrived, or only an old one from a cache. The `__cause__` is the error of the network."""


class APITimeoutError(APIConnectionError):
    """No complete response arrived within the session's `timeout`."""


class APIStatusError(PiriodError):
    """The API responded with a status other than 200.

    Attributes:
        status: The HTTP status.
        detail: Message from the body, or the beginning of a body that is not the API's JSON. It may be in Spanish.
            Empty if the body is a page of customers.
        errors: Messages from the body by field: `{"created__gte": ["Enter a valid date/time."]}`. A nested field is
            named by its path (`"items[0].name"`), and messages that belong to no field are under `""`.
        request_id: Id that the server gave the request, for its support.
        retry_after: Seconds that the server asked to wait; None if it did not.
        body: The body, unchanged.
        response: The rest of the response: its headers, for example those of a rate limit.
    """

    def __init__(  # every argument is optional, because pickle calls the class with the message alone
        self,
        message: str = "",
        *,
        status: int = 0,
        detail: str = "",
        errors: Mapping[str, list[str]] | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        body: bytes = b"",
        response: ResponseInfo | None = None,
    ) -> None:
        super().__init__(message, retryable=status in RETRYABLE_STATUSES)
        self.status = status
        self.detail = detail
        self.errors = dict(errors or {})
        self.request_id = request_id
        self.retry_after = retry_after
        self.body = body
        self.response = response


class BadRequestError(APIStatusError):
    """400: the API rejected a parameter; `errors` has the reason by field."""


class AuthenticationError(APIStatusError):
    """401: the token is missing, wrong, or was replaced by a newer one (a user has only one live token)."""


class PermissionDeniedError(APIStatusError):
    """403: the token may not read this workspace."""


class NotFoundError(APIStatusError):
    """404: the page does not exist, or `base_url` is not the address of the API."""


class RateLimitError(APIStatusError):
    """429: too many requests. `retry_after` is the number of seconds to wait, if the API gave one."""


class ServerError(APIStatusError):
    """5xx: the API, or a proxy in front of it, failed."""


class UnexpectedStatusError(APIStatusError):
    """Any other status. Redirects are not followed, because that would send the token to another address."""


class DecodeError(PiriodError):
    """The body of a 200 response is not a page of customers, or a record in it is not a customer.

    Everything before that record has been delivered. `on_invalid="skip"` delivers everything else. It is also the error
    of `Customer.from_dict` and `Customer.from_json`.

    Attributes:
        path: Location in the body, such as `results[17].created`, or `$.created` in a single customer; empty if the
            body as such is not a page.
        record_id: Id of the customer that cannot be decoded, if it has one.
        checkpoint: The `Checkpoint` to resume from, right before that customer, for a listing by `created`; None if
            nothing was delivered.
    """

    checkpoint: Any = None  # not typed as Checkpoint: that module imports this one

    def __init__(
        self, message: str = "", *, path: str = "", record_id: str | None = None, retryable: bool = False
    ) -> None:
        super().__init__(message, retryable=retryable)
        self.path = path
        self.record_id = record_id


class FilterIgnoredError(PiriodError):
    """The server returned a customer that a filter excludes, so it seems to ignore the filter; or test for live data.

    `subscriptions` and `sources` are not checked, because a customer's record does not show what they filter by.
    """


class MultipleCustomersError(PiriodError):
    """Several customers match where one or none was expected.

    Attributes:
        ids: Ids of the first of them, at least two.
        count: Number of customers that match, as the server counted them. It may count one repeatedly.
    """

    def __init__(self, message: str = "", *, ids: Iterable[str] = (), count: int = 0) -> None:
        super().__init__(message)
        self.ids = tuple(ids)
        self.count = count


class IncompleteListError(PiriodError):
    """The list could not be read completely, so some customers may be missing.

    Attributes:
        checkpoint: The `Checkpoint` to resume from, for a listing by `created`; None if nothing was delivered.
    """

    checkpoint: Any = None  # not typed as Checkpoint: that module imports this one


def raise_errors(errors: Mapping[str, PiriodError], failed: str) -> None:
    """Raise the errors of workspaces, if there are any.

    Args:
        errors: The error of each workspace that failed, by id.
        failed: Beginning of the message: how many failed.

    Raises:
        ExceptionGroup: All of them.
    """
    if errors:
        raise ExceptionGroup(f"{failed}: {shorten(', '.join(map(str, errors)), MAX_MESSAGE)}", [*errors.values()])


RETRYABLE_STATUSES = frozenset({408, 429, 500, 502, 503, 504})

_CLASS_BY_STATUS: Mapping[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitError,
}
_MAX_DETAIL = 200  # characters of a body that is not the API's JSON


def error_from_response(
    status: int,
    body: bytes,
    *,
    request: str,
    reason: str,
    request_id: str | None,
    retry_after: float | None,
    response: ResponseInfo | None = None,
) -> APIStatusError:
    """Return the error for a response with a status other than 200.

    Args:
        status: The HTTP status.
        body: The response body: JSON of the API, or the page of a proxy.
        request: Description of the request for the message: `"GET /customers/ page 3"`.
        reason: Reason phrase of the status line.
        request_id: Id that the server gave the request.
        retry_after: Seconds that the server asked to wait.
        response: The rest of the response.
    """
    error_class = _CLASS_BY_STATUS.get(status, ServerError if status // 100 == 5 else UnexpectedStatusError)  # noqa: PLR2004
    try:
        value = msgspec.json.decode(body.removeprefix(BOM_UTF8))
        errors = {} if _is_page(value) else dict(_flatten(value))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        detail, errors = " ".join(body.decode(errors="replace").split())[:_MAX_DETAIL], {}
    else:
        detail = " ".join(errors.pop("detail", [])) or _summary(errors)
    message = f"{request}: {status} {shorten(reason, MAX_SHOWN_ID)}".rstrip()
    if detail not in ("", reason):
        message += f": {shorten(detail, _MAX_SHOWN_DETAIL)}"
    if retry_after is not None:
        message += f" [retry after {retry_after:g} s]"
    if request_id:
        message += f" [request {shorten(request_id, MAX_SHOWN_ID)}]"
    return error_class(
        message,
        status=status,
        detail=detail,
        errors=errors,
        request_id=request_id,
        retry_after=retry_after,
        body=body,
        response=response,
    )


def _is_page(value: Any) -> bool:
    """Return whether a body, for all its status, has customers: their data belongs in no message."""
    return isinstance(value, dict) and isinstance(value.get("results"), list)


def _flatten(value: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield (path, messages) for each field of an error body. Django REST Framework nests them to any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            here = "" if key == "non_field_errors" else key
            yield from _flatten(inner, f"{path}.{here}".strip("."))
    elif isinstance(value, list):
        texts = [_to_text(item) for item in value if not isinstance(item, dict | list)]
        if texts:
            yield path, texts
        for index, inner in enumerate(value):
            if isinstance(inner, dict | list):
                yield from _flatten(inner, f"{path}[{index}]")
    elif value is not None:
        yield path, [_to_text(value)]


def _to_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _summary(errors: Mapping[str, list[str]]) -> str:
    return "; ".join(f"{path}: {' '.join(texts)}" if path else " ".join(texts) for path, texts in errors.items())
