"""Customers in the responses of web frameworks and in data frames: a line each, and no digit is lost."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Annotated, Any, TypeAlias

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from attrs import evolve

from piriod_async import Customer, CustomerListing, PiriodSession, export
from piriod_async.testing import MockServer
from tests.support.customers import CREATED, FULL

# FastAPI, pydantic, pandas and polars take long to import, so only the tests that need them do
pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture
async def piriod() -> AsyncIterator[PiriodSession]:
    """A session with a server of 120 customers, one of which has every field."""
    async with MockServer(119) as server, server.session() as piriod:
        server.add(FULL, test_mode=False)
        yield piriod


@pytest.fixture
def listing(piriod: PiriodSession) -> CustomerListing:
    return piriod.customers()


async def find(piriod: PiriodSession) -> Customer:
    """Return the customer that has every field."""
    customer = await piriod.customers(created__lte=CREATED, created__gte=CREATED).one_or_none()
    assert customer is not None
    return customer


async def test_fastapi(piriod: PiriodSession) -> None:
    """FastAPI sends a dict, JSON, or the customer itself, if pydantic knows how; the OpenAPI schema can be made."""
    import httpx  # noqa: PLC0415
    from fastapi import FastAPI, Response  # noqa: PLC0415
    from pydantic import BaseModel, InstanceOf, PlainSerializer  # noqa: PLC0415

    PlainCustomer: TypeAlias = Annotated[InstanceOf[Customer], PlainSerializer(Customer.to_dict)]

    class Found(BaseModel):
        customer: PlainCustomer | None

    app = FastAPI()

    @app.get("/dict")
    async def as_dict() -> dict[str, Any]:
        return (await find(piriod)).to_dict()

    @app.get("/json")
    async def as_json() -> Response:
        return Response((await find(piriod)).to_json(), media_type="application/json")

    @app.get("/list")
    async def as_list() -> list[PlainCustomer]:
        return [await find(piriod)]

    @app.get("/model")
    async def as_model() -> Found:
        return Found(customer=await find(piriod))

    customer = await find(piriod)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        found = {
            path: (await client.get(f"/{path}")).raise_for_status().text for path in ("dict", "list", "model", "json")
        }
        schema = (await client.get("/openapi.json")).raise_for_status().json()
    assert json.loads(found["dict"]) == customer.to_dict()
    assert json.loads(found["list"]) == [customer.to_dict()]
    assert json.loads(found["model"]) == {"customer": customer.to_dict()}
    assert found["json"] == customer.to_json()
    assert Customer.from_json(found["dict"]) == Customer.from_json(found["json"]) == customer
    assert schema["paths"]["/list"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["items"] == {
        "type": "object",
        "additionalProperties": True,
    }


async def test_aiohttp(piriod: PiriodSession) -> None:
    """aiohttp sends a dict, or the JSON as it is."""

    async def as_dict(_: web.Request) -> web.Response:
        return web.json_response((await find(piriod)).to_dict())

    async def as_json(_: web.Request) -> web.Response:
        return web.json_response(text=(await find(piriod)).to_json())

    app = web.Application()
    app.router.add_get("/dict", as_dict)
    app.router.add_get("/json", as_json)
    customer = await find(piriod)
    async with TestServer(app) as server, ClientSession() as client:
        for path, expected in (("/dict", json.dumps(customer.to_dict())), ("/json", customer.to_json())):
            async with client.get(server.make_url(path), raise_for_status=True) as response:
                text = await response.text()
                assert text == expected
                assert Customer.from_json(text) == customer


async def test_polars() -> None:
    """polars makes a data frame of dicts: amounts are Decimals, records structs, contacts lists of structs."""
    import polars as pl  # noqa: PLC0415

    async with MockServer(120) as server, server.session() as piriod:
        customers = await piriod.customers().collect()
    frame = pl.DataFrame([customer.to_dict(decimals="keep") for customer in customers], infer_schema_length=None)
    balances = frame["aggregations"].struct.field("balance")
    assert isinstance(balances.dtype, pl.Decimal)
    assert balances.to_list() == [customer.aggregations.balance for customer in customers]
    created = frame["created"].str.to_datetime(time_zone="UTC")
    assert created.to_list() == [customer.created for customer in customers]
    rows = [Customer.from_dict(row) for row in frame.drop("metadata", "tax_settings").iter_rows(named=True)]
    assert rows == [evolve(customer, metadata={}, tax_settings={}) for customer in customers]


async def test_polars_by_way_of_arrow(listing: CustomerListing) -> None:
    """polars refuses metadata of which a key is an integer here and a float there; in an Arrow table, it is JSON."""
    import polars as pl  # noqa: PLC0415

    customers = await listing.collect()
    with pytest.raises(TypeError, match="Float64"):
        pl.DataFrame([customer.to_dict(decimals="keep") for customer in customers], infer_schema_length=None)
    frame = pl.from_arrow(await export.to_arrow(listing, fields=["id", "metadata", "tax_settings"]))
    assert isinstance(frame, pl.DataFrame)
    assert frame["id"].to_list() == [customer.id for customer in customers]
    assert [json.loads(each) for each in frame["tax_settings"]] == [customer.tax_settings for customer in customers]


async def test_pandas(listing: CustomerListing) -> None:
    """pandas makes a flat data frame of dicts, whose amounts are Decimals."""
    import pandas as pd  # noqa: PLC0415

    customers = await listing.collect()
    frame = pd.json_normalize([customer.to_dict(decimals="keep") for customer in customers])
    assert list(frame["aggregations.balance"]) == [customer.aggregations.balance for customer in customers]
    assert frame["aggregations.balance"].sum() == sum(customer.aggregations.balance or 0 for customer in customers)
    assert isinstance(frame["aggregations.sales"].sum(), Decimal)
    assert set(frame["country.id"]) == {customer.country.id for customer in customers if customer.country}
    assert list(pd.to_datetime(frame["created"], format="ISO8601", utc=True)) == [each.created for each in customers]
