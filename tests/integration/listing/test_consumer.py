"""A consumer that is slower than the server."""

import asyncio

import pytest

from piriod_async.decoding import strict
from piriod_async.pagination.adaptive_limit import PREFETCH_PER_REQUEST
from tests.integration.listing.serving import each_kind, serving

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize("concurrency", [2, 8])
@each_kind
async def test_slow_consumer(ordering, concurrency):
    """A consumer that stops iterating stops the requests; if it stops early, few have been sent."""
    async with serving({"acc_1": 2_000, "acc_2": 1}, session={"concurrency": concurrency}) as (server, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)

        async def rest():
            """Return how many requests it has sent once it sends no more, by the clock of others' requests."""
            counts = []
            while len(set(counts[-8:])) != 1 or len(counts) < 8:
                await piriod.customers(workspace="acc_2").count()
                counts.append(sum(request.workspace == "acc_1" for request in server.requests))
            return counts[-1]

        async with listing:
            customers = aiter(listing)
            await anext(customers)
            assert 1 <= await rest() <= 1 + concurrency
            for _ in range(200):
                await anext(customers)
            assert 11 <= await rest() <= 11 + 2 * PREFETCH_PER_REQUEST * concurrency


@each_kind
async def test_one_page_per_iteration(ordering, monkeypatch):
    """At most one page is decoded per event-loop iteration."""
    turns, now = [], 0
    decode_customers = strict.decode_customers

    def decode(body):
        turns.append(now)
        return decode_customers(body)

    async def count_turns():
        nonlocal now
        while True:
            now += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(strict, "decode_customers", decode)
    # the same latency for all: eight answers are sent, and so read, in one turn
    async with serving(1_000, latency=0.005) as (_, piriod):
        counting = asyncio.create_task(count_turns())
        await piriod.customers(ordering=ordering, page_size=20).collect()
        counting.cancel()
        assert len(turns) >= 50
        assert len(set(turns)) == len(turns)
