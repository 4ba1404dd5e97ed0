"""Loops that are left by `break` alone, for the garbage collector to close."""

import asyncio
import gc

import pytest

from piriod_async.testing import MockServer
from tests.support.tasks import assert_idle, pending_tasks, settle, until

pytestmark = pytest.mark.usefixtures("no_leaks")

SIZES = {f"acc_{n}": 1_500 for n in range(40)}


async def workspace_ids():
    for workspace in SIZES:
        yield workspace


ITERATORS = {
    "customers": lambda piriod: aiter(piriod.customers(page_size=50)),
    "pages": lambda piriod: piriod.customers(page_size=50).pages(),
    "by page number": lambda piriod: aiter(piriod.customers(page_size=50, ordering=None)),
    "across": lambda piriod: aiter(piriod.across(SIZES, page_size=50)),
    "across pages": lambda piriod: piriod.across(SIZES, page_size=50).pages(),
    "across ids of a generator": lambda piriod: aiter(piriod.across(workspace_ids(), page_size=50)),
}


# of page 3 and those behind it, which are prefetched
FAULTS = {"requests pending": {"stall": True}, "requests failed": {"status": 400}, "at rest": None}


@pytest.fixture
async def reports():
    """The reports of asyncio to the exception handler of the event loop."""
    contexts = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: contexts.append(context))
    return contexts


async def come_to_rest(piriod):
    """Wait until no more requests are sent, and every task waits for the consumer."""
    sent = -1
    while sent != piriod.stats.requests:
        sent = piriod.stats.requests
        await until(lambda: not piriod.stats.in_flight)
        await settle()


async def collect_garbage(piriod):
    """Collect an iterator that nothing refers to but a cycle of references, and wait until it is closed."""
    gc.collect()
    await until(lambda: not pending_tasks())
    await settle()
    assert_idle(piriod)
    gc.collect()


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("start", ITERATORS.values(), ids=ITERATORS)
async def test_collected_in_a_cycle(start, fault, reports):
    """An iterator that is collected with a cycle of references cancels its requests and tasks, and reports nothing."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        if fault:
            for page in (3, 4, 5):
                server.fail(**fault, page=page, times=None)
        cycle = [start(piriod)]
        for _ in range(51 if start is ITERATORS["by page number"] else 1):  # it prefetches once page 2 is asked for
            await anext(cycle[0])
        await (until(lambda: piriod.stats.in_flight) if fault == {"stall": True} else come_to_rest(piriod))
        cycle.append(cycle)
        del cycle
        await collect_garbage(piriod)
        assert not reports
        server.clear_faults()
        assert len(await piriod.customers().collect()) == 1_500


async def test_all_workspaces_fail(reports):
    """The errors of several workspaces are collected with the iterator, and not reported as never retrieved."""
    sizes = {"acc_1": 500, "acc_2": 500}
    async with MockServer(sizes) as server, server.session(concurrency=1) as piriod:
        server.fail(status=400, page=3, times=None)
        cycle = [aiter(piriod.across(sizes))]
        for _ in range(150):
            await anext(cycle[0])
        await come_to_rest(piriod)
        cycle.append(cycle)
        del cycle
        await collect_garbage(piriod)
        assert not reports
