"""The limiter: a pause and a pacer behind the slots."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piriod_async import RateLimitError, ServerError
from piriod_async.transport.limiter import RequestLimiter
from tests.support.clock import Clock, ManualSleep
from tests.support.tasks import settle
from tests.support.workers import Workers

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture
def sleep(clock):
    return ManualSleep(clock)


async def finish(workers):
    await workers.finish()
    assert workers.slots.in_flight == 0
    assert workers.slots.slots.available == workers.slots.slots.capacity


async def test_in_flight(sleep):
    """The limiter counts the requests that hold a slot."""
    workers = Workers(RequestLimiter(3, sleep))
    workers.start(4)
    await settle()
    assert workers.entered == [0, 1, 2]
    assert workers.slots.in_flight == 3
    workers.let_go(3)
    await settle()
    assert workers.slots.in_flight == 1
    await finish(workers)


async def test_pause(sleep):
    """A pause holds back all requests not yet sent, with or without a slot; then they are sent one by one."""
    limiter = RequestLimiter(2, sleep)
    workers = Workers(limiter)
    workers.start()
    await settle()
    limiter.pause(10)
    assert (limiter.paused_until, limiter.pause_left) == (1010, 10)
    workers.start(4)
    await settle()
    assert workers.entered == [0]
    workers.let_go()
    await settle()
    assert workers.entered == [0]
    assert sleep.pending == [10]
    assert limiter.in_flight == 0
    sleep.wake()
    assert (limiter.paused_until, limiter.pause_left) == (None, 0)
    await settle()
    assert workers.entered == [0, 1]
    assert sleep.pending == [pytest.approx(0.45)]  # two a second, less the tolerance for a late timer
    sleep.wake()
    await settle()
    assert workers.entered == [0, 1, 2]
    workers.let_go(2)
    while sleep.pending or len(workers.entered) < 5:
        await settle()
        sleep.wake()
    assert workers.entered == [0, 1, 2, 3, 4]
    await finish(workers)


async def test_pause_extended(clock, sleep):
    """A longer pause extends the current one; a shorter one does not cut it."""
    workers = Workers(RequestLimiter(1, sleep))
    workers.slots.pause(10)
    workers.start()
    await settle()
    clock.now = 1004
    workers.slots.pause(20)
    workers.slots.pause(1)
    assert workers.slots.paused_until == 1024
    clock.now = 1000
    assert sleep.pending == [10]
    sleep.wake()
    await settle()
    assert workers.entered == []
    assert sleep.pending == [14]
    sleep.wake()
    await settle()
    assert workers.entered == [0]
    await finish(workers)


async def test_pause_over(clock, sleep):
    """A pause that is over delays no request."""
    workers = Workers(RequestLimiter(1, sleep))
    workers.slots.pause(10)
    clock.now = 1010
    workers.start()
    await settle()
    assert workers.entered == [0]
    await finish(workers)


async def test_sleep_that_returns_at_once():
    """A `sleep` of a test that takes no time does not make the limiter spin."""
    sleeps = []

    async def sleep(seconds):
        sleeps.append(seconds)

    limiter = RequestLimiter(1, sleep)
    limiter.pause(100)
    await limiter.acquire(None)
    assert len(sleeps) == 1


@pytest.mark.parametrize(
    ("error", "pause", "rate"),
    [
        (RateLimitError(status=429), 10, 1),
        (RateLimitError(status=429), None, 1),
        (ServerError(status=503), 10, 8),
    ],
    ids=["429", "429 without a pause", "503"],
)
async def test_throttled(clock, error, pause, rate):
    """A 429 cuts the rate to what the server accepted; a 503 only spaces out the requests that were held back."""
    limiter = RequestLimiter(8, clock.sleep)
    limiter.throttled(error, sent_at=clock.now, pause=pause)
    assert limiter.rate == rate
    assert limiter.paused_until == (pause and clock.now + pause)


@given(cancelled=st.sets(st.integers(0, 5)), paused=st.booleans())
def test_cancelled_anywhere(cancelled, paused):
    """Of six tasks, two hold a slot or wait for the pause, and four are queued: cancelling any loses no slot."""

    async def main():
        clock = Clock()
        patch.setattr("piriod_async.transport.limiter.time", clock)
        sleep = ManualSleep(clock)
        workers = Workers(RequestLimiter(2, sleep))
        if paused:
            workers.slots.pause(10)
        workers.start(6)
        await settle()
        for name in cancelled:
            workers.tasks[name].cancel()
        await settle()
        workers.let_go(6)
        while sleep.pending:
            sleep.wake()
            await settle()
        await settle()
        assert workers.entered == [name for name in range(6) if name not in cancelled or (name < 2 and not paused)]
        assert [task.cancelled() for task in workers.tasks] == [name in cancelled for name in range(6)]
        await finish(workers)

    with pytest.MonkeyPatch.context() as patch:
        asyncio.run(main())
