"""Sends a session's requests: opens connections, retries, counts, and closes."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, TypeVar

import aiohttp
from attrs import Attribute, define, field, frozen
from yarl import URL

from piriod_async.errors import APIConnectionError, ConfigurationError, DecodeError
from piriod_async.transport.attempts import AttemptHook, RequestInfo
from piriod_async.transport.auth import Secret
from piriod_async.transport.circuit_breaker import CircuitBreaker
from piriod_async.transport.client_session import abandon_client_session, open_client_session
from piriod_async.transport.counters import RequestCounters
from piriod_async.transport.forks import notify_after_fork
from piriod_async.transport.limiter import RequestLimiter
from piriod_async.transport.pending import PendingRequests
from piriod_async.transport.proxy import proxy_kwargs
from piriod_async.transport.redaction import Redactor
from piriod_async.transport.retry import Retrier
from piriod_async.transport.retry_budget import RetryBudget
from piriod_async.transport.retry_policy import RetryPolicy
from piriod_async.transport.sender import Sender

T = TypeVar("T")


@frozen
class _LoopState:
    """The objects that belong to one event loop."""

    loop: asyncio.AbstractEventLoop
    sender: Sender
    retrier: Retrier
    pending: PendingRequests = field(factory=PendingRequests)


def _is_client_session(_: object, __: "Attribute[Any]", value: object) -> None:
    if not isinstance(value, aiohttp.ClientSession | None):
        raise ConfigurationError(f"client_session={value!r}: expected an aiohttp.ClientSession")


@define(eq=False, kw_only=True)
class Transport:
    """Sends a session's requests.

    Attributes:
        url: The customers endpoint.
        auth_headers: Sent with every request; the token among them is a `Secret`.
        client_session: The caller's aiohttp session, which we never close; None to open our own.
        concurrency: Requests in flight at once.
        timeout: Seconds for one attempt, from connecting to the last byte of the body.
        retry: When a failed request is retried.
        max_page_bytes: Largest body accepted, in bytes after decompression.
        on_attempt: Called after every attempt.
        counters: Counts all requests of the session.
        retry_budget: Limits the retries of the session.
        circuit: Makes requests fail unsent after a `Retry-After` that is too long to wait for.
    """

    url: URL
    auth_headers: Mapping[str, str | Secret]
    client_session: aiohttp.ClientSession | None = field(validator=_is_client_session)
    concurrency: int
    timeout: float
    retry: RetryPolicy
    max_page_bytes: int
    on_attempt: AttemptHook | None
    counters: RequestCounters = field(factory=RequestCounters, init=False)
    retry_budget: RetryBudget = field(factory=RetryBudget, init=False)
    circuit: CircuitBreaker = field(factory=CircuitBreaker, init=False)
    closed: bool = field(default=False, init=False)
    _loop_state: _LoopState | None = field(default=None, init=False)
    _is_inherited: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        notify_after_fork(self)

    def after_fork(self) -> None:
        """Start afresh in a forked process; the connections, and what is pending on them, are the parent's.

        Only a `Retry-After` that was too long to wait for still holds.
        """
        state, self._loop_state = self._loop_state, None
        if state and self.owns_session:
            abandon_client_session(state.sender.client_session)
        self.counters, self.retry_budget = RequestCounters(), RetryBudget()
        self._is_inherited = True

    @property
    def limiter(self) -> RequestLimiter | None:
        """The limiter of the event loop used last, or None before the first request."""
        return self._loop_state.retrier.limiter if self._loop_state else None

    @property
    def owns_session(self) -> bool:
        """Whether we opened the aiohttp session, and so close it."""
        return self.client_session is None

    @cached_property
    def redactor(self) -> Redactor:
        """Takes the token out of errors."""
        return Redactor(self.auth_headers.values())

    async def fetch(
        self,
        params: Iterable[tuple[str, str]],
        decode: Callable[[bytes], Awaitable[T]],
        *,
        request: RequestInfo,
        counters: RequestCounters,
    ) -> T:
        """Send a GET request, retry it while it fails, and return the decoded body.

        Args:
            params: Query parameters, not yet encoded.
            decode: Called with the body of a 200; a retryable error that it raises is retried.
            request: Describes the request in messages, logs and `Attempt`.
            counters: Counts the request, in addition to the transport's own; the limiter is fair between counters.

        Raises:
            PiriodError: The request failed; see `errors`.
        """
        state = await self._for_running_loop()
        url = self.url.with_query(list(params))
        headers = {**self.auth_headers, "x-simple-workspace": request.workspace}

        async def send(attempt_number: int) -> bytes:
            for each in (self.counters, counters):
                each.requests += 1
                each.retries += attempt_number > 1
            body = await state.sender.get(url, headers, request, attempt_number)
            for each in (self.counters, counters):
                each.bytes_received += len(body)
            return body

        async def decode_safely(body: bytes) -> T:
            handled = sys.exception()
            try:
                return await decode(body)
            except DecodeError as error:
                failure = self.redactor.error(error, handled)
            del body  # it may have the token, and has other people's data
            raise failure

        async with state.pending.track():
            return await state.retrier.call(send, decode_safely, request=request, flow=counters)

    async def close(self) -> None:
        """Cancel pending requests with an `APIConnectionError`, and close the aiohttp session if we opened it.

        Closing again does nothing.
        """
        self.closed = True
        if state := self._loop_state:
            await state.pending.cancel_and_wait()
            if self.owns_session:
                await state.sender.client_session.close()

    async def _for_running_loop(self) -> _LoopState:
        """Return the state of the running event loop; its first request creates it."""
        if self.closed:
            raise APIConnectionError("the session is closed")
        loop, previous = asyncio.get_running_loop(), self._loop_state
        if self.client_session:
            _check_client_session(self.client_session, loop, is_inherited=self._is_inherited)
        if previous and previous.loop is loop:
            return previous
        if previous and previous.loop.is_running():
            raise ConfigurationError(
                "this session is in use on another event loop: create a PiriodSession for each loop, or thread"
            )
        self._loop_state = state = self._new_loop_state(loop)
        if previous and self.owns_session and previous.loop.is_closed():
            await previous.sender.client_session.close()  # cannot do I/O, but keeps aiohttp from warning
        return state

    def _new_loop_state(self, loop: asyncio.AbstractEventLoop) -> _LoopState:
        proxy = proxy_kwargs(self.url) if self.owns_session else {}
        redactor = Redactor([*self.auth_headers.values(), *proxy.get("proxy_headers", {}).values()])
        client_session = self.client_session or open_client_session(self.concurrency)
        limiter = RequestLimiter(_max_in_flight(client_session, self.concurrency), self.retry.sleep, self.circuit)
        return _LoopState(
            loop=loop,
            sender=Sender(client_session, proxy, self.timeout, self.max_page_bytes, redactor),
            retrier=Retrier(self.retry, limiter, self.retry_budget, self.on_attempt),
        )


def _check_client_session(
    client_session: aiohttp.ClientSession, loop: asyncio.AbstractEventLoop, *, is_inherited: bool
) -> None:
    if is_inherited:
        raise ConfigurationError(
            "client_session belongs to the process that this one was forked from: "
            "create it, and the PiriodSession, after the fork"
        )
    if client_session.closed:
        raise ConfigurationError("client_session is closed: keep it open for as long as this session is used")
    if client_session._loop is not loop:  # noqa: SLF001 (the public attribute warns)
        raise ConfigurationError("client_session belongs to another event loop: create a PiriodSession for each")


def _max_in_flight(client_session: aiohttp.ClientSession, concurrency: int) -> int:
    """Return the concurrency that the connection pool allows: waiting for a connection would count as a timeout."""
    connector = client_session.connector
    limits = (connector.limit, connector.limit_per_host) if connector else ()
    return min([concurrency, *(limit for limit in limits if limit)])
