"""What may go wrong.

```
PiriodError
├── ConfigurationError (ValueError)     bad token, workspace, base_url or session; nothing was sent
├── QueryError (ValueError)             a filter, ordering or page_size the API would misread; nothing was sent
├── APIConnectionError                  no answer: refused, reset, cut, or the session was closed
│   └── APITimeoutError                 no whole answer in time
├── APIStatusError                      an answer other than 200
│   ├── BadRequestError                 400, with `errors` by field
│   ├── AuthenticationError             401
│   ├── PermissionDeniedError           403
│   ├── NotFoundError                   404
│   ├── RateLimitError                  429, with `retry_after`
│   ├── ServerError                     5xx
│   └── UnexpectedStatusError           any other: redirects, 204, 402, …
├── DecodeError                         a 200 that does not hold customers
├── FilterIgnoredError                  the server answered with customers that a filter excludes
└── IncompleteListError                 the list moved in a way that cannot be made good
```

Every error can be pickled, so it crosses process pools and task queues whole.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from piriod_async.checkpoint import Checkpoint


class PiriodError(Exception):
    """The root of every error that this library raises on purpose.

    Attributes:
        attempts (int): How often the request was sent before giving up; 0 if it never was.
        workspace (str | None): Id of the workspace that was read, where it was one.
        retryable (bool): Whether the same request may well succeed later. Those that may were retried already.
    """

    def __init__(self, message: str = "", *, retryable: bool = False) -> None:
        super().__init__(message)
        self.attempts = 0
        self.workspace: str | None = None
        self.retryable = retryable

    def __str__(self) -> str:
        """Return the message, whose customers were read, and how often it was tried where that was more than once."""
        message = super().__str__()
        if self.workspace and self.workspace not in message:
            message += f" (workspace {self.workspace})"
        return f"{message} (after {self.attempts} attempts)" if self.attempts > 1 else message


class ConfigurationError(PiriodError, ValueError):
    """The session cannot work as it was set up."""


class QueryError(PiriodError, ValueError):
    """A filter would be misread by the API; the message names the argument, the value and what was expected."""


class APIConnectionError(PiriodError):
    """The API gave no whole answer. The network's own error is the `__cause__`."""


class APITimeoutError(APIConnectionError):
    """No whole answer came within the session's `timeout` (seconds)."""


class APIStatusError(PiriodError):
    """The API answered with a status other than 200.

    Attributes:
        status (int): The HTTP status.
        detail (str): What the body says, or its beginning where it is not the API's JSON. May be Spanish.
        errors (dict[str, list[str]]): The body's messages by field: `{"created__gte": ["Enter a valid date/time."]}`,
            nested ones as `{"items[0].name": […]}`, those of no field under `""`.
        request_id (str | None): The server's name for the request, for their support.
        retry_after (float | None): Seconds the server asked to wait.
        body (bytes): The body as it came.
    """

    def __init__(  # all optional: pickle calls the class with the message alone
        self,
        message: str = "",
        *,
        status: int = 0,
        detail: str = "",
        errors: Mapping[str, list[str]] | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(message, retryable=status in RETRYABLE_STATUSES)
        self.status = status
        self.detail = detail
        self.errors = dict(errors or {})
        self.request_id = request_id
        self.retry_after = retry_after
        self.body = body


class BadRequestError(APIStatusError):
    """400: the API refused a parameter; `errors` says which."""


class AuthenticationError(APIStatusError):
    """401: the token is missing, wrong, or was replaced by a newer one (a user has one live token at most)."""


class PermissionDeniedError(APIStatusError):
    """403: the token may not read this workspace."""


class NotFoundError(APIStatusError):
    """404: there is no such page, or `base_url` is not the API's."""


class RateLimitError(APIStatusError):
    """429: too many requests; `retry_after` says how many seconds to wait, if the API did."""


class ServerError(APIStatusError):
    """5xx: the API, or a proxy before it, failed."""


class UnexpectedStatusError(APIStatusError):
    """Any other status; a redirect is one, for following it would show the token to another address."""


class DecodeError(PiriodError):
    """A 200 whose body is not a page of customers.

    Attributes:
        path (str): Where in the body, as in `results[17].created`; empty for the body as a whole.
        record_id (str | None): The id of the customer that cannot be read, where it has one.
    """

    def __init__(
        self, message: str = "", *, path: str = "", record_id: str | None = None, retryable: bool = False
    ) -> None:
        super().__init__(message, retryable=retryable)
        self.path = path
        self.record_id = record_id


class FilterIgnoredError(PiriodError):
    """The server answered with customers that a filter excludes: it does not know that filter, or ignored it.

    `subscriptions` and `sources` cannot be told by a customer's record, so they are not checked.
    """


class IncompleteListError(PiriodError):
    """The list moved under the crawl in a way that cannot be made good, so some customers may be missing.

    Attributes:
        checkpoint (Checkpoint | None): Where to go on from, for a listing by `created` that had delivered something.
    """

    checkpoint: "Checkpoint | None" = None


RETRYABLE_STATUSES = frozenset({408, 429, 500, 502, 503, 504})

_BY_STATUS: Mapping[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitError,
}
_DETAIL_LENGTH = 200  # characters of a foreign body that a message shows


def error_from_response(
    status: int, body: bytes, *, request: str, reason: str, request_id: str | None, retry_after: float | None
) -> APIStatusError:
    """Return the error that stands for an answer other than 200.

    Args:
        status: The HTTP status.
        body: The answer's body: the API's JSON, or a proxy's page.
        request: What was asked, for the message: `"GET /customers/ page 3"`.
        reason: What the status line says beside the number.
        request_id: The server's name for the request.
        retry_after: Seconds the server asked to wait.
    """
    kind = _BY_STATUS.get(status, ServerError if status // 100 == 5 else UnexpectedStatusError)  # noqa: PLR2004
    try:
        errors = dict(_flatten(msgspec.json.decode(body)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        detail, errors = " ".join(body.decode(errors="replace").split())[:_DETAIL_LENGTH], {}
    else:
        detail = " ".join(errors.pop("detail", [])) or _summary(errors)
    message = f"{request}: {status} {reason}".rstrip()
    if detail not in ("", reason):
        message += f": {detail}"
    if retry_after is not None:
        message += f" [retry after {retry_after:g} s]"
    if request_id:
        message += f" [request {request_id}]"
    return kind(
        message,
        status=status,
        detail=detail,
        errors=errors,
        request_id=request_id,
        retry_after=retry_after,
        body=body,
    )


def _flatten(value: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield (path, messages) of a body that Django REST Framework nests to any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            here = "" if key == "non_field_errors" else key
            yield from _flatten(inner, f"{path}.{here}".strip("."))
    elif isinstance(value, list):
        texts = [_text(item) for item in value if not isinstance(item, dict | list)]
        if texts:
            yield path, texts
        for index, inner in enumerate(value):
            if isinstance(inner, dict | list):
                yield from _flatten(inner, f"{path}[{index}]")
    elif value is not None:
        yield path, [_text(value)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _summary(errors: Mapping[str, list[str]]) -> str:
    return "; ".join(f"{path}: {' '.join(texts)}" if path else " ".join(texts) for path, texts in errors.items())
