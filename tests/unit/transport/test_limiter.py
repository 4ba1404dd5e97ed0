"""How many at once, in what order, and one pause for all."""

import asyncio
import itertools

import pytest

from piriod_async import RetryPolicy
from piriod_async.testing.mock_server import MockServer
from piriod_async.transport.limiter import Gate

pytestmark = pytest.mark.usefixtures("no_leaks")


class Crowd:
    """Tasks that pass a gate, and stay inside until told to leave."""

    def __init__(self, gate):
        self.gate = gate
        self.entered = []
        self.tasks = []
        self._may_leave = asyncio.Semaphore(0)

    def come(self, many=1, whose="anybody"):
        for _ in range(many):
            self.tasks.append(asyncio.create_task(self._pass(len(self.tasks), whose)))

    async def _pass(self, name, whose):
        await self.gate.enter(whose)
        try:
            self.entered.append(name)
            await self._may_leave.acquire()
        finally:
            self.gate.leave()

    def let_go(self, many=1):
        for _ in range(many):
            self._may_leave.release()

    async def end(self):
        self.let_go(len(self.tasks))
        await asyncio.gather(*self.tasks, return_exceptions=True)
        assert self.gate.in_flight == 0
        assert self.gate._free == self.gate._concurrency


class Bell:
    """A sleep that lasts until it is rung; then its time has passed."""

    def __init__(self, clock=None):
        self.clock, self.sleepers = clock, []

    async def __call__(self, seconds):
        self.sleepers.append((seconds, asyncio.Event()))
        await self.sleepers[-1][1].wait()

    def ring(self):
        sleepers, self.sleepers = self.sleepers, []
        self.clock.now += max((seconds for seconds, _ in sleepers), default=0)
        for _, event in sleepers:
            event.set()


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def bell(clock):
    return Bell(clock)


class Counting(MockServer):
    """Counts the requests that are here at once, and holds those for later pages until so many are."""

    here = peak = 0

    def __init__(self, *args, full, **options):
        super().__init__(*args, **options)
        self.full, self.filled = full, asyncio.Event()

    async def _handle(self, request):
        self.here += 1
        self.peak = max(self.peak, self.here)
        if self.here == self.full:
            self.filled.set()
        try:
            if request.query["page"] != "1":
                await self.filled.wait()
            return await super()._handle(request)
        finally:
            self.here -= 1


@pytest.mark.parametrize("concurrency", [1, 3, 8])
@pytest.mark.parametrize("ordering", [None, "created"])
@pytest.mark.parametrize("faults", [0, 10])
async def test_as_many_at_once_as_concurrency_says_and_no_more(clock, concurrency, ordering, faults):
    async with Counting(100, full=concurrency) as sandbox:
        async with sandbox.session(concurrency=concurrency, retry=clock.policy(attempts=20)) as piriod:
            if faults:
                sandbox.fail(status=500, times=faults)
            listings = [piriod.customers(ordering=ordering, page_size=10) for _ in range(2)]
            async with asyncio.timeout(30):
                all_, both = await asyncio.gather(*(listing.collect() for listing in listings))
            assert len(all_) == len(both) == 100
            assert piriod.stats.in_flight == 0
        assert sandbox.peak == concurrency


async def test_a_slot_is_given_back_before_a_wait():
    """One request waits to be tried again, and the only slot is free for another."""
    waiting = asyncio.Event()

    async def sleep(_):
        waiting.set()
        await asyncio.Event().wait()

    async with MockServer(3) as sandbox, sandbox.session(concurrency=1, retry=RetryPolicy(sleep=sleep)) as piriod:
        sandbox.fail(status=500)
        task = asyncio.create_task(piriod.customers().collect())
        await waiting.wait()
        assert len(await piriod.customers().collect()) == 3
        task.cancel()


async def test_stats_while_requests_are_under_way():
    async with MockServer(300, latency=5) as sandbox:
        piriod = sandbox.session(concurrency=3)
        tasks = [asyncio.create_task(piriod.customers().count()) for _ in range(5)]
        while piriod.stats.requests < 3:  # noqa: ASYNC110
            await asyncio.sleep(0)
        await settle()
        assert (piriod.stats.in_flight, piriod.stats.requests) == (3, 3)
        await piriod.close()
        assert piriod.stats.in_flight == 0
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_first_come_first_served(bell):
    crowd = Crowd(Gate(3, bell))
    crowd.come(10)
    await settle()
    assert crowd.entered == [0, 1, 2]
    assert crowd.gate.in_flight == 3
    for last in range(3, 10):
        crowd.let_go()
        await settle()
        assert crowd.entered == list(range(last + 1))
        assert crowd.gate.in_flight == 3
    await crowd.end()


async def test_nobody_cuts_in_line(bell):
    """A slot that was just given back goes to who waits, not to who comes at that moment."""
    crowd = Crowd(Gate(1, bell))
    crowd.come(2)
    await settle()
    crowd.let_go()
    while not crowd.tasks[0].done():  # noqa: ASYNC110
        await asyncio.sleep(0)
    crowd.come()
    crowd.let_go(2)
    await settle()
    assert crowd.entered == [0, 1, 2]
    await crowd.end()


async def test_listings_take_turns(bell):
    """A look-up waits for one request of each crawl, not for all that they have in line."""
    crowd = Crowd(Gate(1, bell))
    crowd.come(4, "crawl")
    crowd.come(3, "another")
    crowd.come(1, "look-up")
    await settle()
    for _ in range(7):
        crowd.let_go()
        await settle()
    assert crowd.entered == [0, 1, 4, 7, 2, 5, 3, 6]
    await crowd.end()


async def test_a_pause_holds_back_everybody(bell):
    crowd = Crowd(Gate(2, bell))
    crowd.come()
    await settle()
    crowd.gate.pause(10)
    assert crowd.gate.paused_until == 1010
    crowd.come(4)
    await settle()
    assert crowd.entered == [0]
    crowd.let_go()
    await settle()
    assert crowd.entered == [0]
    assert [seconds for seconds, _ in bell.sleepers] == [10]
    assert crowd.gate.in_flight == 0
    bell.ring()
    assert crowd.gate.paused_until is None
    await settle()
    assert crowd.entered == [0, 1]
    assert [seconds for seconds, _ in bell.sleepers] == [
        pytest.approx(0.45)
    ]  # two in a second, a twentieth of one late
    bell.ring()
    await settle()
    assert crowd.entered == [0, 1, 2]
    crowd.let_go(2)
    while bell.sleepers or len(crowd.entered) < 5:
        await settle()
        bell.ring()
    assert crowd.entered == [0, 1, 2, 3, 4]
    await crowd.end()


async def test_a_pause_that_grows_meanwhile(clock, bell):
    crowd = Crowd(Gate(1, bell))
    crowd.gate.pause(10)
    crowd.come()
    await settle()
    clock.now = 1004
    crowd.gate.pause(20)
    crowd.gate.pause(1)  # a shorter one takes nothing away
    assert crowd.gate.paused_until == 1024
    clock.now = 1000
    assert [seconds for seconds, _ in bell.sleepers] == [10]
    bell.ring()
    await settle()
    assert crowd.entered == []
    assert [seconds for seconds, _ in bell.sleepers] == [14]
    bell.ring()
    await settle()
    assert crowd.entered == [0]
    await crowd.end()


async def test_a_pause_that_is_over_is_not_waited_for(clock, bell):
    crowd = Crowd(Gate(1, bell))
    crowd.gate.pause(10)
    clock.now = 1010
    crowd.come()
    await settle()
    assert crowd.entered == [0]
    await crowd.end()


@pytest.mark.parametrize("gone", [gone for n in (1, 2, 4) for gone in itertools.combinations(range(6), n)], ids=str)
@pytest.mark.parametrize("paused", [False, True])
async def test_who_gives_up_leaves_no_slot_behind(bell, gone, paused):
    """Of six, two are inside or wait for the pause to end, and four queue behind them."""
    crowd = Crowd(Gate(2, bell))
    if paused:
        crowd.gate.pause(10)
    crowd.come(6)
    await settle()
    for name in gone:
        crowd.tasks[name].cancel()
    await settle()
    crowd.let_go(6)
    while bell.sleepers:
        bell.ring()
        await settle()
    await settle()
    assert crowd.entered == [name for name in range(6) if name not in gone or (name < 2 and not paused)]
    assert [task.cancelled() for task in crowd.tasks] == [name in gone for name in range(6)]
    await crowd.end()


async def test_cancelled_in_the_turn_that_the_slot_came(bell):
    crowd = Crowd(Gate(1, bell))
    crowd.come(3)
    await settle()
    crowd.let_go()
    while not crowd.tasks[0].done():  # noqa: ASYNC110
        await asyncio.sleep(0)
    crowd.tasks[1].cancel()  # it was given the slot, and has not woken up yet
    await settle()
    assert crowd.entered == [0, 2]
    await crowd.end()


async def test_one_429_pauses_the_whole_session(clock, bell):
    async with MockServer(3) as sandbox:
        piriod = sandbox.session(retry=clock.policy(sleep=bell, initial=0))
        sandbox.fail(status=429, retry_after=60)
        first = asyncio.create_task(piriod.customers().collect())
        while piriod.stats.paused_until is None:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert piriod.stats.paused_until == clock.now + 60
        assert piriod.stats.pace == 1
        listing = piriod.customers()
        second = asyncio.create_task(listing.collect())
        await settle()
        assert listing.progress.paused_until == clock.now + 60
        assert piriod.stats.requests == len(sandbox.requests) == 1
        while not (first.done() and second.done()):
            bell.ring()
            await asyncio.sleep(0)
        assert len(sandbox.requests) == 3
        assert piriod.stats.paused_until is None
        await piriod.close()


async def test_a_sleep_that_takes_no_time_does_not_hold_the_loop():
    async def sleepless(seconds):
        slept.append(seconds)

    slept, gate = [], Gate(1, sleepless)
    gate.pause(100)
    await gate.enter(None)
    assert len(slept) == 1


async def test_who_gives_up_costs_its_line_no_turn(bell):
    crowd = Crowd(Gate(1, bell))
    crowd.come(1, "inside")
    crowd.come(2, "crawl")
    crowd.come(1, "look-up")
    await settle()
    crowd.tasks[1].cancel()
    await settle()
    crowd.let_go()
    await settle()
    assert crowd.entered == [0, 2]
    await crowd.end()
