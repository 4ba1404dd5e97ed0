"""Requests in progress, which closing the session must cancel."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from piriod_async.errors import APIConnectionError


class PendingRequests:
    """Tracks the requests in progress on one event loop, so that they can be cancelled.

    Each request runs inside an `asyncio.timeout` that has no deadline until `cancel_and_wait` sets one in the past. A
    timeout, unlike a bare `Task.cancel`, tells its own cancellation from one by the caller.
    """

    def __init__(self) -> None:
        self._timeouts: set[asyncio.Timeout] = set()
        self._cancelled = False
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._timeouts)

    @asynccontextmanager
    async def track(self) -> AsyncIterator[None]:
        """Run a request that `cancel_and_wait` ends with an `APIConnectionError`."""
        timeout = asyncio.timeout(None)
        try:
            async with timeout:
                self._timeouts.add(timeout)
                self._idle.clear()
                yield
        except TimeoutError:
            if not timeout.expired():
                raise
            raise APIConnectionError("the session was closed while a request was pending") from None
        finally:
            self._timeouts.discard(timeout)
            if not self._timeouts:
                self._idle.set()

    async def cancel_and_wait(self) -> None:
        """Cancel all requests, and wait until they have ended."""
        if not self._cancelled:
            self._cancelled = True
            for timeout in self._timeouts:
                timeout.reschedule(0)
        await self._idle.wait()
