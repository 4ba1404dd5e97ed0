"""Fixtures and settings for all tests."""

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Iterator

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import settings

from tests.support.clock import Clock

settings.register_profile("ci", deadline=None, max_examples=200, print_blob=True)
settings.register_profile("slow", settings.get_profile("ci"), max_examples=2_500)  # --hypothesis-profile=slow
settings.load_profile("ci")

pytest_plugins = ["pytester", "tests.contract.reference.fixtures", "tests.support.command", "tests.support.postgres"]


@pytest.fixture(scope="session", autouse=True)
def no_blocking_call() -> Iterator[None]:
    """Fail a test in which the package blocks the event loop."""
    excluded = ["piriod_async.cli"]  # nothing else runs on its loop
    with blockbuster_ctx("piriod_async", excluded_modules=excluded) as blockbuster:
        blockbuster.functions["threading.Lock.acquire"].deactivate()  # coverage takes one for every line
        blockbuster.functions["threading.Lock.acquire_lock"].deactivate()
        # the command calls functions of `export`, which others call in a thread
        blockbuster.functions["os.stat"].can_block_in("piriod_async/cli/partial_files.py", {"open", "complete"})
        yield


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that retries and the limiter read."""
    clock = Clock()
    for module in ("retry", "limiter", "rate_cap"):
        monkeypatch.setattr(f"piriod_async.transport.{module}.time", clock)
    return clock


@pytest.fixture
def max_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every random wait is the longest possible."""
    monkeypatch.setattr(random, "uniform", lambda _, high: high)


@pytest.fixture
async def no_leaks(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """Fail a test that leaves a task behind, or an object that asyncio or aiohttp report as unclosed."""
    gc.freeze()
    yield
    gc.collect()
    gc.unfreeze()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left
    assert not [record.getMessage() for record in caplog.get_records("call") if record.name == "asyncio"]
