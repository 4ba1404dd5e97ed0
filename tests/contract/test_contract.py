"""One contract, two servers: what the framework answers, the mock server answers too, to the letter."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from piriod_async.testing.mock_server import MockServer
from tests.contract.reference.client import Answer, Server
from tests.contract.reference.questions import QUERIES, REQUESTS

if TYPE_CHECKING:
    from tests.contract.reference.server import Reference

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOON = datetime(2031, 5, 5, 12, tzinfo=UTC)
NEW_YEAR = datetime(2031, 1, 1, 3, tzinfo=UTC)  # midnight in Santiago
SPECIAL: list[dict[str, Any]] = [
    {"id": "cus_eve", "name": "Orden b", "email": "b@orden.cl", "created": NEW_YEAR - timedelta(microseconds=1)},
    {"id": "cus_new_year", "name": "Orden c", "email": "c@orden.cl", "created": NEW_YEAR},
    {"id": "cus_noon", "name": "Orden a", "email": "d@orden.cl", "created": NOON},
    {"id": "cus_noon_1", "name": "Orden a", "email": "a@orden.cl", "created": NOON.replace(microsecond=1)},
    {
        "id": "cus_odd",
        "name": "Ñuñoa & Cía = 100%",
        "email": "a+b@c.cl",
        "tax_id": "76.123.456-K",
        "metadata": {"plan largo": "sí", "a.b": "x&y=z", "año": "2031", "k&v": "1 + 1", "seats": 5, "vip": True},
        "sources": ["src_odd", "src_shared"],
        "subscriptions": ["sub_odd", "sub_other"],
        "created": NOON.replace(microsecond=123000),
    },
    {
        "id": "cus_last",
        "name": "_snake_ 50%",
        "metadata": {"plan largo": "no"},
        "sources": ["src_shared"],
        "subscriptions": [],
        "created": NOON.replace(microsecond=999999),
    },
]
COUNT = 244 + len(SPECIAL)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(http: ClientSession, reference_server: "Reference") -> AsyncIterator[dict[str, Server]]:
    """Both of them, with the same customers."""
    reference_server.clear()
    async with MockServer(customers=244) as server:
        for customer in SPECIAL:
            server.add(customer)
        both = {
            "framework": Server(http, reference_server.url, reference_server.token, reference_server.workspace),
            "sandbox": Server(http, server.url, server.token, server.workspace),
        }
        hidden = {special["id"]: special.get("subscriptions", []) for special in SPECIAL}
        live = [{**customer, "subscriptions": hidden.get(customer["id"], [])} for customer in server.customers()]
        test = await both["sandbox"].ask("page_size=100", x_piriod_test_mode="true")
        reference_server.load([*live, *test.body["results"]])
        yield both
    reference_server.clear()


@pytest.fixture(params=["framework", "sandbox"])
def server(request: pytest.FixtureRequest, servers: dict[str, Server]) -> Server:
    return servers[request.param]


# --- the same answer from both ---


@pytest.mark.parametrize("query", QUERIES)
async def test_same_answer(servers: dict[str, Server], query: str) -> None:
    framework = await servers["framework"].ask(query)
    server = await servers["sandbox"].ask(query)
    assert server == framework


async def test_every_record_is_the_same(servers: dict[str, Server]) -> None:
    for number in (1, 2, 3):
        query = f"ordering=created&page_size=100&page={number}"
        assert await servers["sandbox"].ask(query) == await servers["framework"].ask(query)


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
async def test_same_answer_to_headers_paths_and_methods(servers: dict[str, Server], request_: dict[str, Any]) -> None:
    framework = await servers["framework"].ask(**request_)
    server = await servers["sandbox"].ask(**request_)
    assert server == framework


@pytest.mark.parametrize("path", ["/", "/nothing/", "/nothing", "/customers/cus_odd/", "/customers//"])
async def test_not_found_elsewhere(server: Server, path: str) -> None:
    assert (await server.ask(path=path)).status == 404


# --- what the answers are, in words ---


async def test_envelope(server: Server) -> None:
    answer = await server.ask()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert list(answer.body) == ["count", "next", "previous", "results"]
    assert answer.body["count"] == COUNT
    assert answer.body["next"] == "/customers/?page=2"
    assert answer.body["previous"] is None
    assert len(answer.body["results"]) == 20


async def test_a_record(server: Server) -> None:
    [record] = (await server.ask("tax_id=76.123.456-K")).body["results"]
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
    assert "subscriptions" not in record


@pytest.mark.parametrize(
    ("id_", "printed"),
    [
        ("cus_noon", "2031-05-05T12:00:00Z"),
        ("cus_noon_1", "2031-05-05T12:00:00.000001Z"),
        ("cus_odd", "2031-05-05T12:00:00.123000Z"),
    ],
)
async def test_datetimes_are_printed_in_utc_with_microseconds_or_none(server: Server, id_: str, printed: str) -> None:
    records = (await server.ask("created__gte=2031-05-05")).body["results"]
    assert {record["id"]: record["created"] for record in records}[id_] == printed


@pytest.mark.parametrize(("size", "length"), [("", 20), ("0", 20), ("-5", 20), ("x", 20), ("7", 7), ("101", 100)])
async def test_page_size(server: Server, size: str, length: int) -> None:
    assert len((await server.ask(f"page_size={size}")).ids) == length


@pytest.mark.parametrize("page", ["0", "-1", "two", "4", "LAST"])
async def test_no_such_page(server: Server, page: str) -> None:
    answer = await server.ask(f"page={page}&page_size=100")
    assert (answer.status, answer.body) == (404, {"detail": "Invalid page."})


async def test_page_one_of_nothing(server: Server) -> None:
    for query in ("name=nobody", "name=nobody&page=1", "name=nobody&page=last"):
        answer = await server.ask(query)
        assert answer.status == 200
        assert answer.body == {"count": 0, "next": None, "previous": None, "results": []}


async def test_links_keep_the_query_sorted(server: Server) -> None:
    second = await server.ask("page_size=2&page=2&name=e&x=%C3%B1+%26")
    assert second.body["next"] == "/customers/?name=e&page=3&page_size=2&x=%C3%B1+%26"
    assert second.body["previous"] == "/customers/?name=e&page_size=2&x=%C3%B1+%26"
    last = await server.ask("page_size=100&page=last")
    assert (last.body["next"], last.body["previous"]) == (None, "/customers/?page=2&page_size=100")


@pytest.mark.parametrize(
    "query",
    [
        *("countr=CL", "email=", "email=%20", "tax_id=", "country=", "created__gte=", "created__lte=", "sources="),
        *("subscriptions=", "metadata__plan=", "metadata=gold", "created=2031-05-05", "q=1", "page_size=20&name=%20"),
    ],
)
async def test_no_filter_is_everybody(server: Server, query: str) -> None:
    answer = await server.ask(query)
    assert (answer.status, answer.body["count"]) == (200, COUNT)


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
async def test_who_is_listed(server: Server, query: str, ids: list[str]) -> None:
    answer = await server.ask(query)
    assert (answer.status, answer.ids) == (200, ids)


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
async def test_date_bounds_are_inclusive_and_naive_ones_in_the_servers_zone(
    server: Server, bounds: str, ids: list[str]
) -> None:
    assert (await server.ask(f"{bounds}&ordering=created")).ids == ids


@pytest.mark.parametrize("value", ["yesterday", "2031-13-01", "2031-05-05T12:00:00+00:00", "%20", "%00"])
async def test_a_bad_date(server: Server, value: str) -> None:
    answer = await server.ask(f"created__gte={value}")
    assert (answer.status, answer.body) == (400, {"created__gte": ["Enter a valid date/time."]})


async def test_bad_filters_are_told_together(server: Server) -> None:
    answer = await server.ask("country=XX&created__lte=never")
    assert answer.status == 400
    assert answer.body == {
        "country": ["Select a valid choice. That choice is not one of the available choices."],
        "created__lte": ["Enter a valid date/time."],
    }


@pytest.mark.parametrize(
    ("headers", "status", "body"),
    [
        ({"authorization": None}, 401, {"detail": "Authentication credentials were not provided."}),
        ({"authorization": "Token wrong"}, 401, {"detail": "Invalid token."}),
        ({"x_simple_workspace": "acc_no"}, 403, {"detail": "You do not have permission to perform this action."}),
        ({"x_simple_workspace": None}, 400, {"non_field_errors": ["x-simple-workspace header is required."]}),
    ],
)
async def test_who_may_ask(server: Server, headers: dict[str, str | None], status: int, body: object) -> None:
    answer = await server.ask(**headers)
    assert (answer.status, answer.body) == (status, body)
    assert answer.headers["WWW-Authenticate"] == ("Token" if status == 401 else None)


async def test_test_data_and_live_data_are_disjoint(server: Server) -> None:
    test = await server.ask("page_size=100", x_piriod_test_mode="true")
    live = [customer for page in (1, 2, 3) for customer in (await server.ask(f"page_size=100&page={page}")).ids]
    assert test.ids
    assert len(live) == COUNT
    assert not set(test.ids) & set(live)
    assert all(customer["test_mode"] for customer in test.body["results"])


async def test_the_missing_slash(server: Server) -> None:
    answer = await server.ask("page=2&name=%C3%91+%26", path="/customers")
    assert (answer.status, answer.headers["Location"]) == (301, "/customers/?page=2&name=%C3%91+%26")


async def test_the_wrong_method(server: Server) -> None:
    answer = await server.ask(method="POST")
    assert (answer.status, answer.body) == (405, {"detail": 'Method "POST" not allowed.'})


# --- throttling, on servers of its own ---


async def throttled(server: Server) -> Answer:
    allowed = [(await server.ask()).status for _ in range(2)]
    assert allowed == [200, 200]
    assert (await server.ask(authorization=None)).status == 401  # not counted
    return await server.ask()


async def test_throttling(http: ClientSession, servers: dict[str, Server], reference_server: "Reference") -> None:
    reference_server.limit("2/s")
    framework = await throttled(servers["framework"])
    reference_server.limit(None)
    async with MockServer(customers=3) as server:
        server.rate_limit(rate=2)
        answer = await throttled(Server(http, server.url, server.token, server.workspace))
    assert (framework.status, framework.headers["Retry-After"]) == (429, "1")
    assert framework.body == {"detail": "Request was throttled. Expected available in 1 second."}
    assert answer == framework
