"""The limiter over real sockets: requests in flight, and a pause of the session."""

import asyncio

import pytest

from piriod_async import RetryPolicy
from piriod_async.testing.mock_server import MockServer
from tests.support.clock import ManualSleep
from tests.support.tasks import settle, until

pytestmark = pytest.mark.usefixtures("no_leaks")


class CountingServer(MockServer):
    """Counts concurrent requests, and holds those for later pages until `full` of them have arrived."""

    in_flight = peak = 0

    def __init__(self, *args, full, **options):
        super().__init__(*args, **options)
        self.full, self.filled = full, asyncio.Event()

    async def _handle(self, request):
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        if self.in_flight == self.full:
            self.filled.set()
        try:
            if request.query["page"] != "1":
                await self.filled.wait()
            return await super()._handle(request)
        finally:
            self.in_flight -= 1


@pytest.mark.parametrize("concurrency", [1, 3, 8])
@pytest.mark.parametrize("ordering", [None, "created"])
@pytest.mark.parametrize("faults", [0, 10])
async def test_concurrency(clock, concurrency, ordering, faults):
    """Two listings together send exactly `concurrency` requests at once, with or without retries."""
    async with CountingServer(100, full=concurrency) as server:
        async with server.session(concurrency=concurrency, retry=clock.policy(attempts=20)) as piriod:
            if faults:
                server.fail(status=500, times=faults)
            listings = [piriod.customers(ordering=ordering, page_size=10) for _ in range(2)]
            async with asyncio.timeout(30):
                results = await asyncio.gather(*(listing.collect() for listing in listings))
            assert [len(customers) for customers in results] == [100, 100]
            assert piriod.stats.in_flight == 0
        assert server.peak == concurrency


async def test_slot_released_before_wait():
    """While a request waits for its retry, another one gets its slot."""
    waiting = asyncio.Event()

    async def sleep(_):
        waiting.set()
        await asyncio.Event().wait()

    async with MockServer(3) as server, server.session(concurrency=1, retry=RetryPolicy(sleep=sleep)) as piriod:
        server.fail(status=500)
        task = asyncio.create_task(piriod.customers().collect())
        await waiting.wait()
        assert len(await piriod.customers().collect()) == 3
        task.cancel()


async def test_stats():
    """`stats` counts the requests in flight, and not those that wait for a slot."""
    async with MockServer(300, latency=5) as server:
        piriod = server.session(concurrency=3)
        tasks = [asyncio.create_task(piriod.customers().count()) for _ in range(5)]
        await until(lambda: piriod.stats.requests == 3)
        await settle()
        assert (piriod.stats.in_flight, piriod.stats.requests) == (3, 3)
        await piriod.close()
        assert piriod.stats.in_flight == 0
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_pause(clock):
    """One 429 pauses all listings of the session, and `stats` and `progress` say until when."""
    sleep = ManualSleep(clock)
    async with MockServer(3) as server:
        piriod = server.session(retry=clock.policy(sleep=sleep, wait_initial=0))
        server.fail(status=429, retry_after=60)
        first = asyncio.create_task(piriod.customers().collect())
        await until(lambda: piriod.stats.paused_until)
        assert piriod.stats.paused_until == clock.now + 60
        assert piriod.stats.rate == 1
        listing = piriod.customers()
        second = asyncio.create_task(listing.collect())
        await settle()
        assert listing.progress.paused_until == clock.now + 60
        assert piriod.stats.requests == len(server.requests) == 1
        while not (first.done() and second.done()):
            sleep.wake()
            await asyncio.sleep(0)
        assert len(server.requests) == 3
        assert piriod.stats.paused_until is None
        await piriod.close()
