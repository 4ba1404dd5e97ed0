"""A semaphore that is fair between flows."""

import asyncio
from collections import deque


class FairSlots:
    """Limits concurrency, and serves waiting flows round-robin.

    With one queue for all, a single lookup would wait until every request that a listing has queued is done.

    Args:
        capacity: Slots that can be held at once.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.available = capacity
        self._waiters: dict[object, deque[asyncio.Future[None]]] = {}  # one queue per flow; the first is served next

    async def acquire(self, flow: object) -> None:
        """Wait for a slot.

        Args:
            flow: Identifies the flow that the request belongs to.
        """
        if self.available:
            self.available -= 1
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(flow, deque()).append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():  # the slot was granted before the cancellation arrived
                self.release()
            raise

    def release(self) -> None:
        """Pass the slot to the first waiter of the next flow, and move that flow to the back."""
        while self._waiters:
            flow, queue = next(iter(self._waiters.items()))
            del self._waiters[flow]
            while queue and queue[0].done():  # cancelled
                queue.popleft()
            if queue:
                queue.popleft().set_result(None)
                if queue:
                    self._waiters[flow] = queue
                return
        self.available += 1
