"""Sources of workspace ids without end, of which nothing needs to be requested."""

import asyncio
from itertools import count, repeat

import pytest

from piriod_async import RetryPolicy
from piriod_async.testing import MockServer
from piriod_async.workspaces import WORKERS_PER_REQUEST
from tests.support.tasks import until

pytestmark = pytest.mark.usefixtures("no_leaks")

ENDLESS = {
    "repeated": lambda: repeat("acc_mock"),
    "invalid": lambda: (f"account {number}" for number in count()),
    "not text": count,
}


class Source:
    """Workspace ids, and how many were taken in one event-loop iteration at most."""

    def __init__(self, ids):
        self.ids, self.taken, self.most = ids, 0, 0

    def __iter__(self):
        for workspace in self.ids:
            if not self.taken:
                asyncio.get_running_loop().call_soon(self.next_iteration)
            self.taken += 1
            self.most = max(self.most, self.taken)
            assert self.taken < 1_000, "the source holds the event loop"
            yield workspace

    def next_iteration(self):
        self.taken = 0


async def as_async(source):
    for workspace in source:
        yield workspace


@pytest.mark.parametrize("convert", [iter, as_async], ids=["sync", "async"])
@pytest.mark.parametrize("ids", ENDLESS.values(), ids=ENDLESS)
async def test_endless(ids, convert):
    """The event loop runs between ids, so that the listing can be cancelled."""
    source = Source(ids())
    retry = RetryPolicy(attempts=1)
    async with MockServer(3) as server, server.session(retry=retry, concurrency=2) as piriod:
        listing = piriod.across(convert(source), on_error="collect")
        task = asyncio.create_task(listing.collect())
        await until(lambda: task.done() or listing.errors or listing.progress.delivered == 3)
        for _ in range(100):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert source.most <= WORKERS_PER_REQUEST * 2
    assert len(server.requests) <= 1


async def test_closed_session():
    """Ids of which each fails because the session is closed do not hold the event loop."""
    source = Source(f"acc_{number}" for number in range(2_000))
    async with MockServer(3) as server:
        piriod = server.session(concurrency=2)
        await piriod.close()
        listing = piriod.across(source, on_error="collect")
        assert await listing.collect() == {}
    assert len(listing.errors) == 2_000
    assert source.most <= WORKERS_PER_REQUEST * 2
    assert server.requests == []
