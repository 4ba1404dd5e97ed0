"""A listing that is left early, or whose session is closed."""

import asyncio
from contextlib import aclosing

import pytest

from piriod_async import (
    APIConnectionError,
)
from piriod_async.testing.mock_server import MockServer
from tests.integration.workspaces.serving import SIZES

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize("after", [0, 1, 5, 300])
async def test_left_early(after):
    """A loop that is left early leaves no task behind."""
    async with MockServer(SIZES, latency=0.001) as server, server.session() as piriod:
        async with piriod.across(SIZES) as listing:
            taken = 0
            async for _ in listing:
                taken += 1
                if taken > after:
                    break
        assert piriod.stats.in_flight == 0
        assert not [task for task in asyncio.all_tasks() if "crawl" in repr(task.get_coro())]


async def test_closed():
    """A listing that is closed leaves no task behind."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        async with aclosing(piriod.across(SIZES).pages()) as pages:
            await anext(pages)
        assert piriod.stats.in_flight == 0


@pytest.mark.parametrize("on_error", ["raise", "collect"])
async def test_session_closed(on_error):
    """Closing the session ends the listing with an error."""
    async with MockServer(SIZES, latency=5) as server, server.session() as piriod:
        listing = piriod.across(SIZES, on_error=on_error)
        collecting = asyncio.create_task(listing.collect())
        while not piriod.stats.in_flight:  # noqa: ASYNC110
            await asyncio.sleep(0)
        await piriod.close()
        if on_error == "raise":
            with pytest.raises(APIConnectionError, match="the session"):
                await collecting
        else:
            assert await collecting == {}
            assert {type(error) for error in listing.errors.values()} == {APIConnectionError}
