"""Counters of a session."""

import pytest

from piriod_async import RetryPolicy
from piriod_async.testing import MockServer

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_counters():
    """`stats` counts the requests, retries and bytes of all listings."""
    async with MockServer(250) as server, server.session(retry=RetryPolicy(wait_initial=0)) as piriod:
        server.fail(status=500, page=2, times=2)
        pages = [page async for page in piriod.customers(ordering=None).pages()]
        stats = piriod.stats
        assert (stats.requests, stats.retries, stats.in_flight, stats.paused_until) == (6, 2, 0, None)
        assert stats.bytes_received == sum(len(page.raw) for page in [*pages, pages[0]])
        assert await piriod.customers().count() == 250
        assert piriod.stats.requests == 7
