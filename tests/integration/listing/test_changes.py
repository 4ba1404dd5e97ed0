"""A list by page number that changes while it is read."""

import pytest

from piriod_async.testing.mock_server import MockServer
from tests.integration.listing.serving import read_pages, serving

pytestmark = pytest.mark.usefixtures("no_leaks")


def shrink(server):
    for customer in server.customers()[100:]:
        server.remove(customer["id"])


def empty(server):
    for customer in server.customers():
        server.remove(customer["id"])


def swap(server):
    """One goes, one comes: the count stays, and the customers between them slide by one."""
    server.remove(server.customers()[0]["id"])
    server.add(name="A")


@pytest.mark.parametrize(
    "move", [shrink, empty, swap, MockServer.add], ids=["shrinks", "is emptied", "slides", "grows"]
)
@pytest.mark.parametrize("ordering", [None, "name"])
async def test_list_changes(ordering, move):
    """By page number, everything received is delivered, and then an error is raised."""
    async with serving(session={"concurrency": 1}) as (server, piriod):
        listing = piriod.customers(ordering=ordering, page_size=20)
        moved = False
        answer = server._respond

        def answer_and_move(*request):
            nonlocal moved
            response = answer(*request)
            if not moved:
                moved = True
                move(server)
            return response

        server._respond = answer_and_move
        delivered, answered, error = await read_pages(listing)
        assert moved
        assert len(delivered) == len(set(delivered)) >= 20
        assert set(delivered) == answered
        assert "the list changed while it was read by page number" in str(error)
        assert f"received {len(delivered)} customers, the server counted 500" in str(error)
        assert error.checkpoint is listing.checkpoint is None
