"""A cap on the rate of requests, set by the caller: one who knows their limit, or shares it with other programs."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from attrs import define, field

from piriod_async.transport.fair_slots import FairSlots


@define(eq=False)
class RateCap:
    """Spaces requests evenly, and counts each from its sending until one window after its response.

    Spacing alone is not enough: requests travel for different times, so they may arrive in bursts. When a request
    arrives is not known, only that it is before its response; so no window at the server has more than are allowed. A
    late request is not made up for.

    Attributes:
        requests_per_second: The cap; 0.5 allows one request every two seconds.
        last_sent_at: When the latest request was sent (`time.monotonic`, seconds). It outlives event loops.
    """

    requests_per_second: float
    last_sent_at: float = float("-inf")
    _free_at: deque[float] = field(init=False, repr=False)  # when each request not in flight no longer counts
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False, repr=False)
    _turn: FairSlots = field(factory=lambda: FairSlots(1), init=False, repr=False)
    _ended: asyncio.Event = field(factory=asyncio.Event, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._free_at = deque([float("-inf")] * self._allowed)

    @property
    def _allowed(self) -> int:
        """Requests that are allowed in a window."""
        return max(int(self.requests_per_second), 1)

    @asynccontextmanager
    async def turn(self, flow: object) -> AsyncIterator[None]:
        """Let one request at a time wait to be sent, so that they are sent in order; it is sent when the block ends.

        `release` must follow, once it has ended.

        Args:
            flow: Identifies the listing that the request belongs to; they take turns.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # what waited, or was in flight, on another loop is gone with it
            self._loop, self._turn, self._ended = loop, FairSlots(1), asyncio.Event()
            while len(self._free_at) < self._allowed:
                self.release()
        turn = self._turn
        await turn.acquire(flow)
        try:
            yield
            self._free_at.popleft()
            self.last_sent_at = time.monotonic()
        finally:
            turn.release()

    async def wait(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Wait, in a turn, until a request may be sent."""
        while True:
            while not self._free_at:
                self._ended.clear()
                await self._ended.wait()
            next_at = max(self._free_at[0], self.last_sent_at + 1 / self.requests_per_second)
            if (seconds := next_at - time.monotonic()) <= 0:
                return
            await sleep(seconds)

    def release(self) -> None:
        """Record that a request has ended."""
        if len(self._free_at) < self._allowed:  # otherwise it was not counted, or not on this event loop
            self._free_at.append(time.monotonic() + self._allowed / self.requests_per_second)
            self._ended.set()
