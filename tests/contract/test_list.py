"""The envelope and its records."""

from decimal import Decimal

import pytest

from tests.contract.customers import COUNT
from tests.support.raw_client import RawClient

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_envelope(client: RawClient) -> None:
    """A page has `count`, links and 20 records by default, in this order."""
    response = await client.fetch()
    assert (response.status, response.headers["Content-Type"]) == (200, "application/json")
    assert list(response.body) == ["count", "next", "previous", "results"]
    assert response.body["count"] == COUNT
    assert response.body["next"] == "/customers/?page=2"
    assert response.body["previous"] is None
    assert len(response.body["results"]) == 20


async def test_record(client: RawClient) -> None:
    """A record has these fields in this order, without subscriptions."""
    [record] = (await client.page("tax_id=76.123.456-K"))["results"]
    assert list(record) == [
        *("id", "name", "address", "country", "state", "currency", "email", "phone", "website", "zip_code"),
        *("manager", "reference", "tax_id", "tax_settings", "metadata"),
        *("send_invoices", "send_collections", "send_vouchers", "status", "contacts", "sources", "aggregations"),
        *("test_mode", "created", "updated"),
    ]
    assert record["country"].keys() == {"id", "name", "code", "has_regulation", "currencies"}
    assert record["country"]["has_regulation"] is True
    assert {type(value) for value in record["aggregations"].values()} == {Decimal}
    assert record["metadata"]["seats"] == 5
    assert record["sources"] == ["src_odd", "src_shared"]


@pytest.mark.parametrize(
    ("id_", "printed"),
    [
        ("cus_noon", "2031-05-05T12:00:00Z"),
        ("cus_noon_1", "2031-05-05T12:00:00.000001Z"),
        ("cus_odd", "2031-05-05T12:00:00.123000Z"),
    ],
)
async def test_datetime(client: RawClient, id_: str, printed: str) -> None:
    """Datetimes are in UTC, with six digits of microseconds unless these are zero."""
    records = (await client.page("created__gte=2031-05-05"))["results"]
    assert {record["id"]: record["created"] for record in records}[id_] == printed


async def test_test_mode(client: RawClient) -> None:
    """Test data and live data are disjoint."""
    test = await client.page("page_size=100", x_piriod_test_mode="true")
    live = [id_ for page in (1, 2, 3) for id_ in await client.ids(f"page_size=100&page={page}")]
    assert test["results"]
    assert len(live) == COUNT
    assert not {customer["id"] for customer in test["results"]} & set(live)
    assert all(customer["test_mode"] for customer in test["results"])
