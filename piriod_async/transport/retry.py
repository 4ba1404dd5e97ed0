"""The retry loop of a request: send, decode; on failure decide, wait, and again."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Generic, TypeVar

from attrs import define, frozen
from tenacity import AsyncRetrying, retry_if_exception

from piriod_async.errors import (
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    PiriodError,
    RateLimitError,
)
from piriod_async.transport.attempts import Attempt, AttemptHook, RequestInfo, status_of
from piriod_async.transport.deadline import Deadline
from piriod_async.transport.limiter import RequestLimiter
from piriod_async.transport.observer import ListingObserver
from piriod_async.transport.rate_cap import RateCap
from piriod_async.transport.retry_budget import RetryBudget
from piriod_async.transport.retry_policy import RetryPolicy
from piriod_async.transport.token_source import TokenUse

R = TypeVar("R")
T = TypeVar("T")
logger = logging.getLogger("piriod_async")


@frozen
class Retrier:
    """Retries the requests of a session on one event loop.

    Attributes:
        policy: When to retry.
        limiter: Every attempt acquires it, and throttling responses slow it down.
        budget: Pays for retries.
        on_attempt: Called after every attempt.
        cap: The caller's own limit on the rate of attempts.
    """

    policy: RetryPolicy
    limiter: RequestLimiter
    budget: RetryBudget
    on_attempt: AttemptHook | None = None
    cap: RateCap | None = None

    async def call(
        self,
        send: Callable[[int], Awaitable[R]],
        decode: Callable[[R], Awaitable[T]],
        *,
        request: RequestInfo,
        flow: object,
        token: TokenUse | None = None,
        observed: ListingObserver | None = None,
    ) -> T:
        """Send a request and decode its response, again while that fails.

        Args:
            send: Sends one attempt, given its number from 1, and returns a 200.
            decode: Decodes the response, after the limiter is released.
            request: Describes the request in messages, logs and `Attempt`.
            flow: Identifies the listing that the request belongs to; the limiter is fair between flows.
            token: The token, if it can be renewed. After a 401, the request is repeated with another one. Such an
                attempt costs neither one of the policy's attempts nor budget. A second 401 in a row is final.
            observed: Observes each attempt.

        Raises:
            PiriodError: The error of the last attempt.
        """
        return await _RetryLoop(self, send, decode, request, flow, token, observed).run()


@define(eq=False)
class _RetryLoop(Generic[R, T]):
    """One request, from its first attempt to its last."""

    retrier: Retrier
    send: Callable[[int], Awaitable[R]]
    decode: Callable[[R], Awaitable[T]]
    request: RequestInfo
    flow: object
    token: TokenUse | None
    observed: ListingObserver | None
    attempts: int = 0
    renewals: int = 0  # attempts that were repeated with a new token
    reported: int = 0  # attempts that `on_attempt` has seen
    first_sent_at: float = 0.0  # `time.monotonic`
    sent_at: float = 0.0
    duration: float = 0.0
    last_error: PiriodError | None = None
    next_wait: float | None = None  # None: do not retry
    sleep_seconds: float = 0.0
    retry_cost: int = 0

    async def run(self) -> T:
        deadline = Deadline()
        try:
            async with deadline:
                try:
                    return await self._attempt(deadline)  # outside tenacity, which would cost 5 % of a page's CPU time
                except PiriodError:
                    if self.next_wait is None:
                        raise
                await self._sleep(self.sleep_seconds)
                async for attempt in AsyncRetrying(  # one per request: it must not be shared between tasks
                    retry=retry_if_exception(lambda _: self.next_wait is not None),
                    wait=lambda _: self.sleep_seconds,
                    sleep=self._sleep,
                    reraise=True,
                ):
                    with attempt:
                        return await self._attempt(deadline)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise self._max_elapsed_error() from self.last_error or error
        raise AssertionError  # AsyncRetrying raises the last error

    async def _attempt(self, deadline: Deadline) -> T:
        """Make an attempt of the policy: after a 401, it is repeated once with another token."""
        may_renew = self.token is not None
        while True:
            self.next_wait = None
            try:
                await self._acquire()
            except PiriodError as error:  # the circuit is open, or there is no token: the request is not sent
                self._annotate(error)
                raise
            try:
                result = await (self._exchange_observed if self.observed else self._exchange)(deadline)
            except PiriodError as error:
                self._annotate(error)
                self.last_error = error
                if may_renew and isinstance(error, AuthenticationError) and await self._renew(error):
                    may_renew = False
                    continue
                if self.reported < self.attempts:
                    next_wait = self._plan_retry(error)
                    self._notify(error, next_wait)
                    self.next_wait = next_wait
                raise
            self.retrier.budget.deposit(self.retry_cost)
            self._notify(None, None)
            return result

    async def _acquire(self) -> None:
        """Acquire the limiter, but hold no slot while the token is renewed: it would be refused."""
        limiter, cap = self.retrier.limiter, self.retrier.cap
        on_held = self.observed.held_back if self.observed else None
        await limiter.acquire(self.flow, cap, on_held)
        while self.token and self.token.must_wait:
            limiter.release(cap)
            await self.token.ready()
            await limiter.acquire(self.flow, cap, on_held)

    async def _renew(self, refusal: AuthenticationError) -> bool:
        """Return whether the request can be repeated with another token; report the attempt when that is known."""
        assert self.token  # noqa: S101 (the caller checked it)
        is_renewed = False
        try:
            is_renewed = await self.token.renew()
        except PiriodError as error:
            self._annotate(error)
            raise
        finally:
            self._notify(refusal, 0.0 if is_renewed else None)
        self.renewals += is_renewed
        if is_renewed:
            message = "retry page=%d workspace=%s attempt=%d reason=401 wait=0.00 renewed=token"
            logger.info(message, self.request.page, self.request.workspace, self.attempts)
        return is_renewed

    async def _exchange(self, deadline: Deadline) -> T:
        return await self.decode(await self._send(deadline))

    async def _exchange_observed(self, deadline: Deadline) -> T:
        assert self.observed  # noqa: S101 (the caller checked it)
        attempt = self.observed.attempt_sent(self.request, self.attempts)
        try:
            result = await self._exchange(deadline)
        except BaseException as error:
            is_cut_off = isinstance(error, asyncio.CancelledError) and deadline.expired()
            attempt.ended(self.duration, APITimeoutError(str(self.request)) if is_cut_off else error)
            raise
        attempt.ended(self.duration, None)
        return result

    async def _send(self, deadline: Deadline) -> R:
        """Send the request, for which the limiter is acquired, and release that."""
        limiter, max_elapsed = self.retrier.limiter, self.retrier.policy.max_elapsed
        try:
            self.attempts += 1
            self.sent_at = time.monotonic()
            if self.attempts == 1:
                self.first_sent_at = self.sent_at
                if max_elapsed is not None:
                    deadline.expire_after(max_elapsed)
            response = await self.send(self.attempts)
        finally:
            self.duration = time.monotonic() - self.sent_at
            limiter.release(self.retrier.cap)
        limiter.record_success()
        return response

    async def _sleep(self, seconds: float) -> None:
        try:
            async with self.retrier.limiter.waiting():
                await self.retrier.policy.sleep(seconds)
        except APIStatusError as error:  # the circuit is open
            self._annotate(error)
            raise

    def _plan_retry(self, error: PiriodError) -> float | None:
        """Return the seconds until the next attempt, or None if the error is final."""
        policy, limiter = self.retrier.policy, self.retrier.limiter
        attempt_number = self.attempts - self.renewals
        backoff = policy.backoff(error, attempt_number)
        throttled = _is_throttled(error)
        if throttled:
            limiter.throttled(error, sent_at=self.sent_at, pause=backoff)
        elapsed = time.monotonic() - self.first_sent_at
        next_wait = policy.next_wait(
            error, attempt_number, backoff=backoff, pause_left=limiter.pause_left, elapsed=elapsed
        )
        if backoff is None or next_wait is None:
            return None
        cost = self.retrier.budget.withdraw(error)
        if cost is None:
            error.retry_budget_exhausted = True
            return None
        self.retry_cost = cost
        self.sleep_seconds = 0.0 if throttled else backoff  # while throttled, only the limiter waits
        reason = error.status if isinstance(error, APIStatusError) else type(error).__name__
        message = "retry page=%d workspace=%s attempt=%d attempts=%d reason=%s wait=%.2f"
        page, workspace = self.request.page, self.request.workspace
        logger.info(message, page, workspace, attempt_number, policy.attempts, reason, next_wait)
        return next_wait

    def _max_elapsed_error(self) -> APITimeoutError:
        """Return the error for a request cut off by `max_elapsed`, during an attempt or between two."""
        limit = f"max_elapsed={self.retrier.policy.max_elapsed} s"
        error = APITimeoutError(f"{self.request}: no response within {limit}", retryable=True)
        self._annotate(error)
        if self.reported < self.attempts:
            self._notify(error, None)
        return error

    def _annotate(self, error: PiriodError) -> None:
        error.attempts, error.workspace = self.attempts, self.request.workspace

    def _notify(self, error: PiriodError | None, next_wait: float | None) -> None:
        self.reported = self.attempts
        if self.retrier.on_attempt is None:
            return
        attempt = Attempt(
            method=self.request.method,
            page=self.request.page,
            workspace=self.request.workspace,
            retry=self.attempts - 1,
            started_at=time.time() - (time.monotonic() - self.sent_at),
            duration=self.duration,
            status=status_of(error),
            error=error,
            next_wait=next_wait,
        )
        self.retrier.on_attempt(attempt)


def _is_throttled(error: PiriodError) -> bool:
    """Return whether the server asks all requests to slow down: a 429, or a 503 with `Retry-After`."""
    return isinstance(error, RateLimitError) or (
        isinstance(error, APIStatusError)
        and error.status == HTTPStatus.SERVICE_UNAVAILABLE
        and error.retry_after is not None
    )
