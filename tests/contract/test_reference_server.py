"""The reference server: changes to its customers, also while a client reads them."""

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession

if TYPE_CHECKING:
    from tests.contract.reference.server import Reference

CHILE = {"id": "CL", "name": "Chile", "code": "+56", "has_regulation": True, "currencies": ["CLP"]}


async def read(http: ClientSession, reference: "Reference", **params: str) -> Any:
    headers = {"Authorization": f"Token {reference.token}", "x-simple-workspace": reference.workspace}
    async with http.get(f"{reference.url}/customers/", params=params, headers=headers) as response:
        assert response.status == 200
        return json.loads(await response.read())


async def test_add_update_remove(reference: "Reference") -> None:
    """Changes show in the next response, and requests are recorded."""
    async with ClientSession() as http:
        first = reference.add(name="Uno", sources=["src_1"])
        second = reference.add({"name": "Dos"}, created="2030-01-01T00:00:00Z", aggregations={"balance": "12.50"})
        reference.add(name="Elsewhere", workspace="acc_other")
        reference.update(first, name="One", sources=["src_2"], country=CHILE)
        listed = (await read(http, reference))["results"]
        assert [customer["id"] for customer in listed] == [second, first]
        assert listed[0]["aggregations"] == {"sales": 0, "sales_current_period": 0, "balance": 12.5}
        assert (listed[1]["name"], listed[1]["country"], listed[1]["sources"]) == ("One", CHILE, ["src_2"])
        reference.remove(second)
        assert (await read(http, reference, name="ñ & +"))["count"] == 0
        assert (await read(http, reference))["count"] == 1
    assert reference.requests[1].params == {"name": "ñ & +"}
    assert reference.requests[1].workspace == reference.workspace


def test_invalid_changes(reference: "Reference") -> None:
    """Unknown fields and ids are refused."""
    with pytest.raises(TypeError, match="a customer has no nmae"):
        reference.add(nmae="Uno")
    with pytest.raises(LookupError):
        reference.remove("cus_nobody")
    with pytest.raises(LookupError):
        reference.update("cus_nobody", name="Uno")


async def test_concurrent_writes(reference: "Reference") -> None:
    """Responses are consistent while a thread writes."""
    reference.load({"name": f"Customer {number}"} for number in range(50))

    def write() -> None:
        for _ in range(50):
            reference.remove(reference.add(name="Passing by"))

    async with ClientSession() as http:
        writing = asyncio.create_task(asyncio.to_thread(write))
        counts = [(await page)["count"] for page in asyncio.as_completed([read(http, reference) for _ in range(40)])]
        await writing
    assert set(counts) <= {50, 51}
    assert len(reference.requests) == 40
