"""A timeout that does not count the time in which the event loop was blocked."""

import asyncio
from types import TracebackType
from typing import Self

LATE = 0.01  # seconds by which a timer fires late only if something has blocked the loop
MAX_EXTENSIONS = 10


class Deadline:
    """`asyncio.timeout`, for code that waits for a response.

    While a callback blocks the event loop, responses stay in the socket unread, and timers expire. When the loop runs
    again, `asyncio.timeout` cancels the reader before it can read. A timer of this class that fires late, as all do
    then, waits once more, for as long as it was late. A loop that is blocked all the time extends a deadline
    `MAX_EXTENSIONS` times.

    Cancellation is left to `asyncio.timeout`, which tells its own from one by the caller.

    Args:
        seconds: Seconds until it expires, from `async with`; None if `expire_after` starts it.
    """

    __slots__ = ("_extensions", "_loop", "_seconds", "_timeout", "_timer")

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds
        self._extensions = 0
        self._timeout = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None

    def expire_after(self, seconds: float) -> None:
        """Let it expire this many seconds from now."""
        self._seconds = seconds
        self._schedule(seconds)

    def expired(self) -> bool:
        """Return whether it has expired, and so caused the `TimeoutError`."""
        return self._timeout.expired()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        await self._timeout.__aenter__()
        if self._seconds is not None:
            self._schedule(self._seconds)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer:
            self._timer.cancel()
        await self._timeout.__aexit__(kind, error, traceback)

    def _schedule(self, seconds: float) -> None:
        self._timer = self._loop.call_later(seconds, self._on_timer)

    def _on_timer(self) -> None:
        assert self._timer is not None  # noqa: S101 (it called this)
        assert self._seconds is not None  # noqa: S101 (it was scheduled)
        now = self._loop.time()
        late = now - self._timer.when()
        if late > LATE and self._extensions < MAX_EXTENSIONS:
            self._extensions += 1
            self._schedule(min(late, self._seconds))
        else:
            self._timeout.reschedule(now)  # cancels in the next iteration of the loop
