"""Deadlines, and event loops that are blocked. Time passes only by waiting, and by callbacks that block."""

import asyncio
import gc

import pytest

from piriod_async import APITimeoutError, RetryPolicy
from piriod_async.transport.attempts import RequestInfo
from piriod_async.transport.deadline import MAX_EXTENSIONS, Deadline
from piriod_async.transport.limiter import RequestLimiter
from piriod_async.transport.retry import Retrier
from piriod_async.transport.retry_budget import RetryBudget
from tests.support.clock import Clock, run_virtual


@pytest.fixture
def clock():
    return Clock()


def now():
    return asyncio.get_running_loop().time() - 1_000


def block_at(clock, when, seconds):
    """Block the event loop."""

    def block():
        clock.now += seconds

    asyncio.get_running_loop().call_at(1_000 + when, block)


async def read(when, chunks):
    """Read a response that the socket has since `when`, in chunks: one event-loop iteration reads each."""
    await asyncio.sleep(when)
    for _ in range(chunks):
        await asyncio.sleep(0)
    return "response"


def test_expires(clock):
    """It expires on time if the loop is not blocked."""

    async def main():
        deadline = Deadline(3)
        with pytest.raises(TimeoutError):
            async with deadline:
                await asyncio.Event().wait()
        assert deadline.expired()
        assert now() == 3

    run_virtual(main(), clock)


def test_expire_after(clock):
    """Without seconds it starts with `expire_after`."""

    async def wait(deadline):
        async with deadline:
            await asyncio.sleep(100)
            deadline.expire_after(3)
            await asyncio.Event().wait()

    async def main():
        with pytest.raises(TimeoutError):
            await wait(Deadline())
        assert now() == 103

    run_virtual(main(), clock)


@pytest.mark.parametrize("chunks", [1, 2, 5])
@pytest.mark.parametrize("seconds", [0.05, 1, 100])
def test_blocked_loop(clock, seconds, chunks):
    """A response that came in time is read, if the loop was blocked when the deadline expired."""

    async def main(make_deadline):
        block_at(clock, 2.99, seconds)
        async with make_deadline(3):
            return await read(2.995, chunks)

    assert run_virtual(main(Deadline), clock) == "response"
    clock.now = 1_000.0
    with pytest.raises(TimeoutError):
        run_virtual(main(asyncio.timeout), clock)


def test_no_response(clock):
    """A response that does not come is not waited for longer than the loop was blocked, or the timeout again."""

    async def main(seconds):
        block_at(clock, 2, seconds)
        with pytest.raises(TimeoutError):
            async with Deadline(3):
                await asyncio.Event().wait()
        return now()

    assert run_virtual(main(2), clock) == pytest.approx(4 + 1)
    clock.now = 1_000.0
    assert run_virtual(main(100), clock) == pytest.approx(102 + 3)


def test_always_blocked(clock):
    """On a loop that is always blocked, it expires after some extensions."""
    blocks = []

    async def main():
        async def block():
            while True:
                clock.now += 4
                blocks.append(now())
                await asyncio.sleep(0)

        task = asyncio.create_task(block())
        with pytest.raises(TimeoutError):
            async with Deadline(3):
                await asyncio.Event().wait()
        task.cancel()

    run_virtual(main(), clock)
    assert MAX_EXTENSIONS <= len(blocks) <= 2 * MAX_EXTENSIONS + 5


@pytest.mark.parametrize("blocked", [0, 0.005, 1])
@pytest.mark.parametrize("caller_first", [True, False])
@pytest.mark.parametrize("cancel", [True, False])
def test_cancelled_in_the_same_iteration(clock, blocked, caller_first, cancel):
    """A cancellation, or a deadline of the caller, that arrives as it expires is not lost."""

    cancelled = []

    async def wait():
        try:
            async with Deadline(3):
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(1)
            raise

    async def wait_in_time():
        async with asyncio.timeout(3 - 0.0001 * caller_first):
            await wait()

    async def main():
        loop = asyncio.get_running_loop()
        block_at(clock, 2.999, blocked)
        if cancel:
            task = asyncio.create_task(wait())
            loop.call_at(1_003 - 0.0001 * caller_first, task.cancel)
            await asyncio.wait([task])
            assert task.cancelled()
        else:
            with pytest.raises(TimeoutError):
                await wait_in_time()
        assert cancelled == [1]
        assert asyncio.current_task().cancelling() == 0

    run_virtual(main(), clock)


@pytest.mark.parametrize("error", [None, ZeroDivisionError])
def test_ends_before(clock, error):
    """Code that ends in time leaves no timer."""

    async def main():
        try:
            async with Deadline(3) as deadline:
                if error:
                    raise error
        except ZeroDivisionError:
            pass
        await asyncio.sleep(10)
        assert not deadline.expired()
        assert asyncio.current_task().cancelling() == 0
        del deadline
        gc.collect()
        assert not [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()]

    run_virtual(main(), clock)


@pytest.mark.parametrize("blocked", [True, False])
def test_max_elapsed(clock, blocked):
    """`max_elapsed` does not count the time in which the loop was blocked either."""
    request = RequestInfo(page=1, workspace="acc_1")

    async def send(_):
        if blocked:
            block_at(clock, 2.99, 1)
        await asyncio.sleep(2.995 if blocked else 3.1)
        await asyncio.sleep(0)
        return b"body"

    async def decode(body):
        return body

    async def main():
        retrier = Retrier(RetryPolicy(max_elapsed=3), RequestLimiter(1, asyncio.sleep), RetryBudget())
        return await retrier.call(send, decode, request=request, flow=None)

    if blocked:
        assert run_virtual(main(), clock) == b"body"
    else:
        with pytest.raises(APITimeoutError, match="max_elapsed"):
            run_virtual(main(), clock)
