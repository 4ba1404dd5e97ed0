"""A mirror of many workspaces: each is compared on its own, and one that fails stays as it was."""

import pytest

from piriod_async import NotFoundError, PermissionDeniedError, PiriodError
from piriod_async.mirror import Mirror, MirrorError, TooManyRemovedError
from piriod_async.testing import MockServer
from tests.support.mirrors import everything_staged, ids_on, query

pytestmark = pytest.mark.usefixtures("no_leaks")
WORKSPACES = {f"acc_{number}": 20 + number for number in range(12)}


async def ids_by_workspace(mirror):
    ids = {}
    async for workspace, customer in mirror.customers():
        ids.setdefault(workspace, []).append(customer.id)
    return ids


async def test_all(database):
    """Every workspace is mirrored in one run, and what is known of one is not taken for another's."""
    async with MockServer(WORKSPACES) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.across(WORKSPACES))
        server.add(workspace="acc_3")
        server.remove(server.customers("acc_4")[0]["id"])
        sync = await mirror.sync(piriod.across(WORKSPACES))
        assert (sync.added, sync.removed, sync.unchanged) == (1, 1, sum(WORKSPACES.values()) - 1)
        assert sync.workspaces["acc_3"].added == sync.workspaces["acc_4"].removed == 1
        assert not sync.errors
        assert sync.requests == sum(each.requests for each in sync.workspaces.values()) == 13
        assert await ids_by_workspace(mirror) == {workspace: ids_on(server, workspace) for workspace in WORKSPACES}
        assert len(await mirror.runs()) == 2


async def test_one_fails(database):
    """With `on_error="collect"` the others are applied, and the one that failed is reported and stays as it was."""
    async with MockServer({"a": 350, "b": 30}) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.across(["a", "b"]))
        for workspace in ("a", "b"):
            for customer in server.customers(workspace):
                server.update(customer["id"], name="Otro")
        server.fail(status=403, workspace="a", page=3, times=None)
        sync = await mirror.sync(piriod.across(["a", "b", "unknown"], on_error="collect"))
        assert {workspace: type(error) for workspace, error in sync.errors.items()} == {
            "a": PermissionDeniedError,
            "unknown": PermissionDeniedError,
        }
        assert (sync.changed, list(sync.workspaces)) == (30, ["b"])
        with pytest.raises(ExceptionGroup, match="2 of 3 workspaces failed: "):
            sync.raise_for_errors()
        assert not everything_staged(database)
        assert query(database, "select workspace, count(*) from changes where kind = 'changed' group by 1") == [
            ("b", 30)
        ]
        assert await mirror.complete_as_of("a") < await mirror.complete_as_of("b") == await mirror.complete_as_of()
        server.clear_faults()
        assert (await mirror.sync(piriod.customers(workspace="a"))).changed == 350


async def test_error_is_raised(database):
    """By default the first workspace that fails ends the sync, and nothing is applied."""
    async with MockServer({"a": 50, "b": 50}) as server, server.session() as piriod, Mirror(database) as mirror:
        server.fail(status=404, workspace="b", times=None)
        with pytest.raises(NotFoundError) as caught:
            await mirror.sync(piriod.across(["a", "b"]))
        assert caught.value.workspace == "b"
        assert await ids_by_workspace(mirror) == {}
        assert query(database, "select count(*) from piriod_versions") == [(0,)]


async def test_guard_is_per_workspace(database):
    """The guard of one workspace does not hold the others back."""
    async with MockServer({"a": 50, "b": 50}) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.across(["a", "b"]))
        for workspace, count in (("a", 11), ("b", 3)):
            for customer in server.customers(workspace)[:count]:
                server.remove(customer["id"])
        with pytest.raises(TooManyRemovedError):
            await mirror.sync(piriod.across(["a", "b"]))
        sync = await mirror.sync(piriod.across(["a", "b"], on_error="collect"))
        assert isinstance(sync.errors["a"], TooManyRemovedError)
        assert sync.removed == 3
        assert {workspace: len(ids) for workspace, ids in (await ids_by_workspace(mirror)).items()} == {
            "a": 50,
            "b": 47,
        }


async def test_quick(database):
    """Those whose changes are explained are synced quickly, the others completely."""
    async with MockServer({"a": 250, "b": 250}) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.across(["a", "b"]))
        server.add(workspace="a")
        server.remove(server.customers("b")[5]["id"])
        sync = await mirror.sync(piriod.across(["a", "b"]), quick=True)
        assert [sync.workspaces[workspace].quick for workspace in "ab"] == [True, False]
        assert (sync.added, sync.removed, sync.quick) == (1, 1, False)
        assert (await mirror.runs())[-1].removed == 1


async def test_other_sources(database):
    """A workspace is refused if it is read elsewhere, and nothing of the others is applied."""
    async with MockServer({"a": 20, "b": 20}) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.across(["a"]))
        server.add(workspace="a")
        sessions = [piriod.with_options(workspace="b"), piriod.with_options(workspace="a", test_mode=True)]
        with pytest.raises(MirrorError, match=r"it mirrors workspace a at .* live data"):
            await mirror.sync(piriod.across(sessions, on_error="collect"))
        assert await ids_by_workspace(mirror) != {"a": ids_on(server, "a")}
        assert (await mirror.sync(piriod.across(["a", "b"]))).added == 21
        with pytest.raises(MirrorError, match=r"it mirrors workspace a, b: expected a listing of the same, got .* c"):
            await mirror.sync(piriod.customers(workspace="c"))


async def test_all_fail(database):
    """If every workspace fails, nothing is counted and the errors are there."""
    async with MockServer({"a": 20}) as server, server.session() as piriod, Mirror(database) as mirror:
        server.fail(status=404, times=None)
        sync = await mirror.sync(piriod.across(["a"], on_error="collect"))
        assert isinstance(sync.errors["a"], PiriodError)
        assert (sync.run, sync.added, sync.removed, sync.workspaces) == (None, 0, 0, {})
        assert await mirror.complete_as_of() is None
