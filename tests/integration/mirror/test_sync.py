"""A sync makes the mirror equal to the list, and says what changed."""

import pytest

from piriod_async import PiriodError
from piriod_async.mirror import Mirror
from piriod_async.testing import MockServer, Unchecked
from tests.support.mirrors import changes_in, ids_in, ids_on, query

pytestmark = pytest.mark.usefixtures("no_leaks")


def numbers(sync):
    return sync.added, sync.changed, sync.returned, sync.removed, sync.unchanged


@pytest.mark.parametrize("ordering", ["created", "-created"])
async def test_every_kind_of_change(database, ordering):
    """Customers that are added, changed, removed and returned are counted as that, and the mirror equals the list."""
    async with MockServer(250) as server, server.session() as piriod, Mirror(database) as mirror:
        listing = piriod.customers(ordering=ordering)
        assert numbers(await mirror.sync(listing)) == (250, 0, 0, 0, 0)
        first, second, *_ = server.customers()
        server.remove(first["id"])
        server.update(second["id"], email="nuevo@example.cl")
        new = server.add()
        sync = await mirror.sync(listing)
        assert numbers(sync) == (1, 1, 0, 1, 248)
        assert sorted(await changes_in(mirror, since=sync.previous_run)) == sorted(
            [(sync.run, "removed", first["id"]), (sync.run, "changed", second["id"]), (sync.run, "added", new)]
        )
        server.add(first)
        assert numbers(await mirror.sync(listing)) == (0, 0, 1, 0, 250)
        assert await ids_in(mirror) == ids_on(server)
        assert [customer async for _, customer in mirror.customers()] == sorted(
            await listing.collect(), key=lambda customer: customer.id
        )


async def test_unchanged(database):
    """A sync that finds no change writes no version and no run, and the mirror is complete as of it."""
    async with MockServer(120) as server, server.session() as piriod, Mirror(database) as mirror:
        first = await mirror.sync(piriod.customers())
        rows = query(database, "select workspace, id, run_from, run_to from piriod_versions order by id")
        as_of = await mirror.complete_as_of()
        second = await mirror.sync(piriod.customers())
        assert numbers(second) == (0, 0, 0, 0, 120)
        assert second.previous_run == first.run
        assert query(database, "select workspace, id, run_from, run_to from piriod_versions order by id") == rows
        assert [run.run for run in await mirror.runs()] == [first.run]
        assert (await mirror.complete_as_of()) > as_of


async def test_there_and_back(database):
    """A, then B, then A again are two changes; a change that is undone between two syncs is no change."""
    async with MockServer(20) as server, server.session() as piriod, Mirror(database, ignore=["updated"]) as mirror:
        id_ = server.customers()[3]["id"]
        for name in ("A", "B", "A"):
            server.update(id_, name=name)
            sync = await mirror.sync(piriod.customers())
        assert sync.changed == 1
        changes = [change async for change in mirror.changes(since=1)]
        assert [change.fields for change in changes] == [{"name": ("A", "B")}, {"name": ("B", "A")}]
        server.update(id_, name="B")
        server.update(id_, name="A")
        assert (await mirror.sync(piriod.customers())).changed == 0


async def test_removal_is_soft(database):
    """A removed customer stays in the history, and comes back as returned, with the fields that differ."""
    async with MockServer(20) as server, server.session() as piriod, Mirror(database) as mirror:
        first = await mirror.sync(piriod.customers())
        gone = server.customers()[4]
        server.remove(gone["id"])
        removal = await mirror.sync(piriod.customers())
        assert gone["id"] not in await ids_in(mirror)
        assert gone["id"] in await ids_in(mirror, at=first.run)
        server.add(gone | {"name": "Nuevo nombre"})
        returned = await mirror.sync(piriod.customers())
        [*_, change] = [change async for change in mirror.changes(since=removal.run)]
        assert (change.kind, change.run) == ("returned", returned.run)
        assert change.fields == {"name": (gone["name"], "Nuevo nombre")}


async def test_equal_created(database):
    """Customers of one instant, over many pages, are neither lost nor repeated."""
    async with MockServer(30) as server, server.session() as piriod, Mirror(database) as mirror:
        created = server.customers()[9]["created"]
        ties = [server.add(created=created) for _ in range(45)]
        listing = piriod.customers(page_size=10)
        assert numbers(await mirror.sync(listing)) == (75, 0, 0, 0, 0)
        server.remove(ties[17])
        server.update(ties[30], name="Otro")
        assert numbers(await mirror.sync(piriod.customers(page_size=10, ordering="-created"))) == (0, 1, 0, 1, 73)
        assert await ids_in(mirror) == ids_on(server)


async def test_created_that_moves(database):
    """A customer whose `created` is another one now has changed: it is neither removed nor added."""
    async with MockServer(300) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        early, late = server.customers()[10], server.customers()[290]
        server.update(early["id"], created=late["created"])
        server.update(late["id"], created=early["created"])
        sync = await mirror.sync(piriod.customers())
        assert numbers(sync) == (0, 2, 0, 0, 298)
        assert await ids_in(mirror) == ids_on(server)


async def test_ignored_fields(database):
    """An ignored field is no change, and is refreshed all the same, without a version of its own."""
    async with MockServer(30) as server, server.session() as piriod:
        id_ = server.customers()[3]["id"]
        async with Mirror(database, ignore=("updated", "phone")) as mirror:
            await mirror.sync(piriod.customers())
            server.update(id_, phone="+56 2 1234 5678")
            sync = await mirror.sync(piriod.customers())
            assert numbers(sync) == (0, 0, 0, 0, 30)
            assert (await mirror.find(id=id_))[0][1].phone == "+56 2 1234 5678"
            assert query(database, "select phone, run_from, run_to from piriod_versions where id = ?", id_) == [
                ("+56 2 1234 5678", 1, None)
            ]
        async with Mirror(database) as mirror:
            assert numbers(await mirror.sync(piriod.customers())) == (0, 0, 0, 0, 30)
            server.update(id_, phone="+56 2 8765 4321")
            assert (await mirror.sync(piriod.customers())).changed == 1


async def test_failed_listing_changes_nothing(database):
    """After an error in the middle of the list, readers see the run before, and the next sync is right."""
    async with MockServer(450) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        before, count = await ids_in(mirror), len(query(database, "select 1 from piriod_versions"))
        *ids, last = [customer["id"] for customer in server.customers()]
        for id_ in ids[:40]:
            server.remove(id_)
        for id_ in ids[40:]:
            server.update(id_, name="Otro")
        server.update(last, created=Unchecked("ayer"))
        with pytest.raises(PiriodError, match="created"):
            await mirror.sync(piriod.customers())
        assert await ids_in(mirror) == before
        assert len(query(database, "select 1 from piriod_versions")) == count
        server.remove(last)
        sync = await mirror.sync(piriod.customers())
        assert (sync.changed, sync.removed) == (409, 41)
        assert await ids_in(mirror) == ids_on(server)
