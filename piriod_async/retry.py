"""What is tried again, and when."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar

from attrs import Attribute, field, frozen
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from piriod_async.errors import APIStatusError, APITimeoutError, ConfigurationError, PiriodError, RateLimitError
from piriod_async.gate import Gate

T = TypeVar("T")
logger = logging.getLogger("piriod_async")


def _seconds(_: object, attribute: "Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value >= 0):
        raise ConfigurationError(f"{attribute.name}={value!r}: expected a number of seconds, 0 or more")


def _seconds_or_none(policy: object, attribute: "Attribute[Any]", value: object) -> None:
    if value is not None:
        _seconds(policy, attribute, value)


def _one_or_more(_: object, attribute: "Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{attribute.name}={value!r}: expected a whole number, 1 or more")


@frozen
class RetryPolicy:
    """How a request is tried again after a failure that may pass: no or half an answer, 408, 429, 500, 502, 503, 504.

    The wait is drawn from 0 to `initial` seconds, then from 0 to twice that, and so on up to `maximum` (full jitter). A
    server's `Retry-After` is a floor beneath it.

    Args:
        attempts: How often a request is sent at most; 1 is no retry.
        initial: Longest first wait, seconds.
        maximum: Longest wait of our own, seconds.
        max_retry_after: A server that asks for more than this many seconds is not waited for: the error is raised at
            once, with its `retry_after`.
        max_elapsed: Longest time for one request, attempts and waits together, seconds, from when it is first sent;
            None for no end but `attempts`. No wait is begun that would go past it.
        sleep: What waits, given seconds: for tests that should not.

    Raises:
        ConfigurationError: A value that is not as above.
    """

    attempts: int = field(default=5, validator=_one_or_more)
    initial: float = field(default=0.5, validator=_seconds)
    maximum: float = field(default=30.0, validator=_seconds)
    max_retry_after: float = field(default=120.0, validator=_seconds)
    max_elapsed: float | None = field(default=None, validator=_seconds_or_none)
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep, kw_only=True, eq=False, repr=False)


async def fetch(
    send: Callable[[int], Awaitable[bytes]],
    decode: Callable[[bytes], Awaitable[T]],
    *,
    request: str,
    policy: RetryPolicy,
    gate: Gate,
) -> T:
    """Send a request until it is answered: through the gate, then decoded outside it; all of it again on failure.

    Args:
        send: Sends it once, given the attempt's number from 1, and gives the body of a 200.
        decode: Makes a record of the body.
        request: Its name in the log.
        policy: How often, and how long to wait.
        gate: What each attempt passes through. After a 429, or a 503 with `Retry-After`, it alone waits.

    Raises:
        PiriodError: The last failure, with its `attempts`.
    """
    attempts, started = 0, 0.0
    deadline = asyncio.timeout(None)

    async def attempt() -> T:
        nonlocal attempts, started
        attempts += 1
        try:
            async with gate:
                if attempts == 1:
                    started = time.monotonic()
                    if policy.max_elapsed is not None:
                        deadline.reschedule(asyncio.get_running_loop().time() + policy.max_elapsed)
                body = await send(attempts)
            return await decode(body)
        except PiriodError as error:
            error.attempts = attempts
            raise

    async def again() -> T:
        for error in first:  # tenacity costs 50 µs a call: with the bare attempt as its first, only failures pay
            first.clear()
            raise error
        return await attempt()

    try:
        async with deadline:
            try:
                return await attempt()
            except PiriodError as error:
                first = [error]
            return await _retrying(request, policy, gate, started)(again)
    except TimeoutError as error:
        if not deadline.expired():
            raise
        late = APITimeoutError(f"{request}: no answer within max_elapsed={policy.max_elapsed} s", retryable=True)
        late.attempts = attempts
        raise late from error


def _retrying(request: str, policy: RetryPolicy, gate: Gate, started: float) -> AsyncRetrying:
    """Return what tries again: one for each request, for they are no tasks' to share."""
    backoff = wait_random_exponential(multiplier=policy.initial, max=policy.maximum)

    def wait(state: RetryCallState) -> float:
        error = _failure(state)
        seconds = _floor(error) + backoff(state)
        if _stops_all(error) and _floor(error) <= policy.max_retry_after:
            gate.pause(seconds)
            return 0.0
        return seconds

    def stop(state: RetryCallState) -> bool:
        next_attempt = max(time.monotonic() + state.upcoming_sleep, gate.paused_until or 0.0)
        return (
            state.attempt_number >= policy.attempts
            or _floor(_failure(state)) > policy.max_retry_after
            or (policy.max_elapsed is not None and next_attempt - started > policy.max_elapsed)
        )

    def log(state: RetryCallState) -> None:
        error = _failure(state)
        status = error.status if isinstance(error, APIStatusError) else type(error).__name__
        message = "%s: %s at attempt %d of %d, waiting %.2f s"
        logger.info(message, request, status, state.attempt_number, policy.attempts, state.upcoming_sleep)

    return AsyncRetrying(
        retry=retry_if_exception(lambda error: isinstance(error, PiriodError) and error.retryable),
        wait=wait,
        stop=stop,
        before_sleep=log,
        sleep=policy.sleep,
        reraise=True,
    )


def _failure(state: RetryCallState) -> PiriodError:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, PiriodError)  # noqa: S101 (nothing else is tried again)
    return error


def _floor(error: PiriodError) -> float:
    """Return the seconds that the server asked to wait, 0 if it did not."""
    return (error.retry_after or 0.0) if isinstance(error, APIStatusError) else 0.0


def _stops_all(error: PiriodError) -> bool:
    return isinstance(error, RateLimitError) or (
        isinstance(error, APIStatusError)
        and error.status == HTTPStatus.SERVICE_UNAVAILABLE
        and error.retry_after is not None
    )


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, or None where there is none that can be read.

    Args:
        headers: The answer's headers. A date is counted from the server's own clock (`Date`) where it tells it.

    Source: RFC 9110, 10.2.3.
    """
    value = headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        until, now = _http_date(value), _http_date(headers.get("Date", "")) or datetime.now(UTC)
        if until is None:
            return None
        seconds = (until - now).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _http_date(value: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
