"""Made-up customers: deterministic, realistic, as the API prints them."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from piriod_async.testing import MockServer
from tests.support.raw_client import serve

NOON = datetime(2031, 5, 5, 12, tzinfo=UTC)


def test_seed() -> None:
    """The same seed gives the same customers."""
    customers = MockServer(30, seed=1).customers()
    assert customers == MockServer(30, seed=1).customers()
    assert customers != MockServer(30, seed=2).customers()


def test_realistic_data() -> None:
    """Ids and tax ids are unique, countries weighted, fields within the length limits of the API."""
    customers = MockServer(2_000).customers()
    assert len({customer["id"] for customer in customers}) == 2_000
    assert len({customer["tax_id"] for customer in customers}) == 2_000
    assert all(re.fullmatch(r"cus_[0-9A-Z]{20}", customer["id"]) for customer in customers)
    assert {customer["country"]["id"] for customer in customers} == {"CL", "MX", "CO", "PE"}
    assert sum(customer["country"]["id"] == "CL" for customer in customers) > 1_000
    assert {len(customer["contacts"]) for customer in customers} == {0, 1, 2, 3}
    assert {customer["created"].year for customer in customers} == {2023, 2024, 2025, 2026}
    assert all(a["created"] < b["created"] <= b["updated"] for a, b in pairwise(customers))
    longest = {"name": 100, "address": 64, "phone": 16, "tax_id": 32, "manager": 64, "reference": 64}
    assert all(len(customer[name] or "") <= size for customer in customers for name, size in longest.items())
    assert all(len(contact["phone"] or "") <= 12 for customer in customers for contact in customer["contacts"])


async def test_money_and_timestamps() -> None:
    """Money has two decimals, timestamps have microseconds unless these are zero."""
    async with serve(50) as (server, client):
        async with client.send("page_size=50") as response:
            text = await response.text()
        sales = re.findall(r'"sales":([^,]+),', text)
        assert len(sales) == 50
        assert all(re.fullmatch(r"\d+\.\d\d", amount) for amount in sales)
        assert re.search(r'"created":"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"', text)
        server.add(created=NOON, metadata={})
        assert (await client.page())["results"][0]["created"] == "2031-05-05T12:00:00Z"


async def test_timestamp_precision() -> None:
    """With precision `seconds` timestamps are printed without fraction, but filtered with it."""
    async with serve(0, timestamp_precision="seconds") as (server, client):
        ids = [server.add(created=NOON + timedelta(microseconds=tick)) for tick in (2, 1)]
        page = await client.page("created__lte=2031-05-05T12:00:00.000001Z")
        assert [customer["id"] for customer in page["results"]] == ids[1:]
        assert page["results"][0]["created"] == "2031-05-05T12:00:00Z"
