"""The error of one workspace, and the other workspaces."""

import asyncio

import pytest

from piriod_async import (
    ConfigurationError,
    FilterIgnoredError,
    PermissionDeniedError,
    QueryError,
    ServerError,
)
from piriod_async.testing.mock_server import MockServer
from tests.integration.workspaces.serving import SIZES, SWIFT

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_errors_of_two_iterations():
    """Concurrent iterations have their own errors."""
    async with MockServer(SIZES, latency=0.001) as server, server.session() as piriod:
        server.fail(status=403, page=3, workspace="acc_1000")
        listing = piriod.across(SIZES, on_error="collect")
        first = asyncio.create_task(listing.collect())
        while not listing.errors:  # noqa: ASYNC110
            await asyncio.sleep(0)
        second = await listing.collect()
        assert "acc_1000" not in await first
        assert len(second["acc_1000"]) == 1_000
        assert listing.errors == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"workspaces": "acc_1"}, "workspaces='acc_1': expected an iterable of workspace ids"),
        ({"workspaces": None}, "workspaces=None: expected"),
        ({"workspaces": [], "on_error": "ignore"}, "on_error='ignore': expected"),
        ({"workspaces": [], "country": ""}, "country='': expected"),
        ({"workspaces": [], "page_size": 101}, "page_size=101: expected"),
    ],
)
async def test_invalid_arguments(arguments, message):
    """An invalid argument is an error before anything is sent."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        with pytest.raises(QueryError, match=message):
            piriod.across(**arguments)
        with pytest.raises(TypeError, match="countr"):
            piriod.across([], countr="CL")


async def test_collect():
    """With `on_error="collect"`, a workspace that fails does not affect others."""
    async with MockServer(SIZES) as server, server.session(retry=SWIFT) as piriod:
        server.fail(status=403, workspace="acc_250", times=None)
        server.fail(status=500, workspace="acc_1000", times=None, page=3)
        listing = piriod.across([*SIZES, "acc_stranger", "bad id", None], on_error="collect")
        found = await listing.collect()
        assert {name: len(customers) for name, customers in found.items()} == {"acc_0": 0, "acc_1": 1, "acc_100": 100}
        errors = {workspace: (type(error), error.workspace) for workspace, error in listing.errors.items()}
        assert errors == {
            "acc_250": (PermissionDeniedError, "acc_250"),
            "acc_1000": (ServerError, "acc_1000"),
            "acc_stranger": (PermissionDeniedError, "acc_stranger"),
            "bad id": (ConfigurationError, "bad id"),
            None: (ConfigurationError, None),
        }
        assert listing.errors["acc_1000"].attempts == 5
        with pytest.raises(ExceptionGroup, match="5 of 8 workspaces failed: ") as group:
            listing.raise_for_errors()
        assert set(group.value.exceptions) == set(listing.errors.values())


async def test_errors_of_latest_iteration():
    """`errors` are of the latest iteration."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        server.fail(status=403, workspace="acc_1")
        listing = piriod.across(SIZES, on_error="collect")
        await listing.collect()
        assert list(listing.errors) == ["acc_1"]
        assert len((await listing.collect())["acc_1"]) == 1
        listing.raise_for_errors()


async def test_raise():
    """With `on_error="raise"`, the first error ends the listing and names the workspace."""
    async with MockServer(SIZES, latency=0.001) as server, server.session(concurrency=2) as piriod:
        server.fail(status=403, workspace="acc_100", times=None)
        with pytest.raises(PermissionDeniedError, match="acc_100") as caught:
            await piriod.across(SIZES).collect()
        assert caught.value.workspace == "acc_100"
        assert piriod.stats.in_flight == 0


async def test_connection_error():
    """A connection error names the workspace too."""
    async with MockServer(SIZES, ignored_params={"country"}) as server, server.session() as piriod:
        with pytest.raises(FilterIgnoredError, match=r"acc_(1|100|250|1000)\b"):
            await piriod.across(SIZES, country="PE").collect()
        found = await piriod.across(SIZES, country="PE", check_filters=False).collect()
        assert {name: len(customers) for name, customers in found.items()} == SIZES
