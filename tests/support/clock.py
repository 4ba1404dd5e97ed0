"""The fake clock of all tests, and three ways to make its time pass."""

import asyncio
import selectors
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from piriod_async import RetryPolicy

T = TypeVar("T")


class Clock:
    """Stands in for the module `time`. Its own `sleep` returns at once: the time has then passed.

    Attributes:
        now: Monotonic time, in seconds.
        sleeps: Every sleep so far, in seconds.
        on_sleep: Awaited during each sleep.
    """

    def __init__(self) -> None:
        self.now = 1_000.0
        self.sleeps: list[float] = []
        self.on_sleep: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0)

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds
        await self.on_sleep()

    def policy(self, **options: Any) -> RetryPolicy:
        return RetryPolicy(**{"sleep": self.sleep, **options})


class ManualSleep:
    """A sleep that lasts until the test calls `wake`; time passes then."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    async def __call__(self, seconds: float) -> None:
        awake = asyncio.Event()
        self._sleepers.append((seconds, awake))
        await awake.wait()

    @property
    def pending(self) -> list[float]:
        """The sleeps that have not ended, in seconds."""
        return [seconds for seconds, _ in self._sleepers]

    def wake(self) -> None:
        """End every pending sleep."""
        self._clock.now += max(self.pending, default=0)
        sleepers, self._sleepers = self._sleepers, []
        for _, awake in sleepers:
            awake.set()


class _ClockSelector(selectors.DefaultSelector):
    """Moves a clock instead of waiting."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("deadlock: every task waits, and no timer is set")
        self._clock.now += max(timeout, 0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which time passes only when every task waits. Not for sockets."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(_ClockSelector(clock))
        self._clock = clock

    def time(self) -> float:
        return self._clock.now


def run_virtual(main: Coroutine[Any, Any, T], clock: Clock) -> T:
    """Run a coroutine in virtual time: `asyncio.sleep` moves the clock and takes no time."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        return runner.run(main)
