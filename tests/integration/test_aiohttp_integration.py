"""aiohttp applications on real sockets, the README's among them."""

import asyncio
import json
import re
import socket
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from piriod_async import PIRIOD, APIConnectionError, ConfigurationError, PiriodSession, piriod_context
from piriod_async.testing import MockServer
from tests.support.web_app import serve
from tests.test_readme import APPLICATION

pytestmark = pytest.mark.usefixtures("no_leaks")

OTHER = web.AppKey("other", PiriodSession)


@asynccontextmanager
async def serve_readme(server, monkeypatch):
    """Serve the README's application in front of a mock server; yield its URL and its session."""
    for name, value in (("TOKEN", server.token), ("WORKSPACE", server.workspace), ("BASE_URL", server.url)):
        monkeypatch.setenv(f"PIRIOD_{name}", value)
    names = {}
    exec(APPLICATION, names)
    async with serve(names["app"]) as url:
        yield url, names["app"][PIRIOD]


class SlowClient:
    """An HTTP client that reads one byte of the response, and the rest on request."""

    def __init__(self, url):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        self.address = re.search(r"//(.+):(\d+)", url).groups()

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self.socket.setblocking(False)
        await loop.sock_connect(self.socket, (self.address[0], int(self.address[1])))
        await loop.sock_sendall(self.socket, b"GET /customers HTTP/1.0\r\n\r\n")
        await loop.sock_recv(self.socket, 1)
        return self

    async def __aexit__(self, *_):
        self.socket.close()

    async def read(self):
        body = b""
        while chunk := await asyncio.get_running_loop().sock_recv(self.socket, 1 << 20):
            body += chunk
        return body


def prefetch_tasks():
    """Return the tasks of listings that are pending."""
    return [task for task in asyncio.all_tasks() if "pagination" in task.get_coro().cr_code.co_filename]


async def wait_until_idle(piriod):
    """Wait until the listing sends no more requests, because nobody reads it."""
    before = None
    while piriod.stats.in_flight or before != piriod.stats.requests:
        before = piriod.stats.requests
        for _ in range(1_000):
            await asyncio.sleep(0)


async def test_sessions_by_key():
    """Handlers find each session under its key; start-up sends nothing, and clean-up closes the sessions."""

    async def list_ids(request):
        piriod = request.app[{"/a": PIRIOD, "/b": OTHER}[request.path]]
        return web.json_response([customer.id async for customer in piriod.customers()])

    async with MockServer({"acc_a": 150, "acc_b": 5}) as server, aiohttp.ClientSession() as client:
        app = web.Application()
        app.add_routes([web.get("/a", list_ids), web.get("/b", list_ids)])
        app.cleanup_ctx.append(piriod_context(server.token, "acc_a", base_url=server.url))
        app.cleanup_ctx.append(piriod_context(token=server.token, workspace="acc_b", base_url=server.url, key=OTHER))
        async with serve(app) as url:
            assert server.requests == []
            for path, workspace in (("/a", "acc_a"), ("/b", "acc_b"), ("/a", "acc_a")):
                async with client.get(url + path) as response:
                    assert await response.json() == [customer["id"] for customer in server.customers(workspace)]
            assert app[PIRIOD] is not app[OTHER]
        for key in (PIRIOD, OTHER):
            with pytest.raises(APIConnectionError, match="the session is closed"):
                await app[key].customers().count()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"token": "a b"}, "token='********'"),
        ({"token": ""}, "token=''"),
        ({"token": 7}, "token=a value of type int: expected"),
        ({"token": None}, "PIRIOD_TOKEN is not set"),
        ({}, "PIRIOD_TOKEN is not set"),
        ({"token": "token", "workspace": ""}, "workspace=''"),
        ({"token": "token", "base_url": "http://a.com"}, "base_url="),
        ({"token": "token", "concurrency": 0}, "concurrency=0"),
    ],
)
def test_invalid_option(options, message):
    """An invalid value is an error when the application is set up, before it starts."""
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        piriod_context(**options)


async def test_readme_streams_customers(monkeypatch):
    """The README's handler streams every customer as a JSON line."""
    async with (
        MockServer(300) as server,
        serve_readme(server, monkeypatch) as (url, _),
        aiohttp.ClientSession() as client,
        client.get(f"{url}/customers") as response,
    ):
        assert response.content_type == "application/x-ndjson"
        received = [json.loads(line)["id"] async for line in response.content]
        assert received == [customer["id"] for customer in server.customers()]


async def test_readme_finds_a_customer(monkeypatch):
    """The README's handler sends the one customer with a tax id, or null; a blank one is a 400 that names it."""
    async with (
        MockServer(300) as server,
        serve_readme(server, monkeypatch) as (url, piriod),
        aiohttp.ClientSession() as client,
    ):
        customer = await piriod.customers().first()
        for tax_id, found in ((customer.tax_id, customer.to_dict()), ("no such", None)):
            async with client.get(f"{url}/find", params={"tax_id": tax_id}) as response:
                assert (response.status, await response.json()) == (200, found)
        assert len(server.requests) == 3
        async with client.get(f"{url}/find") as response:
            assert response.status == 400
            assert "tax_id=''" in (await response.json())["message"]
        assert len(server.requests) == 3


async def test_readme_reports_health(monkeypatch):
    """The README's health check answers 200, 503 with `Retry-After` if the API throttles, and 502, at once."""
    async with (
        MockServer(300) as server,
        serve_readme(server, monkeypatch) as (url, _),
        aiohttp.ClientSession() as client,
    ):
        async with client.get(f"{url}/healthz") as response:
            assert (response.status, (await response.json())["customers"]) == (200, 300)
        for status, retry_after, expected in ((403, None, (502, None)), (429, 200, (503, "200"))):
            server.fail(status=status, retry_after=retry_after)
            async with client.get(f"{url}/healthz") as response:
                assert (response.status, response.headers.get("Retry-After")) == expected
        assert len(server.requests) == 3


async def test_readme_refuses_before_the_first_customer(monkeypatch):
    """A listing that fails at once has the status of its error, and not a broken response."""
    async with (
        MockServer(300) as server,
        serve_readme(server, monkeypatch) as (url, _),
        aiohttp.ClientSession() as client,
    ):
        server.fail(status=403)
        async with client.get(f"{url}/customers") as response:
            assert response.status == 502
        async with client.get(f"{url}/customers", params={"country": " "}) as response:
            assert response.status == 400


async def test_error_while_streaming(monkeypatch):
    """A listing that fails after the headers were sent breaks the response, which then cannot look complete."""
    async with (
        MockServer(3_000) as server,
        serve_readme(server, monkeypatch) as (url, _),
        aiohttp.ClientSession() as client,
    ):
        server.fail(status=403, page=7)
        async with client.get(f"{url}/customers") as response:
            assert response.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()


async def test_slow_client(monkeypatch):
    """A slow client applies back-pressure to the listing, and still receives every customer."""
    async with (
        MockServer(4_000) as server,
        serve_readme(server, monkeypatch) as (url, piriod),
        SlowClient(url) as client,
    ):
        await wait_until_idle(piriod)
        assert 5 < len(server.requests) < 38
        body = await client.read()
        assert body.count(b"\n{") == 4_000
        assert len(server.requests) > 40


async def test_client_disconnect(monkeypatch, caplog):
    """A client that disconnects cancels the listing, without an error in the log."""
    async with MockServer(4_000) as server, serve_readme(server, monkeypatch) as (url, piriod):
        async with SlowClient(url):
            await wait_until_idle(piriod)
        async with asyncio.timeout(30):
            while prefetch_tasks():  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert piriod.stats.in_flight == 0
        assert len(server.requests) < 38
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_clean_up_cancels_listings():
    """Cleaning up the application ends its pending listings with an error."""
    async with MockServer(300, latency=30) as server:
        app = web.Application()
        app.cleanup_ctx.append(piriod_context(server.token, server.workspace, base_url=server.url))
        async with serve(app):
            assert server.requests == []
            listing = asyncio.create_task(app[PIRIOD].customers().collect())
            while not app[PIRIOD].stats.in_flight:  # noqa: ASYNC110
                await asyncio.sleep(0)
        with pytest.raises(APIConnectionError, match="the session was closed"):
            await listing
