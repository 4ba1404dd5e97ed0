"""Results are checked against the filters, because a server ignores a filter that it does not know."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from piriod_async import Country, Customer, CustomerQuery, FilterIgnoredError
from piriod_async.testing.mock_server import OMITTED, MockServer
from piriod_async.verify import verify

NOON = datetime(2031, 5, 5, 12, tzinfo=UTC)
TOKYO = timezone(timedelta(hours=9))

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {  # filter, a match, not a match
    "country": ({"country": "CL"}, {"country": {"id": "CL"}}, {"country": {"id": "MX"}}),
    "email": ({"email": "a+b@c.cl"}, {"email": "a+b@c.cl"}, {"email": "b@c.cl"}),
    "name": ({"name": "cóndor"}, {"name": "El Cóndor SpA"}, {"name": "El Roble"}),
    "tax_id": ({"tax_id": "76.123.456-K"}, {"tax_id": "76.123.456-K"}, {"tax_id": "76.123.457-8"}),
    "created__gte": ({"created__gte": NOON}, {"created": NOON}, {"created": NOON - timedelta(seconds=1.1)}),
    "created__lte": ({"created__lte": NOON}, {"created": NOON}, {"created": NOON + timedelta(microseconds=2)}),
    "metadata__plan": ({"metadata": {"plan": "gold"}}, {"metadata": {"plan": "gold"}}, {"metadata": {"plan": "old"}}),
}


async def read_until_error(
    server: MockServer, filters: dict[str, Any], **options: Any
) -> tuple[list[str], FilterIgnoredError]:
    """Return the ids delivered before the error, and the error."""
    ids: list[str] = []
    async with server.session() as piriod:
        try:
            async for customer in piriod.customers(**filters, **options):
                ids.append(customer.id)  # noqa: PERF401 (ids before the error count)
        except FilterIgnoredError as error:
            return ids, error
    pytest.fail("no error")


@pytest.mark.parametrize("name", CASES)
async def test_ignored_filter(name: str) -> None:
    """A filter that the server ignores is an error before a wrong customer is delivered, unless it is not checked."""
    filters, match, other = CASES[name]
    async with MockServer(0, ignored_params={name}) as server:
        for number in range(3):
            server.add({"created": NOON + timedelta(hours=-number), **other}, id=f"cus_{number}")
            server.add({"created": NOON, **match}, id=f"cus_fine_{number}")
        ids, error = await read_until_error(server, filters)
        assert set(ids) <= {"cus_fine_0", "cus_fine_1", "cus_fine_2"}
        assert f"the filter {name}: " in str(error)
        assert "datetime" not in str(error)
        assert "check_filters=False" in str(error)
        assert not error.retryable
        assert len(server.requests) == 1
        async with server.session() as piriod:
            assert await piriod.customers(**filters, check_filters=False).count() == 6
            assert len(await piriod.customers(**filters, check_filters=False).collect()) == 6


@pytest.mark.parametrize("name", CASES)
async def test_working_filter(name: str) -> None:
    """A filter that the server applies delivers the customers that match."""
    filters, match, other = CASES[name]
    async with MockServer(0) as server:
        server.add({"country": "CL", **match}, id="cus_fine")
        server.add({"country": "CL", **other}, id="cus_other")
        async with server.session() as piriod:
            assert [customer.id for customer in await piriod.customers(**filters).collect()] == ["cus_fine"]


@pytest.mark.parametrize("method", ["count", "first", "collect"])
async def test_methods(method: str) -> None:
    """Every method that reads checks the customers that it receives."""
    async with MockServer(0, ignored_params={"country"}) as server, server.session() as piriod:
        server.add(country={"id": "MX"})
        with pytest.raises(FilterIgnoredError, match=r"answered with customer cus_\w+, whose value is 'MX'"):
            await getattr(piriod.customers(country="CL"), method)()


@pytest.mark.parametrize("ordering", ["created", "-created", "name", None])
async def test_later_page(ordering: str | None) -> None:
    """A wrong customer in the middle of the list is not delivered, nor is anything after it."""
    async with MockServer(0, ignored_params={"country"}) as server:
        for number in range(60):
            server.add(id=f"cus_{number:02}", name=f"{number:02}", country={"id": "CL"})
        first, middle = [f"cus_{number:02}" for number in range(30)], "cus_30"
        server.update(middle, country={"id": "MX"})
        ids, error = await read_until_error(server, {"country": "CL"}, ordering=ordering, page_size=10)
    assert middle in str(error)
    expected = first if ordering in ("created", "name") else [f"cus_{number:02}" for number in range(59, 30, -1)]
    assert 10 <= len(ids) <= 30
    assert ids == expected[: len(ids)]


@pytest.mark.parametrize("name", ["subscriptions", "sources"])
async def test_unchecked_filter(name: str) -> None:
    """`subscriptions` and `sources` are not checked."""
    async with MockServer(5, ignored_params={name}) as server, server.session() as piriod:
        assert len(await piriod.customers(**{name: "x_nobody"}).collect()) == 5


MATCHES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"country": "cl"}, {"country": Country(id="CL")}),
    ({"email": "ANA@peña.cl"}, {"email": "ana@pena.cl"}),
    ({"email": "a+b@c.cl"}, {"email": "A+B@C.CL"}),
    ({"name": "nandu"}, {"name": "Comercial ÑANDÚ Ltda."}),
    ({"name": "Ñandú"}, {"name": "comercial nandu"}),
    ({"name": "Nun\N{COMBINING TILDE}ez"}, {"name": "Núñez e Hijos"}),
    ({"name": "Núñez y Cía"}, {"name": "NÚÑEZ-Y-CIA."}),
    ({"name": "strasse"}, {"name": "Große Straße"}),
    ({"name": "%"}, {"name": "50 % más"}),
    ({"tax_id": "76123456k"}, {"tax_id": "76.123.456-K"}),
    ({"tax_id": "76.123.456-K"}, {"tax_id": "76123456K"}),
    ({"tax_id": "76.123"}, {"tax_id": "76.123.456-K"}),
    ({"created__gte": NOON}, {"created": NOON}),
    ({"created__gte": NOON}, {"created": None}),
    ({"created__gte": NOON.replace(microsecond=999_999)}, {"created": NOON}),
    ({"created__gte": NOON.replace(microsecond=1_999)}, {"created": NOON.replace(microsecond=1_000)}),
    ({"created__gte": NOON.replace(microsecond=2)}, {"created": NOON.replace(microsecond=1)}),
    ({"created__lte": NOON}, {"created": NOON}),
    ({"created__lte": NOON}, {"created": None}),
    ({"created__lte": NOON}, {"created": NOON.replace(microsecond=1)}),
    ({"created__gte": NOON}, {"created": NOON.astimezone(TOKYO)}),
    ({"created__gte": NOON}, {"created": datetime.max.replace(tzinfo=UTC)}),
    ({"created__lte": NOON}, {"created": datetime.min.replace(tzinfo=UTC)}),
    ({"metadata": {"plan": "GOLD"}}, {"metadata": {"plan": "gold"}}),
    ({"metadata": {"plan": "Ñandú"}}, {"metadata": {"plan": "nandu"}}),
    ({"metadata": {"seats": "5"}}, {"metadata": {"seats": 5}}),
    ({"metadata": {"vip": "true"}}, {"metadata": {"vip": True}}),
    ({"metadata": {"tags": "a"}}, {"metadata": {"tags": ["a", "b"]}}),
    ({"metadata": {"address__city": "Lima"}}, {"metadata": {"address": {"city": "Lima"}}}),
    ({"metadata": {"plan__in": "gold,silver"}}, {"metadata": {"plan": "silver"}}),
    ({"subscriptions": "sub_1", "sources": "src_1"}, {"sources": ()}),
]
MISMATCHES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("country", {"country": "CL"}, {"country": Country(id="CO")}),
    ("country", {"country": "CL"}, {"country": Country(id="C")}),
    ("country", {"country": "CL"}, {"country": None}),
    ("metadata__plan", {"metadata": {"plan": "none"}}, {"metadata": {}}),
    ("email", {"email": "a@b.cl"}, {"email": None}),
    ("email", {"email": "a@b.cl"}, {"email": ""}),
    ("email", {"email": "a@b.cl"}, {"email": "c@b.cl"}),
    ("name", {"name": "Ñandú"}, {"name": "Cóndor"}),
    ("tax_id", {"tax_id": "76.123.456-K"}, {"tax_id": "76.123.456-1"}),
    ("tax_id", {"tax_id": "76.123.456-K"}, {"tax_id": None}),
    ("created__gte", {"created__gte": NOON}, {"created": NOON - timedelta(seconds=2)}),
    ("created__gte", {"created__gte": NOON}, {"created": NOON - timedelta(microseconds=2)}),
    ("created__lte", {"created__lte": NOON}, {"created": NOON.replace(microsecond=2)}),
    ("created__lte", {"created__gte": NOON, "created__lte": NOON}, {"created": NOON + timedelta(days=1)}),
    ("metadata__plan", {"metadata": {"plan": "gold"}}, {"metadata": {}}),
    ("metadata__plan", {"metadata": {"plan": "gold"}}, {"metadata": {"plan": "golden"}}),
    ("metadata__plan", {"metadata": {"plan": "gold"}}, {"metadata": {"plan": ["golden"]}}),
    ("metadata__plan", {"metadata": {"segment": "x", "plan": "gold"}}, {"metadata": {"segment": "x"}}),
]


def customer(fields: Mapping[str, Any]) -> Customer:
    """Return a customer with these fields."""
    return Customer(**{"id": "cus_1", "name": "N", **fields})


@pytest.mark.parametrize(("filters", "fields"), MATCHES)
def test_match(filters: dict[str, Any], fields: dict[str, Any]) -> None:
    """A customer that the filter may well have found passes."""
    verify(CustomerQuery(**filters), [customer(fields)], test_mode=False)


@pytest.mark.parametrize(("name", "filters", "fields"), MISMATCHES)
def test_mismatch(name: str, filters: dict[str, Any], fields: dict[str, Any]) -> None:
    """A customer that the filter excludes is an error that names the filter, the customer and the value."""
    with pytest.raises(FilterIgnoredError, match=f"the filter {name}: it answered with customer cus_1, whose value is"):
        verify(CustomerQuery(**filters), [customer(fields)], test_mode=False)


async def test_bare_country() -> None:
    """A country given as a bare id, and a record without `created`, can be checked."""
    async with MockServer(20) as server, server.session() as piriod:
        server.add(id="cus_bare", country="PE", created=OMITTED)
        ids = {customer.id for customer in await piriod.customers(country="PE").collect()}
    assert "cus_bare" in ids
