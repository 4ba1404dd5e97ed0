"""The caller's own cap on the rate of requests, in virtual time."""

import asyncio
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piriod_async.testing import no_backoff
from piriod_async.testing.mock_server.rate_limit import RateLimit
from piriod_async.transport.limiter import RequestLimiter
from piriod_async.transport.rate_cap import RateCap
from tests.support.clock import Clock, ManualSleep, run_virtual
from tests.support.tasks import settle

RATES = [0.5, 4, 32]  # whose intervals are exact
DURATIONS = st.one_of(st.floats(0, 0.5), st.floats(0, 4))
EVENTS = st.lists(
    st.tuples(st.floats(0, 0.5), st.sampled_from("abc"), DURATIONS, st.floats(0, 1), st.booleans()), max_size=40
)


def run_in_virtual_time(main):
    """Run a coroutine whose limiter, cap and server read the clock of a virtual event loop."""
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        for module in ("transport.limiter", "transport.rate_cap", "testing.mock_server.rate_limit"):
            patch.setattr(f"piriod_async.{module}.time", clock)
        run_virtual(main(clock), clock)


@given(events=EVENTS, rate=st.sampled_from([*RATES, 2.5]), slots=st.integers(1, 4))
def test_no_429(events, rate, slots):
    """Whenever requests are sent, arrive and are cancelled, the server refuses none, and all are sent in the end."""

    async def main(clock):
        limiter, cap, limit = RequestLimiter(slots, asyncio.sleep), RateCap(rate), RateLimit(rate * (1 + 1e-9))
        sent = []

        async def request(flow, duration, travelled):
            await limiter.acquire(flow, cap)
            try:
                sent.append(clock.now)
                await asyncio.sleep(duration * travelled)
                limit.check_rate()
                await asyncio.sleep(duration * (1 - travelled))
            finally:
                limiter.release(cap)

        tasks = []
        for pause, flow, duration, travelled, is_cancelled in events:
            await asyncio.sleep(pause)
            tasks.append(asyncio.create_task(request(flow, duration, travelled)))
            if is_cancelled:
                tasks[len(tasks) // 2].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results)
        assert all(later - earlier >= 1 / rate - 1e-6 for earlier, later in pairwise(sent))
        assert (limiter.in_flight, limiter.slots.available) == (0, slots)

    run_in_virtual_time(main)


@pytest.mark.parametrize(("rate", "seconds"), [(50, 3), (1, 60)])
def test_slow_responses(rate, seconds):
    """With a latency, the rate is lower by no more than that: the places of requests in flight are taken."""

    async def main(clock):
        limiter, cap, limit, sent = RequestLimiter(8, asyncio.sleep), RateCap(rate), RateLimit(rate), 0

        async def requests():
            nonlocal sent
            while clock.now < 1_000 + seconds:
                await limiter.acquire("a", cap)
                sent += 1
                await asyncio.sleep((0.003, 0.1)[sent % 2])
                limit.check_rate()
                limiter.release(cap)

        await asyncio.gather(*(requests() for _ in range(8)))
        assert rate * seconds / 1.11 <= sent <= rate * seconds + 8

    run_in_virtual_time(main)


def test_full_rate():
    """Requests that wait are sent at the full rate, one flow after the other."""

    async def main(clock):
        limiter, cap, sent = RequestLimiter(8, asyncio.sleep), RateCap(10), []

        async def request(flow):
            await limiter.acquire(flow, cap)
            sent.append((flow, clock.now - 1_000))
            limiter.release(cap)

        await asyncio.gather(*(request(flow) for flow in "aaaab"))
        assert [flow for flow, _ in sent] == ["a", "a", "a", "b", "a"]
        assert [seconds for _, seconds in sent] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])

    run_in_virtual_time(main)


async def test_other_sessions(clock):
    """A request that waits for the cap holds no slot, so that sessions without one are not held back."""
    sleep = ManualSleep(clock)
    limiter, cap = RequestLimiter(1, sleep), RateCap(1)
    await limiter.acquire("a", cap)
    limiter.release(cap)
    waiting = [asyncio.create_task(limiter.acquire("a", cap)) for _ in range(3)]
    await settle()
    assert sleep.pending == [1]
    await limiter.acquire("b")
    limiter.release()
    for task in waiting:
        await settle()
        sleep.wake()
        await task
        limiter.release(cap)


async def test_cancelled(clock):
    """A cancelled request passes its turn on, and the next one waits no longer for it."""
    sleep = ManualSleep(clock)
    limiter, cap = RequestLimiter(2, sleep), RateCap(1)
    await limiter.acquire("a", cap)
    limiter.release(cap)
    first, second = (asyncio.create_task(limiter.acquire("a", cap)) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    sleep.wake()
    await second
    assert clock.now == 1_001
    assert first.cancelled()


def test_event_loops():
    """The cap holds from one event loop to the next, also if a request was left waiting, or in flight, on the first."""
    cap = RateCap(0.001)
    sleeps = []

    async def sleep(seconds):
        sleeps.append(seconds)
        await asyncio.Event().wait()

    async def send():
        await RequestLimiter(1, sleep).acquire("a", cap)

    async def wait():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(send(), 0)

    asyncio.run(send())
    for _ in range(2):
        loop = asyncio.new_event_loop()
        waiting = loop.create_task(send())
        loop.run_until_complete(settle())
        waiting.cancel()
        loop.run_until_complete(asyncio.gather(waiting, return_exceptions=True))
        loop.close()
    assert sleeps == [pytest.approx(1_000, abs=60)] * 2
    assert cap.last_sent_at <= time.monotonic()


async def test_no_backoff(clock):
    """Where a test switches waiting off, the cap does not wait either."""
    limiter, cap = RequestLimiter(2, clock.sleep), RateCap(1)
    with no_backoff():
        await limiter.acquire("a", cap)
        await limiter.acquire("a", cap)
    assert clock.sleeps == []
