"""Sends a session's requests: with its token and settings, retried and counted."""

import math
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeVar

from attrs import define, field, frozen
from yarl import URL

from piriod_async.errors import DecodeError
from piriod_async.transport.account import Account
from piriod_async.transport.attempts import AttemptHook, RequestInfo
from piriod_async.transport.auth import Secret
from piriod_async.transport.connections import Connections, LoopConnections
from piriod_async.transport.counters import RequestCounters
from piriod_async.transport.limiter import RequestLimiter
from piriod_async.transport.observer import ListingObserver
from piriod_async.transport.pending import PendingRequests
from piriod_async.transport.proxy import proxy_kwargs
from piriod_async.transport.rate_cap import RateCap
from piriod_async.transport.redaction import Redactor
from piriod_async.transport.response import Response
from piriod_async.transport.retry import Retrier
from piriod_async.transport.retry_budget import RetryBudget
from piriod_async.transport.retry_policy import RetryPolicy
from piriod_async.transport.sender import Sender
from piriod_async.transport.token_source import TokenUse

T = TypeVar("T")


@frozen
class _LoopState:
    """The objects that belong to one event loop."""

    connections: LoopConnections
    sender: Sender
    retrier: Retrier

    @property
    def pending(self) -> PendingRequests:
        return self.connections.pending


@define(eq=False, kw_only=True)
class Transport:
    """Sends the requests of one session. Sessions that are derived from each other share connections, and an account.

    Attributes:
        account: The token, and what is counted and limited for it.
        connections: The connections.
        url: The customers endpoint.
        test_mode: Whether to read test data.
        timeout: Seconds for one attempt, from connecting to the last byte of the body.
        retry: When a failed request is retried.
        max_page_bytes: Largest body accepted, in bytes after decompression.
        on_attempt: Called after every attempt.
        cap: The caller's own limit on the rate of requests.
    """

    account: Account
    connections: Connections
    url: URL
    test_mode: bool
    timeout: float
    retry: RetryPolicy
    max_page_bytes: int
    on_attempt: AttemptHook | None
    cap: RateCap | None
    _loop_state: _LoopState | None = field(default=None, init=False)

    @property
    def auth_headers(self) -> Mapping[str, str | Secret]:
        """Sent with every request; the token among them is a `Secret`, absent before the first request."""
        token = self.account.tokens.latest
        mode = {"x-piriod-test-mode": "true" if self.test_mode else "false"}
        return {"Authorization": token, **mode} if token else mode

    @property
    def limiter(self) -> RequestLimiter | None:
        """The limiter on the event loop used last, or None before the first request."""
        current = self.connections.current
        return current.limiter_of(self.account) if current else None

    @property
    def rate(self) -> float | None:
        """Requests per second at most, as far as that is known: the cap, or what the server was found to allow."""
        found = self.limiter.rate if self.limiter else None
        if self.cap is None:
            return found
        return min(found or math.inf, self.cap.requests_per_second)

    @property
    def counters(self) -> RequestCounters:
        """Counts all requests of the account."""
        return self.account.counters

    @property
    def retry_budget(self) -> RetryBudget:
        """Limits the retries of the account."""
        return self.account.retry_budget

    @property
    def concurrency(self) -> int:
        """Requests in flight at once."""
        return self.connections.concurrency

    @property
    def redactor(self) -> Redactor:
        """Takes the token out of errors."""
        return self.account.tokens.redactor

    def observe(self, workspace: str) -> ListingObserver | None:
        """Start to observe an iteration, if the session is instrumented."""
        observer = self.connections.observer
        return observer.listing_started(self.url, workspace) if observer else None

    async def fetch(
        self,
        params: Iterable[tuple[str, str]],
        decode: Callable[[Response], Awaitable[T]],
        *,
        request: RequestInfo,
        counters: RequestCounters,
        observed: ListingObserver | None = None,
    ) -> T:
        """Send a GET request, retry it while it fails, and return the decoded body.

        Args:
            params: Query parameters, not yet encoded.
            decode: Called with a 200; a retryable error that it raises is retried.
            request: Describes the request in messages, logs and `Attempt`.
            counters: Counts the request, in addition to the transport's own; the limiter is fair between counters.
            observed: Observes the iteration that the request belongs to.

        Raises:
            PiriodError: The request failed; see `errors`.
        """
        state, tokens = await self._for_running_loop(), self.account.tokens
        url = self.url.with_query(list(params))
        token = TokenUse(tokens, self.timeout)

        async def send(attempt_number: int) -> Response:
            token.take()
            headers = {**self.auth_headers, "x-simple-workspace": request.workspace}
            for each in (self.counters, counters):
                each.requests += 1
                each.retries += attempt_number > 1
            response = await state.sender.get(url, headers, request, attempt_number)
            for each in (self.counters, counters):
                each.bytes_received += len(response.body)
            return response

        async def decode_safely(response: Response) -> T:
            handled = sys.exception()
            try:
                return await decode(response)
            except DecodeError as error:
                failure = self.redactor.error(error, handled)
            del response  # it may have the token, and has other people's data
            raise failure

        async with state.pending.track():
            await token.ready()
            return await state.retrier.call(
                send,
                decode_safely,
                request=request,
                flow=counters,
                token=token if tokens.can_renew else None,
                observed=observed,
            )

    async def _for_running_loop(self) -> _LoopState:
        """Return the state of the running event loop; its first request creates it."""
        connections, state = await self.connections.for_running_loop(), self._loop_state
        if state is None or state.connections is not connections:
            self._loop_state = state = self._new_loop_state(connections)
        return state

    def _new_loop_state(self, connections: LoopConnections) -> _LoopState:
        proxy = proxy_kwargs(self.url) if self.connections.owns_session else {}
        tokens, client_session = self.account.tokens, connections.client_session
        redactor = Redactor(tokens.used, proxy.get("proxy_headers", {}).values())
        limiter = connections.make_limiter(self.account, self.retry.sleep)
        return _LoopState(
            connections=connections,
            sender=Sender(client_session, proxy, self.timeout, self.max_page_bytes, redactor),
            retrier=Retrier(self.retry, limiter, self.retry_budget, self.on_attempt, self.cap),
        )
