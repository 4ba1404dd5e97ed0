"""A quick sync reads what was changed last, if that explains the count, and else everything."""

import pytest

from piriod_async import QueryError
from piriod_async.mirror import Mirror
from piriod_async.testing import MockServer
from piriod_async.testing.mock_server.ordering import SORT_KEYS
from tests.support.mirrors import ids_in, ids_on

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_few_requests(database):
    """Twenty changes among 1,500 customers take six requests at most, and removed is unknown."""
    async with MockServer(1_500) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        for customer in server.customers()[::75][:15]:
            server.update(customer["id"], name="Otro")
        for _ in range(5):
            server.add()
        sync = await mirror.sync(piriod.customers(), quick=True)
        assert (sync.added, sync.changed, sync.removed, sync.unchanged, sync.quick) == (5, 15, None, 1_485, True)
        assert sync.requests <= 6
        assert (await mirror.runs())[-1].removed is None
        again = await mirror.sync(piriod.customers())
        assert (again.added, again.changed, again.removed, again.quick) == (0, 0, 0, False)


@pytest.mark.parametrize("quick", [False, True])
async def test_changed_while_it_was_read(database, quick):
    """A customer who changed after their page had been read is found, even if many later changes are known."""
    changes = []

    def change():
        server.update(first, name="Otro")
        for id_ in others[-60:]:
            server.update(server.add() if quick else id_, name="Otro")

    async with MockServer(400) as server, Mirror(database) as mirror:
        first, *others = [customer["id"] for customer in server.customers()]
        async with server.session(concurrency=1, on_attempt=lambda _: changes and changes.pop()()) as piriod:
            if quick:
                await mirror.sync(piriod.customers())
            changes += [change] if quick else [change, int, int]  # after the third response, or the first
            await mirror.sync(piriod.customers(page_size=25), quick=quick)
            assert not changes
            sync = await mirror.sync(piriod.customers(page_size=25), quick=True)
            assert (sync.changed, sync.quick) == (1, True)
            assert await ids_in(mirror) == ids_on(server)


async def test_first(database):
    """The first sync reads everything."""
    async with MockServer(120) as server, server.session() as piriod, Mirror(database) as mirror:
        sync = await mirror.sync(piriod.customers(), quick=True)
        assert (sync.added, sync.removed, sync.quick) == (120, 0, False)


async def test_unexplained_count(database):
    """Somebody is gone, so that the count is not explained: everything is read, and nothing is counted twice."""
    async with MockServer(300) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        gone, other = server.customers()[5], server.customers()[6]
        server.remove(gone["id"])
        server.update(other["id"], name="Otro")
        server.add()
        sync = await mirror.sync(piriod.customers(), quick=True)
        assert (sync.added, sync.changed, sync.removed, sync.unchanged, sync.quick) == (1, 1, 1, 298, False)
        assert await ids_in(mirror) == ids_on(server)


@pytest.mark.parametrize("in_step", [False, True])
async def test_server_that_does_not_order_by_updated(database, in_step, monkeypatch):
    """A server that does not know the ordering is noticed, even if `updated` is in the order of `created`."""
    monkeypatch.delitem(SORT_KEYS, "updated")  # then it orders by -created
    async with MockServer(300) as server, server.session() as piriod, Mirror(database) as mirror:
        for customer in server.customers() if in_step else ():
            server.update(customer["id"], updated=customer["created"])
        await mirror.sync(piriod.customers())
        server.update(server.customers()[0]["id"], name="Otro")
        sync = await mirror.sync(piriod.customers(), quick=True)
        assert (sync.changed, sync.removed, sync.quick) == (1, 0, False)


async def test_returned_without_update(database):
    """A customer who is back with an old `updated` is counted by the server, and found by the complete listing."""
    async with MockServer(300) as server, server.session() as piriod, Mirror(database) as mirror:
        gone = server.customers()[7]
        await mirror.sync(piriod.customers())
        server.remove(gone["id"])
        await mirror.sync(piriod.customers())
        server.add(gone)
        sync = await mirror.sync(piriod.customers(), quick=True)
        assert (sync.returned, sync.quick) == (1, False)


async def test_invalid_argument(tmp_path):
    """`quick` is a boolean."""
    async with MockServer(3) as server, server.session() as piriod, Mirror(tmp_path / "mirror.db") as mirror:
        with pytest.raises(QueryError, match="quick='yes'"):
            await mirror.sync(piriod.customers(), quick="yes")
