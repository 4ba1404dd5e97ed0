"""Changes to the list while a client reads it."""

from typing import Any

import pytest

from piriod_async.testing import Mutations
from tests.support.raw_client import serve


async def test_logged_and_repeatable() -> None:
    """Mutations are logged with their request, and the same seed repeats them."""

    async def run() -> tuple[Any, ...]:
        async with serve(200, mutations=Mutations(rate=2.5)) as (server, client):
            start = {customer["id"] for customer in server.customers()}
            for _ in range(40):
                await client.page("page_size=1")
            now = {customer["id"] for customer in server.customers()}
            kinds: dict[str, set[str]] = {"create": set(), "delete": set(), "edit": set()}
            for change in server.changes:
                kinds[change.kind].add(change.id)
            assert now == (start | kinds["create"]) - kinds["delete"]
            assert set(server.unchanged_ids()) == start - kinds["delete"] - kinds["edit"]
            assert all(kinds.values())
            assert 80 <= len(server.changes) <= 120
            assert {change.request for change in server.changes} == set(range(40))
            return tuple(server.changes)

    assert await run() == await run()


@pytest.mark.parametrize(("kind", "length"), [("delete", 9), ("create", 10)])
async def test_race(kind: str, length: int) -> None:
    """A change between COUNT and SELECT makes a page disagree with its count, but never exceed it."""
    weights = {"create": 0, "delete": 0, "edit": 0, kind: 1}
    async with serve(10, mutations=Mutations(rate=0, race=1, **weights)) as (_, client):
        page = await client.page()
        assert (page["count"], len(page["results"])) == (10, length)


async def test_empty_list() -> None:
    """An empty list has no customer to delete or edit."""
    async with serve(0, mutations=Mutations(rate=2, create=0)) as (server, client):
        assert await client.ids() == []
        assert server.changes == []


@pytest.mark.parametrize("options", [{"rate": -1}, {"rate": 1, "race": 1.1}, {"rate": 1, "delete": -0.1}])
def test_invalid_options(options: Any) -> None:
    """Negative rates and weights, and a probability above 1, are refused."""
    with pytest.raises(ValueError, match="must be"):
        Mutations(**options)
