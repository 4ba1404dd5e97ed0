"""The record of an attempt, as the `on_attempt` hook receives it."""

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeAlias

from attrs import frozen

from piriod_async.errors import APIStatusError, DecodeError, PiriodError


@frozen(kw_only=True)
class RequestInfo:
    """Describes a request in messages, logs and `Attempt`; the same for all its attempts."""

    method: str = "GET"
    page: int
    workspace: str

    def __str__(self) -> str:
        return f"{self.method} /customers/ page {self.page} of {self.workspace}"


@frozen(kw_only=True)
class Attempt:
    """One finished attempt of a request, passed to `PiriodSession(on_attempt=…)`.

    Attributes:
        method: `"GET"`.
        page: Page number requested, from 1.
        workspace: Id of the workspace requested.
        retry: Number of earlier attempts of the same request; 0 for the first.
        started_at: When the attempt was sent, in seconds since the epoch.
        duration: Seconds from sending to the last byte of the response or the failure, without waiting and decoding.
        status: HTTP status, or None if no response came.
        error: Why the attempt failed, or None. A customer that cannot be decoded does not fail the attempt: the
            listing raises that error when it reaches the customer.
        next_wait: Seconds until the next attempt; None if this was the last.
    """

    method: str
    page: int
    workspace: str
    retry: int
    started_at: float
    duration: float
    status: int | None
    error: PiriodError | None
    next_wait: float | None


AttemptHook: TypeAlias = Callable[[Attempt], None]  # None rather than object: refuses an async function


def status_of(error: BaseException | None) -> int | None:
    """Return the HTTP status of an attempt that ended with this error, or with success; None if no response came."""
    if isinstance(error, APIStatusError):
        return error.status
    return HTTPStatus.OK.value if error is None or isinstance(error, DecodeError) else None
