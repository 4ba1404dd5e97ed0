"""A cap on the rate of requests, set by the caller: one who knows their limit, or shares it with other programs."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define, field

from piriod_async.transport.fair_slots import FairSlots


@define(eq=False)
class RateCap:
    """Spaces requests evenly. A late request is not made up for: a server that counts would see a burst.

    Attributes:
        requests_per_second: The cap.
        last_sent_at: When the latest request was sent (`time.monotonic`, seconds). It outlives event loops.
    """

    requests_per_second: float
    last_sent_at: float = float("-inf")
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False, repr=False)
    _turn: FairSlots = field(factory=lambda: FairSlots(1), init=False, repr=False)

    @property
    def wait_left(self) -> float:
        """Seconds until the next request may be sent; 0 or less if it may now."""
        return self.last_sent_at + 1 / self.requests_per_second - time.monotonic()

    @asynccontextmanager
    async def turn(self, flow: object) -> AsyncIterator[None]:
        """Let one request at a time wait to be sent, so that they are sent in order; it is sent when the block ends.

        Args:
            flow: Identifies the listing that the request belongs to; they take turns.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # what waited on another loop is gone with it
            self._loop, self._turn = loop, FairSlots(1)
        turn = self._turn
        await turn.acquire(flow)
        try:
            yield
            self.last_sent_at = time.monotonic()
        finally:
            turn.release()
