"""Only who is gone is removed, and never too many at once."""

import os
import pickle
from random import Random
from types import MappingProxyType

import pytest
from attrs import evolve

from piriod_async import IncompleteListError, QueryError
from piriod_async.mirror import Mirror, TooManyRemovedError, missing
from piriod_async.testing import MockServer, Mutations
from tests.support.mirrors import everything_staged, ids_in, ids_on

pytestmark = pytest.mark.usefixtures("no_leaks")
SYNCS = int(os.environ.get("MIRROR_SYNCS", "5"))


class HookedServer(MockServer):
    """A mock server that calls a function before it responds to a request of this number."""

    hooks = MappingProxyType({})

    def _respond(self, request, recorded):
        self.hooks.get(len(self.requests), lambda: None)()
        return super()._respond(request, recorded)


@pytest.mark.parametrize("precision", ["microseconds", "seconds"])
async def test_asked_again(database, precision):
    """A customer who misses in the list, and is there when asked for, is not removed; its change is a change."""
    async with (
        HookedServer(250, timestamp_precision=precision) as server,
        server.session() as piriod,
        Mirror(database) as mirror,
    ):
        await mirror.sync(piriod.customers())
        gone, changed, back = (server.customers()[index] for index in (40, 60, 80))
        for each in (back, changed, gone):
            server.remove(each["id"])
        listing = piriod.customers()
        await listing.collect()

        def come_back():
            server.add(back)
            server.add(changed | {"name": "Otro"})

        server.hooks = {len(server.requests) + listing.progress.requests: come_back}
        sync = await mirror.sync(piriod.customers())
        assert (sync.added, sync.changed, sync.returned, sync.removed, sync.unchanged) == (0, 1, 0, 1, 248)
        assert sync.requests == listing.progress.requests + 1
        assert await ids_in(mirror) == ids_on(server)


async def test_ties_are_asked_for_together(database, monkeypatch):
    """However many of one instant seem gone, all of them are asked for, and those that are there are kept."""
    monkeypatch.setattr(missing, "BATCH", 10)
    async with HookedServer(60) as server, server.session() as piriod, Mirror(database) as mirror:
        created = server.customers()[30]["created"]
        ties = [server.add(created=created) for _ in range(25)]
        await mirror.sync(piriod.customers())
        gone = [customer for customer in server.customers() if customer["id"] in ties]
        for each in gone:
            server.remove(each["id"])
        listing = piriod.customers()
        await listing.collect()
        server.hooks = {len(server.requests) + listing.progress.requests: lambda: [server.add(each) for each in gone]}
        sync = await mirror.sync(piriod.customers())
        assert (sync.removed, sync.unchanged) == (0, 85)


async def test_one_request_for_many(database):
    """Those who seem gone are asked for in groups: fifty neighbours take one request."""
    async with MockServer(400) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        for customer in server.customers()[200:250]:
            server.remove(customer["id"])
        crawl = await mirror.sync(piriod.customers(), dry_run=True)
        listing = piriod.customers()
        await listing.collect()
        assert crawl.removed == 50
        assert crawl.requests == listing.progress.requests + 1


@pytest.mark.parametrize(
    ("options", "mutations"),
    [
        ({}, Mutations(rate=2, race=0.5)),
        ({"tie_order": "shuffled"}, Mutations(rate=2)),
        ({"timestamp_precision": "seconds"}, Mutations(rate=2, race=0.5)),
    ],
    ids=["races", "shuffled ties", "seconds"],
)
async def test_moving_list(database, options, mutations):
    """No living, untouched customer is removed, however the list moves, and afterwards the mirror equals it."""
    async with MockServer(600, seed=3, **options) as server:
        for customer in server.customers()[::20]:
            server.add(created=customer["created"])
        async with server.session() as piriod, Mirror(database) as mirror:
            await mirror.sync(piriod.customers())
            for _ in range(SYNCS):
                known, start = set(await ids_in(mirror)), len(server.changes)
                server._mutations = mutations
                sync = await mirror.sync(piriod.customers(page_size=20), max_removed=1.0)
                server._mutations = Mutations(rate=0)
                touched = {change.id for change in server.changes[start:]}
                removed = {change.id async for change in mirror.changes(since=sync.previous_run) if not change.after}
                untouched = known.intersection(ids_on(server)) - touched
                assert touched
                assert not removed & untouched
                assert untouched <= set(await ids_in(mirror))
            await mirror.sync(piriod.customers(), max_removed=1.0)
            assert await ids_in(mirror) == ids_on(server)


async def test_guard(database):
    """If more than a fifth are missing, nothing is applied, and the number that the error names can be accepted."""
    async with MockServer(100) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        gone = server.customers()[10:31]
        for customer in gone:
            server.remove(customer["id"])
        server.add()
        with pytest.raises(TooManyRemovedError, match=r"21 of 100 .* more than the 20 .* accept_removed=21") as caught:
            await mirror.sync(piriod.customers())
        error = pickle.loads(pickle.dumps(caught.value))
        assert (error.removed, error.known, error.allowed, error.workspace) == (21, 100, 20, server.workspace)
        assert error.names == tuple(customer["name"] for customer in gone[:5])
        assert len(await ids_in(mirror)) == 100
        assert not everything_staged(database)
        with pytest.raises(TooManyRemovedError):
            await mirror.sync(piriod.customers(), accept_removed=20)
        sync = await mirror.sync(piriod.customers(), accept_removed=21)
        assert (sync.added, sync.removed) == (1, 21)
        assert await ids_in(mirror) == ids_on(server)


async def test_few_are_always_allowed(database):
    """Ten of twelve may be missing if the limit is a share; if it is a number, no more than that."""
    async with MockServer(12) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        for customer in server.customers()[:10]:
            server.remove(customer["id"])
        with pytest.raises(TooManyRemovedError):
            await mirror.sync(piriod.customers(), max_removed=9)
        assert (await mirror.sync(piriod.customers())).removed == 10


async def test_empty_answer(database):
    """An empty list where there were customers is refused, however few there were."""
    async with MockServer(3) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        server.fail(body=b'{"count": 0, "next": null, "previous": null, "results": []}', times=None)
        with pytest.raises(TooManyRemovedError, match="3 of 3"):
            await mirror.sync(piriod.customers())
        assert len(await ids_in(mirror)) == 3
        assert (await mirror.sync(piriod.customers(), accept_removed=3)).removed == 3


async def test_fewer_than_counted(database):
    """If fewer customers come than the first and the last response count, nobody is removed."""
    async with MockServer(300) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        for customer in server.customers()[50:60]:
            server.remove(customer["id"])
        page = server._list

        def counts_ten_more(workspace, recorded, url):
            response = page(workspace, recorded, url)
            return evolve(response, body=response.body.replace(b'"count":290', b'"count":300'))

        server._list = counts_ten_more
        with pytest.raises(IncompleteListError):
            await mirror.sync(piriod.customers())
        assert len(await ids_in(mirror)) == 300


@pytest.mark.parametrize(
    "options",
    [
        {"max_removed": 1.5},
        {"max_removed": -1},
        {"max_removed": True},
        {"max_removed": float("nan")},
        {"max_removed": "20%"},
        {"accept_removed": -1},
        {"accept_removed": 1.0},
    ],
    ids=str,
)
async def test_invalid_limits(options, tmp_path):
    """A limit that is neither a share nor a number is refused, with its name and value."""
    async with MockServer(1) as server, server.session() as piriod, Mirror(tmp_path / "mirror.db") as mirror:
        [(name, value)] = options.items()
        with pytest.raises(QueryError, match=f"{name}={value!r}: expected"):
            await mirror.sync(piriod.customers(), **options)


async def test_random_changes(database):
    """Whatever changes between two syncs, the mirror equals the list, and the feed leads from one to the other."""
    random = Random(7)
    async with MockServer(150) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        removed = []
        for _ in range(4):
            before = {customer.id: customer async for _, customer in mirror.customers()}
            for _ in range(25):
                kind = random.choice(("add", "remove", "update", "return"))
                customer = random.choice(server.customers())
                if kind == "add":
                    server.add()
                elif kind == "remove":
                    removed.append(customer)
                    server.remove(customer["id"])
                elif kind == "update":
                    server.update(customer["id"], name=random.choice("ABC"))
                elif removed:
                    server.add(removed.pop(random.randrange(len(removed))))
            sync = await mirror.sync(piriod.customers(ordering=random.choice(("created", "-created"))))
            assert await ids_in(mirror) == ids_on(server)
            async for change in mirror.changes(since=sync.previous_run):
                if change.after:
                    before[change.id] = change.after
                else:
                    del before[change.id]
            assert before == {customer.id: customer for customer in await piriod.customers().collect()}
