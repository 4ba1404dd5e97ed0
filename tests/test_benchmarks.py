"""What the benchmarks compute with is what happens."""

import asyncio

import pytest

from benchmarks.plan import planned
from piriod_async.testing.mock_server import MockServer


@pytest.mark.parametrize("customers", [0, 1, 100, 2_500, 6_000])
async def test_the_plan_is_what_a_crawl_asks(customers):
    async with MockServer(customers) as server:
        created = sorted(row["created"] for row in server.customers())
        async with server.session() as piriod:
            assert len(await piriod.customers().collect()) == customers
    plan = await asyncio.to_thread(planned, created)
    assert sorted(request.query for request in server.requests) == sorted(tuple(each.params) for each in plan)
