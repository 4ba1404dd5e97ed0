"""What the tests of several rooms share."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import settings

from piriod_async import RetryPolicy

settings.register_profile("ci", deadline=None, max_examples=200, print_blob=True)
settings.register_profile("slow", settings.get_profile("ci"), max_examples=2_500)  # --hypothesis-profile=slow
settings.load_profile("ci")

pytest_plugins = ["pytester", "tests.contract.reference.fixtures", "tests.support.command"]


@pytest.fixture(scope="session", autouse=True)
def no_blocking_call() -> Iterator[None]:
    """Whatever of ours blocks the event loop fails its test."""
    excluded = ["piriod_async.cli"]  # its loop is nobody else's
    with blockbuster_ctx("piriod_async", excluded_modules=excluded) as blockbuster:
        blockbuster.functions["threading.Lock.acquire"].deactivate()  # coverage takes one for every line
        blockbuster.functions["threading.Lock.acquire_lock"].deactivate()
        yield


class Clock:
    """Time that passes only while somebody waits, and the waits."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.naps: list[float] = []
        self.on_nap: Callable[[], Awaitable[None]] | None = None

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds
        await (self.on_nap() if self.on_nap else asyncio.sleep(0))

    def policy(self, **options: Any) -> RetryPolicy:
        return RetryPolicy(**{"sleep": self.sleep, **options})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("retry", "limiter"):
        monkeypatch.setattr(f"piriod_async.transport.{module}.time", clock)
    return clock


@pytest.fixture
async def no_leaks(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """Nothing is left behind: no task, and nothing that asyncio or aiohttp complain of when it is collected."""
    gc.freeze()
    yield
    gc.collect()
    gc.unfreeze()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left
    assert not [record.getMessage() for record in caplog.get_records("call") if record.name == "asyncio"]
