"""When a failed request is retried, and after how long a wait."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from attrs import Attribute, field, frozen
from attrs.validators import optional

from piriod_async.errors import APIStatusError, PiriodError
from piriod_async.transport.backoff import backoff_enabled
from piriod_async.validators import check_positive_int, check_seconds

_MAX_DOUBLINGS = 64  # more would overflow a float


def _seconds(_: object, attribute: "Attribute[Any]", value: object) -> None:
    check_seconds(attribute.name, value)


def _positive_int(_: object, attribute: "Attribute[Any]", value: object) -> None:
    check_positive_int(attribute.name, value)


@frozen
class RetryPolicy:
    """When a failed request is retried.

    Connection errors, timeouts, truncated responses and the statuses 408, 429, 500, 502, 503 and 504 are retried. The
    wait is exponential with full jitter: between 0 and `wait_initial` seconds, then up to twice that, and so on up to
    `wait_max`. A `Retry-After` from the server is added to it.

    Args:
        attempts: How often a request is sent at most; 1 means no retries.
        wait_initial: Upper bound of the first wait, in seconds.
        wait_max: Upper bound of every later wait, in seconds.
        max_retry_after: Longest `Retry-After` to wait for, in seconds. If the server asks for more, the error is raised
            at once, with its `retry_after`. After a 429 or 503, all requests of the session fail until that is over,
            with such an error each, whose `attempts` is 0: they are not sent.
        max_elapsed: Longest time for one request with all its attempts and waits, in seconds from when it is first
            sent; None for no limit. A wait that would exceed it is not started.
        sleep: Called with the seconds to wait; replace it in tests.

    Raises:
        ConfigurationError: A value is out of range.
    """

    attempts: int = field(default=5, validator=_positive_int)
    wait_initial: float = field(default=0.5, validator=_seconds)
    wait_max: float = field(default=30.0, validator=_seconds)
    max_retry_after: float = field(default=120.0, validator=_seconds)
    max_elapsed: float | None = field(default=None, validator=optional(_seconds))
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep, kw_only=True, eq=False, repr=False)

    def backoff(self, error: PiriodError, attempt_number: int) -> float | None:
        """Return the seconds to back off after a failed attempt: `Retry-After` plus jitter.

        None if `Retry-After` exceeds `max_retry_after`, 0 inside `no_backoff`.

        Args:
            error: Why the attempt failed.
            attempt_number: Number of the attempt, from 1.
        """
        retry_after = (error.retry_after or 0.0) if isinstance(error, APIStatusError) else 0.0
        if retry_after > self.max_retry_after:
            return None
        if not backoff_enabled():
            return 0.0
        bound = min(self.wait_initial * 2.0 ** min(attempt_number - 1, _MAX_DOUBLINGS), self.wait_max)
        return retry_after + random.uniform(0, bound)  # noqa: S311 (jitter)

    def next_wait(
        self, error: PiriodError, attempt_number: int, *, backoff: float | None, pause_left: float, elapsed: float
    ) -> float | None:
        """Return the seconds until the next attempt, or None if the error is final. Has no side effect.

        Args:
            error: Why the attempt failed.
            attempt_number: Number of the attempt, from 1.
            backoff: Result of `backoff`.
            pause_left: Seconds for which the limiter holds all requests back.
            elapsed: Seconds since the request was first sent.
        """
        if backoff is None or not error.retryable or attempt_number >= self.attempts:
            return None
        wait = max(backoff, pause_left)
        if self.max_elapsed is not None and elapsed + wait > self.max_elapsed:
            return None
        return wait
