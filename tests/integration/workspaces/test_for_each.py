"""A function of the caller's own reads each workspace, as many at once as an iteration."""

import pytest

from piriod_async import PermissionDeniedError
from piriod_async.testing import MockServer
from tests.integration.workspaces.serving import SIZES, ids

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_each_is_read():
    """The function is called once for each workspace, and the progress is that of its reading."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        listing, found = piriod.across([*SIZES, "acc_1"]), {}

        async def read(one):
            assert one.workspace not in found
            found[one.workspace] = [customer.id for customer in await one.collect()]

        await listing.for_each(read)
        assert found == {workspace: ids(server, workspace) for workspace in SIZES}
        assert listing.progress.delivered == sum(SIZES.values())
        assert set(listing.progress.workspaces) == set(SIZES)


async def test_errors():
    """Errors of a workspace are collected or raised as when iterating; any other error ends it."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        server.fail(status=403, workspace="acc_100", times=None)
        read = []

        async def collect(one):
            await one.collect()
            read.append(one.workspace)

        listing = piriod.across(SIZES, on_error="collect")
        await listing.for_each(collect)
        assert list(listing.errors) == ["acc_100"]
        assert sorted([*read, "acc_100"]) == sorted(SIZES)
        with pytest.raises(PermissionDeniedError):
            await piriod.across(SIZES).for_each(collect)

        async def broken(one):
            raise ZeroDivisionError(one.workspace)

        with pytest.raises(ZeroDivisionError):
            await piriod.across(SIZES, on_error="collect").for_each(broken)
