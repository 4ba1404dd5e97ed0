"""The changes of a mirror, its history, and what pruning leaves of it."""

import json
from decimal import Decimal
from functools import partial

import pytest

from piriod_async import QueryError
from piriod_async.mirror import Mirror, MirrorError
from piriod_async.mirror.database import Database
from piriod_async.testing import MockServer
from tests.support.mirrors import changes_in, ids_in, query

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_durable(database):
    """The feed leads from any run to any later one, over many pages, in order, and from another process."""
    async with MockServer(1_300) as server, server.session() as piriod:
        async with Mirror(database) as mirror:
            first = await mirror.sync(piriod.customers())
            for customer in server.customers()[:600]:
                server.update(customer["id"], name="Otro")
            for customer in server.customers()[600:700]:
                server.remove(customer["id"])
            second = await mirror.sync(piriod.customers())
        async with Mirror(database) as mirror:
            changes = await changes_in(mirror)
            assert len(changes) == len(set(changes)) == 2_000
            assert changes == sorted(changes, key=lambda change: (change[0], change[2]))
            assert await changes_in(mirror, until=first.run) == changes[:1_300]
            assert await changes_in(mirror, since=first.run) == changes[1_300:]
            assert not await changes_in(mirror, since=second.run)


async def test_change(database):
    """A change has the customer before and after, and only the fields that differ."""
    async with MockServer(10) as server, server.session() as piriod, Mirror(database, ignore=["updated"]) as mirror:
        await mirror.sync(piriod.customers())
        before = server.customers()[0]
        server.update(before["id"], email="nuevo@example.cl", metadata={"a": 1})
        sync = await mirror.sync(piriod.customers())
        [change] = [change async for change in mirror.changes(since=sync.previous_run)]
        assert (change.kind, change.workspace, change.id) == ("changed", server.workspace, before["id"])
        assert change.before.email == before["email"]
        assert change.after == (await piriod.customers().first())
        assert change.fields == {
            "email": (before["email"], "nuevo@example.cl"),
            "metadata": (before["metadata"], {"a": 1}),
        }


async def test_fields_of_an_earlier_run(database):
    """The fields of a change are those that its run compared, whatever others compare, or a dry run."""
    async with MockServer(5) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        server.update(server.customers()[0]["id"], name="Otro")
        await mirror.sync(piriod.customers())
        async with Mirror(database, ignore=["updated"]) as other:
            for dry_run in (True, False):
                server.update(server.customers()[1]["id"], name="Otro")
                await other.sync(piriod.customers(), dry_run=dry_run)
                fields = [(change.run, set(change.fields)) async for change in mirror.changes(since=1)]
                assert fields[0] == (2, {"name", "updated"})
        assert fields[1:] == [(4, {"name"})]


async def test_prune(database):
    """Pruning drops what no later run has; the feed refuses what it cannot tell completely, and tells the rest."""
    async with MockServer(40) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        changed, gone = server.customers()[0], server.customers()[1]
        for name in ("A", "B", "C"):
            server.update(changed["id"], name=name)
            if name == "B":
                server.remove(gone["id"])
            last = await mirror.sync(piriod.customers())
        assert await mirror.prune(before=3) == 3
        assert await mirror.prune(before=3) == 0
        assert await changes_in(mirror, since=3) == [(4, "changed", changed["id"])]
        for since in (0, 2):
            with pytest.raises(MirrorError, match=f"since={since}: expected 3 or later; .* pruned"):
                await changes_in(mirror, since=since)
        with pytest.raises(MirrorError, match="at=2: expected 3 or later"):
            await ids_in(mirror, at=2)
        assert len(await ids_in(mirror, at=3)) == len(await ids_in(mirror)) == 39
        with pytest.raises(MirrorError, match=f"before=9: expected {last.run} or earlier"):
            await mirror.prune(before=9)
        assert query(database, "select run, kind from changes") == [(4, "changed")]
        server.add(gone)
        assert (await mirror.sync(piriod.customers())).added == 1


async def test_pruned_while_it_is_read(database):
    """A reader that is slower than the pruning gets an error, not a hole."""
    async with MockServer(700) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        server.update(server.customers()[0]["id"], name="A")
        await mirror.sync(piriod.customers())
        changes = mirror.changes()
        await anext(changes)
        await mirror.prune(before=2)
        with pytest.raises(MirrorError, match="pruned"):
            [change async for change in changes]


@pytest.mark.parametrize("read", [partial(changes_in, since=1), partial(ids_in, at=1)])
async def test_pruned_during_a_query(database, read, monkeypatch):
    """Pruning by another process between two queries for one page is an error too, not a hole."""
    fetch, prunings = Database.fetch, []

    def prune_and_fetch(self, sql, parameters=()):
        while "piriod_versions" in sql and prunings:
            query(database, prunings.pop())
        return fetch(self, sql, parameters)

    async with MockServer(1) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        server.remove(server.customers()[0]["id"])
        await mirror.sync(piriod.customers(), max_removed=1)
        monkeypatch.setattr(Database, "fetch", prune_and_fetch)
        prunings += ["delete from piriod_versions", "update piriod_mirror set pruned_before = 2"]
        with pytest.raises(MirrorError, match="pruned"):
            await read(mirror)


async def test_until_a_run_that_is_not_complete(database):
    """Changes of a run that is being written are refused: who reads on after it would miss the rest."""
    async with MockServer(5) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        query(database, "update piriod_versions set run_from = 2 where id = ?", server.customers()[0]["id"])
        with pytest.raises(MirrorError, match="until=2: expected 1 or earlier, the last complete run"):
            await changes_in(mirror, until=2)


async def test_history(database):
    """Every complete run can be read as it was."""
    async with MockServer(30) as server, server.session() as piriod, Mirror(database) as mirror:
        expected = {}
        for _ in range(4):
            server.remove(server.customers()[3]["id"])
            server.add()
            server.update(server.customers()[0]["id"], name=f"Nombre {len(expected)}")
            sync = await mirror.sync(piriod.customers())
            expected[sync.run] = sorted(await piriod.customers().collect(), key=lambda customer: customer.id)
        for run, customers in expected.items():
            assert [customer async for _, customer in mirror.customers(at=run)] == customers
        with pytest.raises(MirrorError, match="at=9: expected 4 or earlier"):
            await ids_in(mirror, at=9)


async def test_find(database):
    """A customer is found by its tax id, e-mail, reference or id, as of the last complete run."""
    async with MockServer(50) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        customer = next(each for each in server.customers() if each["reference"] and each["email"])
        for field in ("tax_id", "email", "reference", "id"):
            [(workspace, found)] = await mirror.find(**{field: customer[field]})
            assert (workspace, found.id) == (server.workspace, customer["id"])
        server.update(customer["id"], email="nuevo@example.cl")
        server.remove(server.customers()[-1]["id"])
        await mirror.sync(piriod.customers())
        assert not await mirror.find(email=customer["email"])
        assert len(await mirror.find(email="nuevo@example.cl")) == 1
        assert not await mirror.find(tax_id="'; drop table piriod_versions")
        with pytest.raises(QueryError, match="expected one of id, tax_id, email, reference"):
            await mirror.find(name="x")
        with pytest.raises(QueryError, match="email=5: expected text"):
            await mirror.find(email=5)


async def test_views(database):
    """Anyone can read the views with SQL: exact amounts, UTC moments, and the complete record as JSON."""
    customers = [{"id": "cus_1", "name": "Ñandú", "aggregations": {"balance": Decimal("1.10")}}]
    async with MockServer(customers) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        customer = await piriod.customers().first()
        [row] = query(database, "select id, name, balance, created, record from customers")
        record = json.loads(row[4]) if isinstance(row[4], str) else row[4]
        assert (row[:2], record["name"]) == (("cus_1", "Ñandú"), "Ñandú")
        if "://" in database:
            assert row[2:4] == (Decimal("1.10"), customer.created)
        else:
            assert row[2:4] == ("1.10", customer.created.isoformat(timespec="microseconds"))
        server.remove("cus_1")
        await mirror.sync(piriod.customers(), max_removed=1)
        assert query(database, "select * from customers") == []
        kinds = query(database, "select run, kind, before is null, after is null from changes order by run")
        assert [tuple(map(str, row)) for row in kinds] in (
            [("1", "added", "1", "0"), ("2", "removed", "0", "1")],
            [("1", "added", "True", "False"), ("2", "removed", "False", "True")],
        )


@pytest.mark.parametrize("value", [-1, True, "1", 1.0, None])
async def test_invalid_runs(value, tmp_path):
    """A run that is no number is refused by name."""
    async with Mirror(tmp_path / "mirror.db") as mirror:
        with pytest.raises(QueryError, match="before="):
            await mirror.prune(before=value)
        if value is not None:
            with pytest.raises(QueryError, match="at="):
                await ids_in(mirror, at=value)
        with pytest.raises(QueryError, match="since="):
            await changes_in(mirror, since=value)


async def test_empty_mirror(database):
    """A mirror that was never synced has nothing, and says so."""
    async with Mirror(database) as mirror:
        assert not await ids_in(mirror)
        assert not await changes_in(mirror)
        assert await mirror.runs() == []
        assert await mirror.complete_as_of() is None
