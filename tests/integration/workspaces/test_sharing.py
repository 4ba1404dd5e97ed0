"""The workspaces share requests, memory, retries and pauses of the session."""

import asyncio
import random

import pytest

from piriod_async import (
    RateLimitError,
    ServerError,
)
from piriod_async.pagination.adaptive_limit import PREFETCH_PER_REQUEST
from piriod_async.testing.mock_server import MockServer
from piriod_async.workspaces import WORKERS_PER_REQUEST
from tests.integration.workspaces.serving import SIZES, SWIFT

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_shared_retry_budget():
    """Workspaces share the retry budget of the session."""
    sizes = dict.fromkeys((f"acc_{n}" for n in range(200)), 5)
    async with MockServer(sizes) as server, server.session(concurrency=32, retry=SWIFT) as piriod:
        server.fail(status=503, times=None)
        listing = piriod.across(sizes, on_error="collect")
        assert await listing.collect() == {}
        assert {type(error) for error in listing.errors.values()} == {ServerError}
        assert len(listing.errors) == 200
        assert all(error.retry_budget_exhausted == (error.attempts < 5) for error in listing.errors.values())
        assert len(server.requests) <= 2 * 200
        assert piriod.stats.retry_budget == 0
        server.clear_faults()
        assert len(await piriod.across(sizes).collect()) == 200
        assert piriod.stats.retry_budget == 200


async def test_shared_pause(clock):
    """A pause that the server asks for applies to all workspaces."""
    async with MockServer(SIZES) as server, server.session(retry=clock.policy()) as piriod:
        server.fail(status=429, retry_after=7, workspace="acc_1")
        assert len((await piriod.across(SIZES).collect())["acc_1000"]) == 1_000
        assert 7 <= max(clock.sleeps) <= 7.5
        server.fail(status=429, retry_after=700, workspace="acc_1")
        with pytest.raises(RateLimitError):
            await piriod.across(SIZES).collect()


async def test_fairness():
    """A small workspace does not wait for a large one."""
    sizes = {"acc_large": 5_000, **{f"acc_{n}": 20 for n in range(40)}}
    async with MockServer(sizes) as server, server.session(concurrency=4) as piriod:
        order = [workspace async for workspace, _ in piriod.across(sizes).pages()]
        last = max(order.index(workspace) for workspace in sizes if workspace != "acc_large")
        assert order[: last + 1].count("acc_large") <= 0.6 * order.count("acc_large")
        assert order[-1] == "acc_large"


async def test_the_last_one_has_all_the_room_to_itself():
    """The last workspace gets all of the prefetching."""
    most = 0

    class Counting(MockServer):
        async def _wait_latency(self):
            nonlocal most
            if all(request.workspace == "acc_large" for request in self.requests[-20:]):
                most = max(most, piriod.stats.in_flight)
            await super()._wait_latency()

    sizes = {"acc_large": 6_000, **{f"acc_{n}": 20 for n in range(20)}}
    async with Counting(sizes, latency=0.002) as server, server.session(concurrency=4) as piriod:
        await piriod.across(sizes).collect()
    assert most == 4


async def test_bounded():
    """The number of tasks and pages does not grow with the workspaces."""
    rng = random.Random(7)
    sizes = {f"acc_{n}": rng.choice((0, 3, 90, 400, 1_200)) for n in range(30)}
    concurrency, tasks, waiting = 4, 0, 0
    async with MockServer(sizes) as server, server.session(concurrency=concurrency) as piriod:
        before = len(asyncio.all_tasks())
        pages = 0
        async for _ in piriod.across(sizes).pages():
            pages += 1
            tasks = max(tasks, len(asyncio.all_tasks()) - before)
            waiting = max(waiting, len(server.requests) - pages)
            await asyncio.sleep(0)
    crawls = WORKERS_PER_REQUEST * concurrency
    assert tasks <= crawls + 1 + 2 * (PREFETCH_PER_REQUEST * concurrency + 2 * crawls) + concurrency + 10
    assert waiting <= PREFETCH_PER_REQUEST * concurrency + 4 * crawls


async def test_slow_consumer():
    """A consumer that stops iterating stops the requests."""
    sizes = {f"acc_{n}": 1_000 for n in range(50)}
    async with MockServer(sizes) as server, server.session(concurrency=2) as piriod, piriod.across(sizes) as listing:
        async for _ in listing:
            break
        seen = -1
        while seen != len(server.requests):
            seen = len(server.requests)
            for _ in range(500):
                await asyncio.sleep(0)
        assert seen <= WORKERS_PER_REQUEST * 2 * 4
