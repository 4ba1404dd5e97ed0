"""A dry run says what would change, and changes nothing."""

import pytest

from piriod_async.mirror import Mirror, TooManyRemovedError
from piriod_async.testing import MockServer
from tests.support.mirrors import changes_in, ids_in, query

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize("quick", [False, True])
async def test_nothing_changes(database, quick):
    """The numbers are those of the sync that follows, and until then readers see no difference."""
    async with MockServer(1_200) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        for customer in server.customers()[:1_100]:
            server.update(customer["id"], name="Otro")
        for customer in server.customers()[1_100:1_110]:
            server.remove(customer["id"])
        state = "select filters, complete_run, complete_as_of, lock_run from piriod_mirror"
        before = await ids_in(mirror), await changes_in(mirror), query(database, state)
        rows = query(database, "select id, run_from, run_to from piriod_versions order by id, run_from")
        dry = await mirror.sync(piriod.customers(), dry_run=True, quick=quick)
        assert (dry.run, dry.dry_run, dry.changed, dry.removed, dry.unchanged) == (None, True, 1_100, 10, 90)
        assert (await ids_in(mirror), await changes_in(mirror), query(database, state)) == before
        assert query(database, "select id, run_from, run_to from piriod_versions order by id, run_from") == rows
        sync = await mirror.sync(piriod.customers())
        assert (sync.added, sync.changed, sync.removed, sync.unchanged) == (0, 1_100, 10, 90)
        assert sync.previous_run == dry.previous_run


async def test_guard_holds(database):
    """A dry run says that the guard would hold."""
    async with MockServer(20) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        for customer in server.customers()[:15]:
            server.remove(customer["id"])
        with pytest.raises(TooManyRemovedError):
            await mirror.sync(piriod.customers(), dry_run=True)
        assert (await mirror.sync(piriod.customers(), dry_run=True, accept_removed=15)).removed == 15


async def test_first(database):
    """A dry run of a new mirror binds it to no listing."""
    async with MockServer(20) as server, server.session() as piriod, Mirror(database) as mirror:
        assert (await mirror.sync(piriod.customers(country="CL"), dry_run=True)).added > 0
        assert (await mirror.sync(piriod.customers())).added == 20
