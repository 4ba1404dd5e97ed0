"""How long a consumer may keep the event loop before other tasks run."""

import asyncio
import time

SECONDS = 0.05
ITERATIONS = 3  # of the event loop: one reads a socket, the next one wakes its task, which may send or read on


class TimeSlice:
    """Lets the event loop run now and then between two customers of a page, which come without suspending.

    A consumer that works on each of them without awaiting would otherwise block the loop for a page: responses stay
    unread, and timeouts expire. Test `time.monotonic() >= time_slice.ends_at`, which is cheaper than a call of ours.

    Attributes:
        ends_at: When the slice is over (`time.monotonic`, seconds).
    """

    __slots__ = ("ends_at",)

    def __init__(self) -> None:
        self.ends_at = time.monotonic() + SECONDS

    async def renew(self) -> None:
        """Let other tasks run, then begin a new slice."""
        for _ in range(ITERATIONS):
            await asyncio.sleep(0)
        self.ends_at = time.monotonic() + SECONDS
