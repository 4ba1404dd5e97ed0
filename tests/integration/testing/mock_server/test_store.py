"""Workspaces, and changes to their customers by hand."""

from datetime import UTC, datetime
from typing import Any

import pytest

from piriod_async.testing import OMITTED, MockServer, Unchecked
from tests.support.raw_client import serve

NOON = datetime(2031, 5, 5, 12, tzinfo=UTC)


async def test_workspaces_are_made_on_first_use() -> None:
    """A workspace costs nothing until the first request for it, and shares no customer with another."""
    async with serve({f"acc_{n}": n for n in range(1_000)}) as (server, client):
        assert not server._tables
        assert (await client.page(x_simple_workspace="acc_7"))["count"] == 7
        assert list(server._tables) == [("acc_7", False)]
        assert len(server.workspaces) == 1_000
        assert not {c["id"] for c in server.customers("acc_8")} & {c["id"] for c in server.customers("acc_9")}


def test_no_workspace() -> None:
    """A server without a workspace is refused."""
    with pytest.raises(ValueError, match="at least one workspace"):
        MockServer({})


async def test_test_mode() -> None:
    """Test data and live data are disjoint, and requests record which they asked for."""
    async with serve(30) as (server, client):
        live, test = await client.ids("page_size=100"), await client.page("page_size=100", x_piriod_test_mode="True")
        assert test["count"] == 25
        assert all(customer["test_mode"] for customer in test["results"])
        assert not {customer["id"] for customer in test["results"]} & set(live)
        assert [request.test_mode for request in server.requests] == [False, True]


async def test_add_update_remove() -> None:
    """Changes show in the next response and in `changes`, and `unchanged_ids` leaves changed customers out."""
    async with serve(3) as (server, client):
        start = await client.ids("ordering=created")
        new = server.add({"name": "Ñandú SpA"}, state="IL", country="CL", website=OMITTED)
        server.update(start[0], name="Otra", created=NOON)
        server.remove(start[1])
        page = await client.page("ordering=created")
        assert [customer["id"] for customer in page["results"]] == [start[2], new, start[0]]
        payload = page["results"][1]
        assert (payload["name"], payload["state"]) == ("Ñandú SpA", "IL")
        assert "website" not in payload
        assert new in await client.ids("country=CL")
        assert server.unchanged_ids() == [start[2]]
        assert [(change.kind, change.id) for change in server.changes] == [
            ("create", new),
            ("edit", start[0]),
            ("delete", start[1]),
        ]


async def test_updated_becomes_the_newest() -> None:
    """A customer that changed comes first by `-updated`, also before those whose made-up `updated` is later."""
    async with serve(30) as (server, client):
        oldest, second, *_ = await client.ids("ordering=updated")
        server.update(oldest, name="Una")
        assert (await client.ids("ordering=-updated"))[0] == oldest
        server.add(updated=NOON)
        server.update(second, name="Otra")
        assert (await client.ids("ordering=-updated"))[:3:2] == [second, oldest]
        server.update(second, updated=NOON)
        server.update(oldest, name="Otra vez")
        assert (await client.ids("ordering=-updated"))[0] == oldest


@pytest.mark.parametrize("customers", [3, [{"id": "cus_1"}, {"id": "cus_2", "test_mode": True}]])
async def test_update_moves_to_test_data(customers: Any) -> None:
    """`test_mode` moves a customer to the test data of its workspace and back; a value that is no boolean does not."""
    async with serve({"acc_1": 1, "acc_2": customers}) as (server, client):
        moved = server.customers("acc_2")[0]["id"]

        async def ids(test_mode: bool, query: str = "ordering=created") -> list[str]:
            headers = {"x_simple_workspace": "acc_2", "x_piriod_test_mode": str(test_mode)}
            return await client.ids(f"page_size=100&{query}", **headers)

        live, test = await ids(False), await ids(True)
        server.update(moved, test_mode=True, name="Prueba")
        assert (set(await ids(False)), set(await ids(True))) == ({*live} - {moved}, {*test, moved})
        assert (await client.ids("ordering=-updated", x_simple_workspace="acc_2", x_piriod_test_mode="true"))[
            0
        ] == moved
        server.update(moved, test_mode=Unchecked("no"))
        assert moved in await ids(True)
        server.update(moved, test_mode=False)
        assert (await ids(False), await ids(True)) == (live, test)
        assert [(change.kind, change.id) for change in server.changes] == [("edit", moved)] * 3


async def test_metadata_is_filtered_as_text() -> None:
    """Metadata that is no text is cast to it by filters; null and metadata that is no object match nothing."""
    async with serve(0) as (server, client):
        seats = server.add(metadata={"seats": 5, "plan": None})
        server.add(metadata=Unchecked("gold"))
        assert await client.ids("metadata__seats=5") == [seats]
        assert await client.ids("metadata__plan=null") == []


def test_invalid_changes() -> None:
    """An unknown id, a taken id and a naive datetime are refused."""
    server = MockServer(3)
    with pytest.raises(KeyError):
        server.remove("cus_nobody")
    with pytest.raises(ValueError, match="no customer has already"):
        server.add(id=server.customers()[0]["id"])
    with pytest.raises(ValueError, match="time zone"):
        server.add(created=datetime(2031, 1, 1))  # noqa: DTZ001


async def test_update_is_the_latest():
    """A customer that is updated has the latest `updated` of all, as if a clock were running."""
    server = MockServer(200)
    changed = server.customers()[5]["id"]
    server.update(changed, name="Otro")
    newest = server.add(updated="2030-01-01T00:00:00Z")
    for id_ in (changed, newest, changed):
        server.update(id_, name="Nuevo")
        assert max(server.customers(), key=lambda customer: customer["updated"])["id"] == id_
