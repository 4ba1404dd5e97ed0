"""One listing, iterated several times: one after the other, at once, by several tasks."""

import asyncio

import pytest

from tests.integration.listing.serving import each_kind, expected, ids_of, serving, take

pytestmark = pytest.mark.usefixtures("no_leaks")


@each_kind
async def test_read_again(ordering):
    """Each iteration reads the list anew."""
    async with serving(60) as (server, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        assert len(await listing.collect()) == 60
        server.remove(server.customers()[30]["id"])
        server.add()
        assert ids_of(await listing.collect()) == expected(server, ordering)


@each_kind
async def test_concurrent_iterations(ordering):
    """Iterations of one listing do not disturb each other."""
    async with serving() as (server, piriod):
        one = piriod.customers(ordering=ordering, page_size=20)
        two = piriod.customers(country="CL", ordering="-created", page_size=50)
        first, again, second = await asyncio.gather(one.collect(), one.collect(), two.collect())
        assert ids_of(first) == ids_of(again) == expected(server, ordering)
        chile = {customer["id"] for customer in server.customers() if customer["country"]["id"] == "CL"}
        assert ids_of(second) == [id_ for id_ in expected(server, "-created") if id_ in chile]


async def test_shared_listing():
    """A listing may be shared: one that leaves it does not cut off another."""
    async with serving() as (server, piriod):
        listing = piriod.customers(page_size=20)
        left, ids = asyncio.Event(), []

        async def read():
            async with listing:
                async for customer in listing:
                    ids.append(customer.id)
                    await left.wait()

        reading = asyncio.create_task(read())
        await take(listing, 30)
        assert ids
        left.set()
        await reading
        assert ids == expected(server, "created")


async def test_finished_iterations():
    """An `async with` block does not keep iterations that have finished."""
    async with serving(60) as (_, piriod):
        listing = piriod.customers(page_size=20)
        async with listing:
            for _ in range(3):
                await listing.collect()
                assert [page async for page in listing.pages()]
            assert len(listing._scopes[0].generators) == 1
