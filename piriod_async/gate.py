"""How many requests at once; one pause for everybody when the server asks for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable


class Gate:
    """What every request of a session passes through, one gate for each event loop.

    It is a semaphore of our own, outside aiohttp's pool of connections, so that waiting never eats a request's timeout.
    Whoever comes while the session pauses waits here until the pause is over, with whatever was added to it meanwhile.

    Args:
        concurrency: Requests under way at once.
        sleep: What waits, in seconds.
    """

    def __init__(self, concurrency: int, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._sleep = sleep
        self._paused_until = 0.0
        self.in_flight = 0

    @property
    def paused_until(self) -> float | None:
        """When the pause ends (seconds, `time.monotonic`), or None."""
        return self._paused_until if self._paused_until > time.monotonic() else None

    def pause(self, seconds: float) -> None:
        """Hold back every request that is not yet on its way, for this long at least."""
        self._paused_until = max(self._paused_until, time.monotonic() + seconds)

    async def __aenter__(self) -> None:
        await self._slots.acquire()
        try:
            waited_until = time.monotonic()
            while (until := self._paused_until) > waited_until:  # it may grow while we wait
                await self._sleep(until - waited_until)
                waited_until = until
        except BaseException:
            self._slots.release()
            raise
        self.in_flight += 1

    async def __aexit__(self, *_: object) -> None:
        self.in_flight -= 1
        self._slots.release()
