"""Errors as the transport raises them."""

from piriod_async import APIStatusError
from piriod_async.errors import error_from_response


def status_error(status: int, retry_after: float | None = None) -> APIStatusError:
    return error_from_response(status, b"", request="GET", reason="", request_id=None, retry_after=retry_after)
