"""Filters and orderings, and the customers that they select."""

import pytest

from tests.contract.customers import COUNT
from tests.support.raw_client import RawClient

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "query",
    [
        *("countr=CL", "email=", "email=%20", "tax_id=", "country=", "created__gte=", "created__lte=", "sources="),
        *("subscriptions=", "metadata__plan=", "metadata=gold", "created=2031-05-05", "q=1", "page_size=20&name=%20"),
    ],
)
async def test_ignored(client: RawClient, query: str) -> None:
    """Empty values and unknown parameters filter nothing."""
    assert (await client.page(query))["count"] == COUNT


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("email=a%2Bb%40c.cl", ["cus_odd"]),
        ("email=A%2Bb@c.CL", ["cus_odd"]),
        ("email=a+b@c.cl", []),
        ("email=c.cl", []),
        ("name=%C3%91u%C3%B1oa+%26+C%C3%ADa+%3D+100%25", ["cus_odd"]),
        ("name=%25", ["cus_last", "cus_odd"]),
        ("name=_", ["cus_last"]),
        ("name=+ORDEN+A+", ["cus_noon_1", "cus_noon"]),
        ("tax_id=76.123.456-K", ["cus_odd"]),
        ("tax_id=76.123", []),
        ("sources=src_shared", ["cus_last", "cus_odd"]),
        ("sources=src_nobody", []),
        ("subscriptions=sub_other", ["cus_odd"]),
        ("subscriptions=sub_nobody", []),
        ("metadata__plan%20largo=s%C3%AD", ["cus_odd"]),
        ("metadata__a.b=x%26y%3Dz", ["cus_odd"]),
        ("metadata__a%C3%B1o=2031", ["cus_odd"]),
        ("metadata__k%26v=1+%2B+1", ["cus_odd"]),
        ("metadata__seats=5", ["cus_odd"]),
        ("metadata__seats=6", []),
        ("name=Orden&country=", ["cus_noon_1", "cus_noon", "cus_new_year", "cus_eve"]),
        ("name=Orden&ordering=created", ["cus_eve", "cus_new_year", "cus_noon", "cus_noon_1"]),
        ("name=Orden&ordering=bogus", ["cus_noon_1", "cus_noon", "cus_new_year", "cus_eve"]),
        ("name=Orden&ordering=bogus,created", ["cus_eve", "cus_new_year", "cus_noon", "cus_noon_1"]),
        ("name=Orden&ordering=-name,created", ["cus_new_year", "cus_eve", "cus_noon", "cus_noon_1"]),
        ("name=Orden&ordering=email", ["cus_noon_1", "cus_eve", "cus_new_year", "cus_noon"]),
    ],
)
async def test_selection(client: RawClient, query: str, ids: list[str]) -> None:
    """A query selects these customers in this order."""
    assert await client.ids(query) == ids


@pytest.mark.parametrize(
    ("bounds", "ids"),
    [
        ("created__gte=2031-05-05T12:00:00Z&created__lte=2031-05-05T12:00:00Z", ["cus_noon"]),
        ("created__gte=2031-05-05T12:00:00Z&created__lte=2031-05-05T12:00:00.000001Z", ["cus_noon", "cus_noon_1"]),
        ("created__gte=2031-05-05T12:00:00.000001Z&created__lte=2031-05-05T12:00:00.122999Z", ["cus_noon_1"]),
        ("created__gte=2031-05-05T08:00:00-04:00&created__lte=2031-05-05T14:00:00%2B02:00", ["cus_noon"]),
        ("created__gte=2031-05-05T08:00:00&created__lte=2031-05-05T08:00:00", ["cus_noon"]),
        ("created__gte=2031-01-01&created__lte=2031-05-05", ["cus_new_year"]),
        ("created__gte=2030-12-31&created__lte=2030-12-31", []),
        ("created__gte=2030-12-31&created__lte=2031-01-01", ["cus_eve", "cus_new_year"]),
    ],
)
async def test_created_bounds(client: RawClient, bounds: str, ids: list[str]) -> None:
    """Bounds are inclusive. Without a UTC offset they are read in the server's time zone."""
    assert await client.ids(f"{bounds}&ordering=created") == ids


@pytest.mark.parametrize("value", ["yesterday", "2031-13-01", "2031-05-05T12:00:00+00:00", "%20", "%00"])
async def test_invalid_datetime(client: RawClient, value: str) -> None:
    """A bound that is not a datetime is a 400. (The unescaped plus is a space.)"""
    response = await client.fetch(f"created__gte={value}")
    assert (response.status, response.body) == (400, {"created__gte": ["Enter a valid date/time."]})


async def test_several_errors(client: RawClient) -> None:
    """All invalid filters are reported in one response."""
    response = await client.fetch("country=XX&created__lte=never")
    assert response.status == 400
    assert response.body == {
        "country": ["Select a valid choice. That choice is not one of the available choices."],
        "created__lte": ["Enter a valid date/time."],
    }
