"""The mock server: data, query, faults, churn, and an orderly end."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import ClientError, ClientPayloadError, ClientSession

from piriod_async.testing.mock_server import OMITTED, MockServer, Mutations
from piriod_async.testing.mock_server.tax_ids import nit, rfc, ruc, rut

NOON = datetime(2031, 5, 5, 12, tzinfo=UTC)


class Client:
    """A bare client of one sandbox."""

    def __init__(self, http: ClientSession, server: MockServer) -> None:
        self.http = http
        self.sandbox = server

    def get(self, query: str = "", *, path: str = "/customers/", **headers: str) -> Any:
        usual = {"authorization": f"Token {self.sandbox.token}", "x_simple_workspace": self.sandbox.workspace}
        sent = {name.replace("_", "-"): text for name, text in (usual | headers).items()}
        return self.http.get(f"{self.sandbox.url}{path}?{query}", headers=sent, allow_redirects=False)

    async def page(self, query: str = "", **headers: str) -> dict[str, Any]:
        async with self.get(query, **headers) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def ids(self, query: str = "", **headers: str) -> list[str]:
        return [customer["id"] for customer in (await self.page(query, **headers))["results"]]

    async def answer(self, query: str = "", **headers: str) -> tuple[int, Any]:
        async with self.get(query, **headers) as response:
            return response.status, await response.json()


@asynccontextmanager
async def running(*args: Any, **kwargs: Any) -> AsyncIterator[tuple[MockServer, Client]]:
    async with MockServer(*args, **kwargs) as server, ClientSession() as http:
        yield server, Client(http, server)


def others() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


# --- data ---


async def test_the_same_seed_gives_the_same_customers() -> None:
    async with running(30, seed=1) as (_, a), running(30, seed=1) as (_, b), running(30, seed=2) as (_, c):
        assert (await a.page())["results"] == (await b.page())["results"]
        assert (await a.page())["results"] != (await c.page())["results"]


def test_customers_are_believable() -> None:
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


def test_check_digits_are_those_of_the_tax_offices() -> None:
    assert [rut(n) for n in (96_806_980, 61_808_000, 76_086_428)] == ["96.806.980-2", "61.808.000-5", "76.086.428-5"]
    assert {rut(n)[-1] for n in range(76_000_000, 76_000_100)} == set("0123456789K")
    assert [nit(n) for n in (890_903_938, 899_999_068)] == ["890.903.938-8", "899.999.068-1"]
    assert [ruc(n) for n in (13_131_295, 10_001_749)] == ["20131312955", "20100017491"]
    assert re.fullmatch(r"[A-Z]{3}\d{6}[A-Z]\d{2}", rfc(40_123_456))


async def test_money_is_printed_with_two_decimals_and_stamps_to_the_microsecond() -> None:
    async with running(50) as (server, client):
        async with client.get("page_size=50") as response:
            text = await response.text()
        sales = re.findall(r'"sales":([^,]+),', text)
        assert len(sales) == 50
        assert all(re.fullmatch(r"\d+\.\d\d", amount) for amount in sales)
        server.add(created=NOON, metadata={})
        assert (await client.page())["results"][0]["created"] == "2031-05-05T12:00:00Z"
        assert re.search(r'"created":"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"', text)


async def test_stamps_to_the_second_still_filter_to_the_microsecond() -> None:
    async with running(0, timestamp_precision="seconds") as (server, client):
        ids = [server.add(created=NOON + timedelta(microseconds=tick)) for tick in (2, 1)]
        page = await client.page("created__lte=2031-05-05T12:00:00.000001Z")
        assert [customer["id"] for customer in page["results"]] == ids[1:]
        assert page["results"][0]["created"] == "2031-05-05T12:00:00Z"


async def test_workspaces_are_made_when_asked_for() -> None:
    async with running({f"acc_{n}": n for n in range(1_000)}) as (server, client):
        assert not server._tables
        assert (await client.page(x_simple_workspace="acc_7"))["count"] == 7
        assert list(server._tables) == [("acc_7", False)]
        assert len(server.workspaces) == 1_000
        assert not {c["id"] for c in server.customers("acc_8")} & {c["id"] for c in server.customers("acc_9")}


async def test_test_data_is_apart() -> None:
    async with running(30) as (server, client):
        live, test = await client.ids("page_size=100"), await client.page("page_size=100", x_piriod_test_mode="True")
        assert test["count"] == 25
        assert all(customer["test_mode"] for customer in test["results"])
        assert not {customer["id"] for customer in test["results"]} & set(live)
        assert [request.test_mode for request in server.requests] == [False, True]


# --- the query ---


async def test_pages_and_links() -> None:
    async with running(45) as (server, client):
        first, last = await client.page("name=&page=1"), await client.page("page=last&page_size=0")
        assert (first["count"], len(first["results"]), len(last["results"])) == (45, 20, 5)
        assert first["next"] == f"{server.url}/customers/?name=&page=2"
        assert (await client.page("page=2&name="))["previous"] == f"{server.url}/customers/?name="
        assert (first["previous"], last["next"]) == (None, None)
        for page in ("0", "4", "-1", "x"):
            assert await client.answer(f"page={page}") == (404, {"detail": "Invalid page."})
        assert [request.page for request in server.requests] == [1, None, 2, 0, 4, None, None]
        assert server.requests[0].query == (("name", ""), ("page", "1"))
        assert server.requests[2].params == {"page": "2", "name": ""}


async def test_filters_and_ordering() -> None:
    async with running(300) as (server, client):
        everybody = server.customers()
        gold = [c["id"] for c in everybody if c["country"]["id"] == "CL" and c["metadata"].get("plan") == "gold"]
        assert await client.ids("country=CL&metadata__plan=gold&ordering=created&page_size=100") == gold[:100]
        names = [c["id"] for c in sorted(everybody, key=lambda c: c["name"], reverse=True)]
        assert await client.ids("ordering=-name,created&page_size=100") == names[:100]
        assert await client.ids("ordering=bogus&bogus=1") == [c["id"] for c in everybody[:-21:-1]]
        odd = server.add(email="a+b@c.cl", sources=["src_1"], subscriptions=["sub_1"], metadata={"seats": 5})
        for query in ("email=A%2Bb@C.cl", "sources=src_1", "subscriptions=sub_1", "metadata__seats=5"):
            assert await client.ids(query) == [odd]
        assert await client.ids("sources=nobody") == []
        status, errors = await client.answer("country=XX&created__gte=x")
        assert (status, set(errors)) == (400, {"country", "created__gte"})


async def test_a_plain_date_is_midnight_in_santiago() -> None:
    async with running(0) as (server, client):
        ids = [server.add(created=datetime(2031, 1, 1, 2, 59, tzinfo=UTC) + timedelta(minutes=n)) for n in (0, 1)]
        assert await client.ids("created__gte=2031-01-01") == ids[1:]
        assert await client.ids("created__lte=2030-12-31T23:59:00") == ids[:1]


@pytest.mark.parametrize(
    ("headers", "status", "body"),
    [
        ({"authorization": ""}, 401, {"detail": "Authentication credentials were not provided."}),
        ({"authorization": "Token wrong"}, 401, {"detail": "Invalid token."}),
        ({"x_simple_workspace": ""}, 400, {"non_field_errors": ["x-simple-workspace header is required."]}),
        ({"x_simple_workspace": "?"}, 403, {"detail": "You do not have permission to perform this action."}),
    ],
)
async def test_who_may_ask(headers: dict[str, str], status: int, body: Any) -> None:
    async with running(0) as (_, client), client.get(**headers) as response:
        assert (response.status, await response.json()) == (status, body)
        assert response.headers.get("WWW-Authenticate") == ("Token" if status == 401 else None)
        assert response.headers["X-Request-Id"]


async def test_other_paths() -> None:
    async with running(0) as (_, client):
        async with client.get("name=%C3%B1+a%2Bb", path="/customers") as response:
            assert (response.status, response.headers["Location"]) == (301, "/customers/?name=%C3%B1+a%2Bb")
        async with client.get(path="/invoices/") as response:
            assert response.status == 404


async def test_ignored_parameters_and_shuffled_ties() -> None:
    async with running(0, tie_order="shuffled", ignored_params={"country"}) as (server, client):
        first, *ties, last = [server.add(created=NOON + timedelta(seconds=n)) for n in (0, *[1] * 30, 2)]
        assert (await client.page("country=XX"))["count"] == 32
        orders = [await client.ids("ordering=created&page_size=100") for _ in range(3)]
        assert orders[0] != orders[1] != orders[2]
        assert all(order[0] == first and order[-1] == last for order in orders)
        assert all(set(order[1:-1]) == set(ties) for order in orders)
        middle = [await client.ids("ordering=created&page_size=10&page=2") for _ in range(3)]
        assert len({*middle[0], *middle[1], *middle[2]}) > 10
        assert all(len(set(ids)) == 10 and set(ids) < set(ties) for ids in middle)


# --- a list that moves ---


async def test_add_update_remove() -> None:
    async with running(3) as (server, client):
        start = await client.ids("ordering=created")
        new = server.add({"name": "Ñandú SpA"}, state="IL", country="CL", website=OMITTED)
        server.update(start[0], name="Otra", created=NOON)
        server.remove(start[1])
        page = await client.page("ordering=created")
        assert [customer["id"] for customer in page["results"]] == [start[2], new, start[0]]
        payload = page["results"][1]
        assert (payload["name"], payload["state"]) == ("Ñandú SpA", "IL")
        assert "website" not in payload
        assert server.unchanged_ids() == [start[2]]
        assert [(change.kind, change.id) for change in server.changes] == [
            ("create", new),
            ("edit", start[0]),
            ("delete", start[1]),
        ]
        assert new in await client.ids("country=CL")
        with pytest.raises(KeyError):
            server.remove(start[1])
        with pytest.raises(ValueError, match="already"):
            server.add(id=new)
        with pytest.raises(ValueError, match="time zone"):
            server.add(created=datetime(2031, 1, 1))  # noqa: DTZ001


async def test_churn_is_logged_and_repeatable() -> None:
    async def run() -> tuple[Any, ...]:
        async with running(200, mutations=Mutations(rate=2.5)) as (server, client):
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


async def test_a_race_is_a_page_that_disagrees_with_its_count() -> None:
    churn = Mutations(rate=0, create=0, delete=1, edit=0, race=1)
    async with running(10, mutations=churn) as (_, client):
        page = await client.page()
        assert (page["count"], len(page["results"])) == (10, 9)
    churn = Mutations(rate=0, create=1, delete=0, edit=0, race=1)
    async with running(10, mutations=churn) as (_, client):
        page = await client.page()
        assert (page["count"], len(page["results"])) == (10, 10)


# --- faults ---


async def test_a_status_so_many_times() -> None:
    async with running(1) as (server, client):
        server.fail(status=503, times=2, retry_after=1)
        for _ in range(2):
            async with client.get(authorization="faults come first") as response:
                assert (response.status, response.headers["Retry-After"]) == (503, "1")
                assert await response.json() == {"detail": "Service Unavailable"}
        await client.page()
        assert [request.status for request in server.requests] == [503, 503, 200]


async def test_an_answer_of_its_own() -> None:
    async with running(1) as (server, client):
        server.fail(status=502, html=True, retry_after=NOON)
        async with client.get() as response:
            assert (response.status, response.content_type) == (502, "text/html")
            assert response.headers["Retry-After"] == "Mon, 05 May 2031 12:00:00 GMT"
        server.fail(body=b"[]", headers={"Content-Type": "text/plain", "X-Odd": "yes"})
        async with client.get() as response:
            assert (response.status, response.content_type, response.headers["X-Odd"]) == (200, "text/plain", "yes")
            assert await response.read() == b"[]"


async def test_a_page_or_a_workspace_until_healed() -> None:
    async with running({"acc_1": 30, "acc_2": 30}) as (server, client):
        server.fail(status=500, page=2, workspace="acc_2", times=None)
        await client.page("page=2")
        await client.page(x_simple_workspace="acc_2")
        for _ in range(3):
            assert (await client.answer("page=2", x_simple_workspace="acc_2"))[0] == 500
        server.clear_faults()
        await client.page("page=2", x_simple_workspace="acc_2")


@pytest.mark.parametrize("where", ["headers", "body"])
async def test_a_disconnect_is_a_reset(where: Any) -> None:
    async with MockServer(20) as server:
        server.fail(disconnect=where)
        reader, writer = await asyncio.open_connection(*server.url.removeprefix("http://").split(":"))
        writer.write(b"GET /customers/ HTTP/1.1\r\nHost: x\r\n\r\n")
        if where == "body":
            assert b"Content-Length" in await reader.readuntil(b"\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        assert [request.status for request in server.requests] == [0]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"disconnect": "headers", "times": 2}, ClientError),  # aiohttp asks once more of its own accord
        ({"disconnect": "body"}, (ClientError, ConnectionResetError)),
        ({"truncate": "length"}, ClientPayloadError),
        ({"truncate": "json"}, json.JSONDecodeError),
        ({"garbage": "json"}, json.JSONDecodeError),
    ],
)
async def test_broken_answers(fault: Any, error: Any) -> None:
    async with running(20) as (server, client):
        server.fail(**fault)
        with pytest.raises(error):
            await client.page("page_size=100")
        assert len(await client.ids("page_size=100")) == 20


async def test_html_garbage() -> None:
    async with running(1) as (server, client):
        server.fail(garbage="html")
        async with client.get() as response:
            assert (response.status, response.content_type) == (200, "text/html")


@pytest.mark.parametrize(
    "options",
    [{}, {"stall": True, "status": 500}, {"garbage": "json", "truncate": "json"}, {"stall": True, "retry_after": 1}],
)
def test_a_fault_fails_in_one_way(options: Any) -> None:
    with pytest.raises(ValueError, match="status"):
        MockServer().fail(**options)


async def test_the_limit_is_a_sliding_log(monkeypatch: pytest.MonkeyPatch) -> None:
    clock: Callable[[], float] = iter([0.0, 0.9, 0.95, 0.99, 1.0, 1.5, 9.0, 9.1]).__next__
    monkeypatch.setattr("piriod_async.testing.mock_server.rate_limit.time", SimpleNamespace(monotonic=clock))
    async with running(1) as (server, client):
        server.rate_limit(rate=2)
        statuses = [(await client.answer())[0] for _ in range(6)]
        assert statuses == [200, 200, 429, 429, 200, 429]
        assert (await client.answer(authorization="Token wrong"))[0] == 401
        server.rate_limit(rate=0.25)
        await client.page()
        async with client.get() as response:
            assert response.headers["Retry-After"] == "4"
            assert await response.json() == {"detail": "Request was throttled. Expected available in 4 seconds."}
        server.rate_limit(None)
        await client.page()


# --- an orderly end ---


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_stop_ends_a_stall() -> None:
    before = others()
    async with running(20) as (server, client):
        server.fail(stall=True)
        async with client.get() as response:
            assert await response.content.readany()
            await server.stop()
            with pytest.raises((ClientError, ConnectionResetError)):
                await response.read()
    assert others() == before
    with pytest.raises(RuntimeError, match="not started"):
        server.url  # noqa: B018


async def test_stop_hurries_what_is_late() -> None:
    before = others()
    async with running(20, latency=(1_000, 2_000)) as (server, client):
        late = asyncio.create_task(client.ids())
        await until(lambda: server._runner and server._runner.server.requests_count)
        await server.stop()
        assert len(await late) == 20
    assert others() == before


async def test_a_client_may_leave() -> None:
    async with running(20, latency=(0, 0)) as (server, client):
        before = others()
        server.fail(stall=True)
        async with client.get() as response:
            await response.content.readany()
            response.close()
        await until(lambda: others() == before)
        server._latency = (1_000, 1_000)
        gone = asyncio.create_task(client.ids())
        await until(lambda: server._runner.server.requests_count == 2)
        gone.cancel()
        await until(lambda: len(server.requests) == 2)
        assert [request.status for request in server.requests] == [200, 0]


async def test_start_again() -> None:
    server = MockServer(20)
    for _ in range(2):
        async with server, ClientSession() as http:
            assert len(await Client(http, server).ids()) == 20


async def test_a_session() -> None:
    pytest.importorskip("piriod_async.session")
    async with MockServer(20) as server, server.session(concurrency=2) as piriod:
        assert [customer.id for customer in await piriod.customers().collect()] == [
            customer["id"] for customer in server.customers()
        ]
