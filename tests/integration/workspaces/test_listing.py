"""Each workspace completely, each time."""

from collections import Counter

import pytest

from piriod_async.testing.mock_server import MockServer, Mutations
from tests.integration.workspaces.serving import SIZES, ids, read

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize("ordering", ["created", None])
@pytest.mark.parametrize("concurrency", [1, 8])
async def test_complete(concurrency, ordering):
    """Each workspace is delivered completely and in its own order."""
    async with MockServer(SIZES) as server, server.session(concurrency=concurrency) as piriod:
        came = await read(piriod.across(SIZES, ordering=ordering))
        turn = -1 if ordering is None else 1
        assert came == {workspace: ids(server, workspace)[::turn] for workspace, size in SIZES.items() if size}
        if ordering is None:
            assert len(server.requests) == 1 + 1 + 1 + 4 + 11


async def test_filters():
    """The filters apply to each workspace."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        found = await piriod.across(SIZES, country="CL", page_size=50).collect()
        assert {name: [customer.id for customer in customers] for name, customers in found.items()} == {
            workspace: ids(server, workspace, "CL") for workspace in SIZES
        }
        assert {request.params["country"] for request in server.requests} == {"CL"}


async def test_pages():
    """`pages` yields the responses with their workspace."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        listing = piriod.across(SIZES)
        came = Counter()
        async for workspace, page in listing.pages():
            came[workspace] += len(page.customers)
            assert page.count == SIZES[workspace]
            assert listing.progress.workspaces[workspace].delivered == came[workspace]
        assert came == SIZES


async def test_lazy():
    """Nothing is sent before the listing is read."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        listing = piriod.across(SIZES)
        listing.pages()
        assert listing.progress.total is None
        assert server.requests == []


async def test_read_again():
    """A listing of a list of ids can be read again."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        listing = piriod.across(list(SIZES))
        assert await read(listing) == await read(listing)


async def test_no_workspaces():
    """Without ids, the listing is empty."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        assert await piriod.across([]).collect() == {}
        assert server.requests == []


async def test_exactly_once():
    """Every customer of each workspace is delivered once while the lists change."""
    sizes = {f"acc_{n}": 30 * n for n in range(12)}
    async with MockServer(sizes, mutations=Mutations(rate=2)) as server, server.session() as piriod:
        came = await read(piriod.across(sizes, page_size=20))
        for workspace in sizes:
            assert set(server.unchanged_ids(workspace)) <= set(came.get(workspace, []))
            assert len(set(came.get(workspace, []))) == len(came.get(workspace, []))


async def test_progress():
    """`progress` has the sums and each workspace."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        server.fail(status=500, workspace="acc_1")
        listing = piriod.across(SIZES)
        taken = 0
        async for workspace, _ in listing:
            taken += 1
            assert listing.progress.delivered == taken
            assert listing.progress.workspaces[workspace].delivered <= SIZES[workspace]
        progress = listing.progress
        assert (progress.total, progress.delivered) == (sum(SIZES.values()), sum(SIZES.values()))
        assert progress.requests == len(server.requests) == piriod.stats.requests
        assert progress.retries == 1
        assert {name: (each.total, each.delivered) for name, each in progress.workspaces.items()} == {
            name: (size, size) for name, size in SIZES.items()
        }
