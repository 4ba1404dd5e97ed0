"""What is tried again, and when."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Generic, TypeVar

from attrs import Attribute, define, field, frozen
from attrs.validators import optional
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from piriod_async.errors import APIStatusError, APITimeoutError, DecodeError, PiriodError, RateLimitError
from piriod_async.transport.attempts import Attempt, AttemptHook, Request
from piriod_async.transport.backoff import backoff_enabled
from piriod_async.transport.limiter import Gate
from piriod_async.transport.retry_budget import Budget
from piriod_async.validators import check_positive_int, check_seconds

T = TypeVar("T")
logger = logging.getLogger("piriod_async")


def _seconds(_: object, attribute: "Attribute[Any]", value: object) -> None:
    check_seconds(attribute.name, value)


def _whole_number(_: object, attribute: "Attribute[Any]", value: object) -> None:
    check_positive_int(attribute.name, value)


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

    attempts: int = field(default=5, validator=_whole_number)
    initial: float = field(default=0.5, validator=_seconds)
    maximum: float = field(default=30.0, validator=_seconds)
    max_retry_after: float = field(default=120.0, validator=_seconds)
    max_elapsed: float | None = field(default=None, validator=optional(_seconds))
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep, kw_only=True, eq=False, repr=False)


@frozen
class Retrier:
    """Sends a session's requests until they are answered, on one event loop.

    Attributes:
        policy: How often, and how long to wait.
        gate: What each attempt passes through. After a 429, or a 503 with `Retry-After`, it alone waits.
        budget: What retries are paid from.
        observe: Is told of every attempt.
    """

    policy: RetryPolicy
    gate: Gate
    budget: Budget
    observe: AttemptHook | None = None

    async def fetch(
        self,
        send: Callable[[int], Awaitable[bytes]],
        decode: Callable[[bytes], Awaitable[T]],
        *,
        request: Request,
        whose: object,
    ) -> T:
        """Send a request through the gate and decode what comes, outside it; all of it again on failure.

        Args:
            send: Sends it once, given the attempt's number from 1, and gives the body of a 200.
            decode: Makes a record of the body.
            request: What is asked, for messages, the log and the observer.
            whose: What it is for; the gate serves one of each in turn.

        Raises:
            PiriodError: The last failure, with its `attempts`.
        """
        return await _Course(self, send, decode, request, whose).run()


@define(eq=False)
class _Course(Generic[T]):
    """One request, from its first attempt to its last."""

    retrier: Retrier
    send: Callable[[int], Awaitable[bytes]]
    decode: Callable[[bytes], Awaitable[T]]
    request: Request
    whose: object
    attempts: int = 0
    started: float = 0.0  # the first attempt
    sent: float = 0.0  # the last one; 0 while it waits at the gate
    seconds: float = 0.0
    spent: int = 0  # of the budget, for the last one
    failure: PiriodError | None = None

    async def run(self) -> T:
        deadline = asyncio.timeout(None)
        try:
            async with deadline:
                try:
                    return await self.attempt(deadline)
                except PiriodError as error:
                    first = [error]

                async def again() -> T:
                    for error in first:  # tenacity costs 50 µs a call: so the first attempt is bare, only failures pay
                        first.clear()
                        raise error
                    return await self.attempt(deadline)

                return await self.retrying()(again)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            limit = f"max_elapsed={self.retrier.policy.max_elapsed} s"
            late = APITimeoutError(f"{self.request}: no answer within {limit}", retryable=True)
            cause = self.failure or error
            self.mark(late)
            self.tell(late)
            raise late from cause
        except PiriodError as error:
            self.tell(error)
            raise

    async def attempt(self, deadline: asyncio.Timeout) -> T:
        gate, limit = self.retrier.gate, self.retrier.policy.max_elapsed
        self.sent = 0.0
        try:
            await gate.enter(self.whose)
            self.attempts, self.sent = self.attempts + 1, time.monotonic()
            try:
                if self.attempts == 1:
                    self.started = self.sent
                    if limit is not None:
                        deadline.reschedule(asyncio.get_running_loop().time() + limit)
                body = await self.send(self.attempts)
            finally:
                self.seconds = time.monotonic() - self.sent
                gate.leave()
            gate.answered()
            result = await self.decode(body)
        except PiriodError as error:
            self.mark(error)
            if isinstance(error, RateLimitError) and backoff_enabled():
                gate.refused(self.sent)
            raise
        self.retrier.budget.succeed(self.spent)
        self.tell(None)
        return result

    def retrying(self) -> AsyncRetrying:
        """Return what tries again: one for each request, for they are no tasks' to share."""
        policy = self.retrier.policy
        return AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, PiriodError) and error.retryable),
            wait=self.wait,
            stop=self.stop,
            before_sleep=self.note,
            sleep=policy.sleep,
            reraise=True,
        )

    def wait(self, state: RetryCallState) -> float:
        policy, error = self.retrier.policy, _failure(state)
        if not backoff_enabled():
            return 0.0
        floor = _floor(error)
        delay = floor + wait_random_exponential(multiplier=policy.initial, max=policy.maximum)(state)
        if _stops_all(error) and floor <= policy.max_retry_after:
            self.retrier.gate.pause(delay)
            return 0.0
        return delay

    def stop(self, state: RetryCallState) -> bool:
        policy, error = self.retrier.policy, _failure(state)
        next_attempt = time.monotonic() + self.delay(state)
        if (
            state.attempt_number >= policy.attempts
            or _floor(error) > policy.max_retry_after
            or (policy.max_elapsed is not None and next_attempt - self.started > policy.max_elapsed)
        ):
            return True
        spent = self.retrier.budget.spend(error)
        if spent is None:
            error.add_note("Not tried again: too many requests of this session failed, its budget of retries is spent.")
            return True
        self.spent = spent
        return False

    def note(self, state: RetryCallState) -> None:
        error, delay = _failure(state), self.delay(state)
        status = error.status if isinstance(error, APIStatusError) else type(error).__name__
        message = "%s: %s at attempt %d of %d, waiting %.2f s"
        logger.info(message, self.request, status, self.attempts, self.retrier.policy.attempts, delay)
        self.tell(error, delay)
        self.sent = 0.0

    def delay(self, state: RetryCallState) -> float:
        """Return the seconds until the next attempt, as far as they are known."""
        return max(state.upcoming_sleep, (self.retrier.gate.paused_until or 0.0) - time.monotonic())

    def mark(self, error: PiriodError) -> None:
        error.attempts, error.workspace = self.attempts, self.request.workspace
        self.failure = error

    def tell(self, error: PiriodError | None, wait: float | None = None) -> None:
        if self.retrier.observe is None or not self.sent:
            return
        status = HTTPStatus.OK.value if error is None or isinstance(error, DecodeError) else None
        attempt = Attempt(
            method=self.request.method,
            page=self.request.page,
            workspace=self.request.workspace,
            retry=self.attempts - 1,
            started=time.time() - (time.monotonic() - self.sent),
            seconds=self.seconds,
            status=error.status if isinstance(error, APIStatusError) else status,
            error=error,
            wait=wait,
        )
        self.retrier.observe(attempt)


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
