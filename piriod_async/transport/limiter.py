"""How many requests at once, and whose turn it is; one pause and one pace for all, when the server asks for it."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

from piriod_async.transport.backoff import backoff_enabled
from piriod_async.transport.pacer import Pace


class Gate:
    """What every request of a session passes through, one gate for each event loop.

    Its slots are outside aiohttp's pool of connections, so that waiting never eats a request's timeout. Those who wait
    for one are served in turn, listing by listing: a look-up waits for one request of a long crawl, not for all that
    the crawl has in line. Who has a slot waits until the pause is over, then leaves at the session's pace.

    Args:
        concurrency: Requests under way at once.
        sleep: What waits, in seconds.
    """

    def __init__(self, concurrency: int, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._concurrency = concurrency
        self._free = concurrency
        self._lines: dict[object, deque[asyncio.Future[None]]] = {}  # the first line is the next to be served
        self._sleep = sleep
        self._door = asyncio.Lock()
        self._paused_until = 0.0
        self._pace = Pace()
        self.in_flight = 0

    @property
    def paused_until(self) -> float | None:
        """When the pause ends (seconds, `time.monotonic`), or None."""
        return self._paused_until if self._paused_until > time.monotonic() else None

    @property
    def pace(self) -> float | None:
        """Requests a second, or None while nothing holds them back."""
        return self._pace.rate

    def pause(self, seconds: float) -> None:
        """Hold back every request that is not yet on its way, for this long at least; then let them go one by one."""
        now = time.monotonic()
        self._pace.spread(now, least=self._concurrency)
        self._paused_until = max(self._paused_until, now + seconds)

    def answered(self) -> None:
        """Take note of an answer other than 429."""
        self._pace.answered(time.monotonic())

    def refused(self, sent: float) -> None:
        """Take note of a 429 to a request that was sent then (`time.monotonic`)."""
        self._pace.refused(time.monotonic(), sent)

    async def enter(self, whose: object) -> None:
        """Wait for a slot, the end of a pause, and one's turn in the pace. Must be followed by `leave`.

        Args:
            whose: What the request is for; one of each goes first in turn.
        """
        await self._take_slot(whose)
        try:
            if self._pace.rate is not None and backoff_enabled():  # it never was, while no 429 has come
                async with self._door:  # one waits for the time to come, the others for that one
                    slept = time.monotonic()
                    while (due := max(self._paused_until, self._pace.next)) > slept:
                        await self._sleep(due - slept)
                        slept = max(due, time.monotonic())  # in a test, a sleep may take no time
                    self._pace.leave(time.monotonic())
        except BaseException:
            self._give_slot()
            raise
        self.in_flight += 1

    def leave(self) -> None:
        """Give the slot back."""
        self.in_flight -= 1
        self._give_slot()

    async def _take_slot(self, whose: object) -> None:
        if self._free:
            self._free -= 1
            return
        place = asyncio.get_running_loop().create_future()
        self._lines.setdefault(whose, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():  # the slot came in the same turn
                self._give_slot()
            raise

    def _give_slot(self) -> None:
        """Give a slot to the first who still waits in the line whose turn it is, and send that line to the end."""
        while self._lines:
            whose, line = next(iter(self._lines.items()))
            del self._lines[whose]
            while line and line[0].done():  # it gave up
                line.popleft()
            if line:
                line.popleft().set_result(None)
                if line:
                    self._lines[whose] = line
                return
        self._free += 1
