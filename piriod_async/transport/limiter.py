"""Limits a session's requests: how many at once, and, once the server throttles them, when and how fast."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from piriod_async.errors import APIStatusError, PiriodError, RateLimitError
from piriod_async.transport.backoff import backoff_enabled
from piriod_async.transport.circuit_breaker import CircuitBreaker
from piriod_async.transport.fair_slots import FairSlots
from piriod_async.transport.pacer import Pacer
from piriod_async.transport.rate_cap import RateCap

OnHeld: TypeAlias = Callable[[float], None]


class RequestLimiter:
    """The rate limiter of a token on one event loop. Each attempt acquires it and releases it.

    Slots are granted round-robin between flows, so a single lookup is not queued behind a listing. A request that holds
    a slot then waits for the pause and the pacer. Slots are separate from aiohttp's connection pool, where waiting
    would count against the request's timeout.

    Args:
        concurrency: Requests in flight at once.
        sleep: Sleeps for a number of seconds.
        circuit: Makes requests fail unsent after a `Retry-After` that is too long to wait for.
        connections: Slots shared with the limiters of other tokens. A request takes one when it may be sent: those of
            a token that is paused leave the connections to others.
    """

    def __init__(
        self,
        concurrency: int,
        sleep: Callable[[float], Awaitable[None]],
        circuit: CircuitBreaker | None = None,
        connections: FairSlots | None = None,
    ) -> None:
        self.slots = FairSlots(concurrency)
        self._connections = connections or FairSlots(concurrency)
        self.in_flight = 0
        self._circuit = circuit or CircuitBreaker()
        self._waits: set[asyncio.Timeout] = set()
        self._sleep = sleep
        self._pacer = Pacer()
        self._pacing_lock = asyncio.Lock()
        self._paused_until = 0.0

    @property
    def rate(self) -> float | None:
        """Requests per second that the pacer allows, or None if it does not limit them."""
        return self._pacer.rate

    @property
    def paused_until(self) -> float | None:
        """When the pause ends (`time.monotonic`, seconds), or None."""
        return self._paused_until if self._paused_until > time.monotonic() else None

    @property
    def pause_left(self) -> float:
        """Seconds until the pause ends, or 0."""
        return max(self._paused_until - time.monotonic(), 0.0)

    async def acquire(self, flow: object, cap: RateCap | None = None, on_held: OnHeld | None = None) -> None:
        """Wait for the cap, a slot, the end of the pause, and the pacer. `release` must follow, with the same cap.

        Args:
            flow: Identifies the listing that the request belongs to.
            cap: The caller's own limit. While a request waits for it, its slot is free for sessions without one.
            on_held: Called with the seconds that the cap, a pause or the pacer held back all requests, each time that
                the end of it was waited for.

        Raises:
            APIStatusError: The server asks for a silence that is too long to wait for.
        """
        if cap is None or not backoff_enabled():
            await self._acquire(flow, on_held)
            return
        async with cap.turn(flow):
            async with self._holding(on_held):
                await cap.wait(self._sleep)
            await self._acquire(flow, on_held)

    async def _acquire(self, flow: object, on_held: OnHeld | None) -> None:
        self._check_circuit()
        await self.slots.acquire(flow)
        try:
            self._check_circuit()  # it may have been opened meanwhile
            if self._pacer.rate is not None and backoff_enabled():
                await self._wait_to_send(on_held)
            await self._connections.acquire(self)
        except BaseException:
            self.slots.release()
            raise
        self.in_flight += 1

    def release(self, cap: RateCap | None = None) -> None:
        """Return the slot."""
        if cap:
            cap.release()
        self.in_flight -= 1
        self._connections.release()
        self.slots.release()

    def record_success(self) -> None:
        """Record a response with status 200."""
        self._pacer.record_success(time.monotonic())

    def throttled(self, error: PiriodError, *, sent_at: float, pause: float | None) -> None:
        """Slow the session down after a 429, or a 503 with `Retry-After`; only a 429 cuts the rate.

        If the `Retry-After` is too long to wait for, all requests fail until it is over.

        Args:
            error: The response.
            sent_at: When its request was sent (`time.monotonic`, seconds).
            pause: Seconds to hold back all requests, or None if `Retry-After` is too long.
        """
        if not backoff_enabled():
            return
        if isinstance(error, RateLimitError):
            self._pacer.record_throttled(time.monotonic(), sent_at)
        if pause is not None:
            self.pause(pause)
        elif isinstance(error, APIStatusError) and error.retry_after is not None:
            self._circuit.open(error, time.monotonic())
            for wait in self._waits:
                if not wait.expired():  # or about to: another response came just before
                    wait.reschedule(0)

    def pause(self, seconds: float) -> None:
        """Hold back every request that is not yet sent, at least this long; the pacer then spaces them out."""
        now = time.monotonic()
        self._pacer.start_pacing(now, min_rate=self.slots.capacity)
        self._paused_until = max(self._paused_until, now + seconds)

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Run code that waits before a request is sent; it ends when the circuit opens.

        Raises:
            APIStatusError: The server asks for a silence that is too long to wait for.
        """
        self._check_circuit()
        wait = asyncio.timeout(None)
        try:
            async with wait:
                self._waits.add(wait)
                yield
        except TimeoutError:
            if not wait.expired():
                raise
            self._check_circuit()
        finally:
            self._waits.discard(wait)

    def _check_circuit(self) -> None:
        if self._circuit.is_open and backoff_enabled():
            self._circuit.check(time.monotonic())

    async def _wait_to_send(self, on_held: OnHeld | None) -> None:
        async with self._pacing_lock:  # the first waiter sleeps, the others wait for it
            self._check_circuit()
            now = time.monotonic()
            while (due := max(self._paused_until, self._pacer.next_send_at)) > now:
                async with self._holding(on_held):
                    await self._sleep(due - now)
                now = max(due, time.monotonic())  # the `sleep` of a test may return at once
            self._pacer.record_send(time.monotonic())

    @asynccontextmanager
    async def _holding(self, on_held: OnHeld | None) -> AsyncIterator[None]:
        """Run code that waits; one request does, and the others wait for it, so the seconds are those of the clock."""
        started = time.monotonic()
        try:
            async with self.waiting():
                yield
        finally:
            if on_held:
                on_held(time.monotonic() - started)
