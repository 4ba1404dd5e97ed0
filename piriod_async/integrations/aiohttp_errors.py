"""Errors of this library as HTTP responses of an aiohttp application."""

import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus

from aiohttp import web

from piriod_async.errors import APIStatusError, ConfigurationError, PiriodError, QueryError, RateLimitError
from piriod_async.integrations.aiohttp import PIRIOD

logger = logging.getLogger("piriod_async")

_TEXTS = {
    HTTPStatus.SERVICE_UNAVAILABLE: "Customers cannot be read now. Try again later.",
    HTTPStatus.BAD_GATEWAY: "Customers could not be read.",
}


@web.middleware
async def piriod_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer the errors of a handler's listings, as JSON: `{"error": "QueryError", "message": "…"}`.

    ```python
    app = web.Application(middlewares=[piriod_errors])
    ```

    - 400: a `QueryError`. Its message names the argument.
    - 503 with `Retry-After`: the API throttles, or so many requests failed that no more are retried.
    - 502: any other `PiriodError`. The log has its message, which may have customer data; the response has not.

    A `ConfigurationError` is a mistake of the application, and stays a 500. Once a handler has begun to send its
    response, an error closes the connection, so that the client does not take what it has for complete.
    """
    try:
        return await handler(request)
    except (PiriodError, ExceptionGroup) as error:
        errors = list(_leaves(error))
        if request.writer.output_size or not all(_is_known(each) for each in errors):
            raise
        response = _respond(request, [each for each in errors if isinstance(each, PiriodError)])
        logger.warning("%s %s: %d: %s", request.method, request.path, response.status, errors[0])
        return response


def _respond(request: web.Request, errors: list[PiriodError]) -> web.Response:
    name = type(errors[0]).__name__
    for error in errors:
        if isinstance(error, QueryError):
            return web.json_response({"error": name, "message": str(error)}, status=HTTPStatus.BAD_REQUEST)
    waits = [_seconds_to_wait(request, error) for error in errors]
    if all(waits):
        status, headers = HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": str(math.ceil(max(filter(None, waits))))}
    else:
        status, headers = HTTPStatus.BAD_GATEWAY, {}
    return web.json_response({"error": name, "message": _TEXTS[status]}, status=status, headers=headers)


def _seconds_to_wait(request: web.Request, error: PiriodError) -> float | None:
    """Return after how many seconds the request may succeed, 1 or more; None if nobody knows."""
    session = request.app.get(PIRIOD)
    paused_until = session.stats.paused_until if session else None
    pause = max(paused_until - time.monotonic(), 0.0) if paused_until else 0.0
    asked = (isinstance(error, APIStatusError) and error.retry_after) or 0.0
    if pause or asked or isinstance(error, RateLimitError) or error.retry_budget_exhausted:
        return max(pause, asked, 1.0)
    return None


def _leaves(error: Exception) -> Iterator[Exception]:
    """Yield an error, or those of a group, which `raise_for_errors` raises."""
    if isinstance(error, ExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _is_known(error: Exception) -> bool:
    return isinstance(error, PiriodError) and not isinstance(error, ConfigurationError)
