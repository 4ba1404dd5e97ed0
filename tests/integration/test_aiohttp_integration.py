"""In aiohttp applications, on real ports; among them the README's."""

import asyncio
import json
import re
import socket
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from piriod_async import PIRIOD, APIConnectionError, ConfigurationError, PiriodSession, piriod_context
from piriod_async.testing.mock_server import MockServer
from tests.support.tasks import pending_tasks
from tests.test_readme import EXAMPLES

pytestmark = pytest.mark.usefixtures("no_leaks")

OTHER = web.AppKey("other", PiriodSession)


@asynccontextmanager
async def served(app):
    runner = web.AppRunner(app)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)  # what a slow reader leaves is soon too much
    await web.SockSite(runner, listener).start()
    try:
        yield "http://{}:{}".format(*runner.addresses[0])
    finally:
        await runner.cleanup()


async def test_in_an_application():
    async def ids(request):
        piriod = request.app[{"/a": PIRIOD, "/b": OTHER}[request.path]]
        return web.json_response([customer.id async for customer in piriod.customers()])

    async with MockServer({"acc_a": 150, "acc_b": 5}) as sandbox, aiohttp.ClientSession() as browser:
        app = web.Application()
        app.add_routes([web.get("/a", ids), web.get("/b", ids)])
        app.cleanup_ctx.append(piriod_context(sandbox.token, "acc_a", base_url=sandbox.url))
        app.cleanup_ctx.append(piriod_context(token=sandbox.token, workspace="acc_b", base_url=sandbox.url, key=OTHER))
        async with served(app) as url:
            assert sandbox.requests == []
            for path, workspace in (("/a", "acc_a"), ("/b", "acc_b"), ("/a", "acc_a")):
                async with browser.get(url + path) as response:
                    assert await response.json() == [customer["id"] for customer in sandbox.customers(workspace)]
            assert app[PIRIOD] is not app[OTHER]
        for key in (PIRIOD, OTHER):
            with pytest.raises(APIConnectionError, match="the session is closed"):
                await app[key].customers().count()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"token": "a b"}, "token='********'"),
        ({"token": ""}, "token='********'"),
        ({"token": 7}, "token='********'"),
        ({"token": None}, "PIRIOD_TOKEN is not set"),
        ({}, "PIRIOD_TOKEN is not set"),
        ({"token": "token", "workspace": ""}, "workspace=''"),
        ({"token": "token", "base_url": "http://a.com"}, "base_url="),
        ({"token": "token", "concurrency": 0}, "concurrency=0"),
    ],
)
def test_an_application_hears_of_a_bad_value_before_it_starts(options, message):
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        piriod_context(**options)


# --- the README's ---


@asynccontextmanager
async def readme(sandbox, monkeypatch):
    """Serve the README's application, reading a sandbox."""
    for name, value in (("TOKEN", sandbox.token), ("WORKSPACE", sandbox.workspace), ("BASE_URL", sandbox.url)):
        monkeypatch.setenv(f"PIRIOD_{name}", value)
    [example] = [example for example in EXAMPLES if "web.Application()" in example]
    names = {}
    exec(example, names)
    async with served(names["app"]) as url:
        yield url, names["app"][PIRIOD]


async def test_it_finds_a_customer_by_tax_id(monkeypatch):
    async with MockServer(300) as sandbox, readme(sandbox, monkeypatch) as (url, _), aiohttp.ClientSession() as browser:
        wanted = sandbox.customers()[200]
        async with browser.get(f"{url}/customers/{wanted['tax_id']}") as response:
            assert await response.json() == {"id": wanted["id"], "name": wanted["name"]}
        async with browser.get(f"{url}/customers/1-9") as response:
            assert response.status == 404
        assert len(sandbox.requests) == 2


async def test_it_streams_customers(monkeypatch):
    async with MockServer(300) as sandbox, readme(sandbox, monkeypatch) as (url, _), aiohttp.ClientSession() as browser:
        async with browser.get(f"{url}/customers") as response:
            assert response.content_type == "application/x-ndjson"
            came = [json.loads(line)["id"] async for line in response.content]
        assert came == [customer["id"] for customer in sandbox.customers()]


async def test_a_stream_that_fails_half_way_does_not_look_whole(monkeypatch):
    async with (
        MockServer(3_000) as sandbox,
        readme(sandbox, monkeypatch) as (url, _),
        aiohttp.ClientSession() as browser,
    ):
        sandbox.fail(status=403, page=7)
        async with browser.get(f"{url}/customers") as response:
            assert response.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()


class SlowReader:
    """A client that asks and then reads only when told to."""

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


async def stillness(piriod):
    """Wait until the crawl waits for its reader."""
    before = None
    while piriod.stats.in_flight or before != piriod.stats.requests:
        before = piriod.stats.requests
        for _ in range(1_000):
            await asyncio.sleep(0)


async def test_a_slow_reader_slows_the_crawl_and_gets_all(monkeypatch):
    async with MockServer(4_000) as sandbox, readme(sandbox, monkeypatch) as (url, piriod), SlowReader(url) as reader:
        await stillness(piriod)
        assert 5 < len(sandbox.requests) < 38
        body = await reader.read()
        assert body.count(b"\n{") == 4_000
        assert len(sandbox.requests) > 40


async def test_a_reader_that_hangs_up_ends_the_crawl(monkeypatch):
    async with MockServer(4_000) as sandbox, readme(sandbox, monkeypatch) as (url, piriod):
        async with SlowReader(url):
            await stillness(piriod)
        async with asyncio.timeout(30):
            while pending_tasks():  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert piriod.stats.in_flight == 0
        assert len(sandbox.requests) < 38


async def test_cleaning_up_ends_the_crawls_under_way():
    async with MockServer(300, latency=30) as sandbox:
        app = web.Application()
        app.cleanup_ctx.append(piriod_context(sandbox.token, sandbox.workspace, base_url=sandbox.url))
        async with served(app):
            assert sandbox.requests == []
            crawl = asyncio.create_task(app[PIRIOD].customers().collect())
            while not app[PIRIOD].stats.in_flight:  # noqa: ASYNC110
                await asyncio.sleep(0)
        with pytest.raises(APIConnectionError, match="the session was closed"):
            await crawl
