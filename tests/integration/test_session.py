"""Sessions: what they refuse, what they send, whose connections they use, and how they end."""

import asyncio
import gc
import math
import re
import socket
import sys
import time
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version

import aiohttp
import pytest

from piriod_async import (
    APIConnectionError,
    APITimeoutError,
    ConfigurationError,
    NotFoundError,
    PiriodSession,
    RetryPolicy,
)
from piriod_async.testing.mock_server import MockServer
from tests.support.tasks import until

pytestmark = pytest.mark.usefixtures("no_leaks")

VISIBLE = "expected text of visible ASCII characters, without spaces"
WHOLE = "expected a whole number, 1 or more"
ADDRESS = (
    "expected a URL such as 'https://api.piriod.com', https unless it is on this machine, "
    "without user, query or fragment"
)
ENVIRONMENT = ("PIRIOD_TOKEN", "PIRIOD_WORKSPACE", "PIRIOD_TEST_MODE", "PIRIOD_BASE_URL")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    names = [f"{scheme}_PROXY" for scheme in ("HTTP", "HTTPS", "ALL", "NO")]
    for name in [*ENVIRONMENT, *names, *map(str.lower, names)]:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


class Listening(MockServer):
    """Remembers the headers that came."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.headers = []

    async def _handle(self, request):
        self.headers.append(request.headers.copy())
        return await super()._handle(request)


@asynccontextmanager
async def nobody():
    """Yield the address of a port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *(
            ({"token": token}, f"token='********': {VISIBLE}")
            for token in ("", "a b", "a\n", "a\r\nX: y", "clave-ñ", "\x7f")
        ),
        *(({"token": token}, f"token='********': {VISIBLE}") for token in (None, b"bytes", 7)),
        *(({"workspace": name}, f"workspace={name!r}: {VISIBLE}") for name in ("", "a b", "acc_ñ", "acc\n", 7, b"acc")),
        *(({"test_mode": mode}, f"test_mode={mode!r}: expected True or False") for mode in (None, 1, "true")),
        *(({"concurrency": many}, f"concurrency={many!r}: {WHOLE}") for many in (0, -1, 1.0, "8", True, None)),
        *(({"max_page_bytes": many}, f"max_page_bytes={many!r}: {WHOLE}") for many in (0, 1.5, None, True)),
        *(
            ({"timeout": seconds}, f"timeout={seconds!r}: expected a number of seconds above 0")
            for seconds in (0, -1, math.inf, math.nan, "30", None, True)
        ),
        *(({"retry": retry}, f"retry={retry!r}: expected a RetryPolicy") for retry in (None, 3, RetryPolicy)),
        ({"client_session": "mine"}, "client_session='mine': expected an aiohttp.ClientSession"),
        (
            {"client_session": aiohttp.ClientSession},
            "client_session=<class 'aiohttp.client.ClientSession'>: expected an",
        ),
    ],
    ids=str,
)
def test_invalid_argument(options, message):
    """An invalid argument is an error that names it."""
    with pytest.raises(ConfigurationError) as caught:
        PiriodSession(**{"token": "token", **options})
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).startswith(message)
    assert caught.value.attempts == 0
    assert not caught.value.retryable


def test_missing_workspace():
    """A session needs no workspace until it lists one."""
    piriod = PiriodSession("token")
    with pytest.raises(ConfigurationError, match="workspace=None: expected a workspace id"):
        piriod.customers()
    with pytest.raises(ConfigurationError, match=re.escape(f"workspace='': {VISIBLE}")):
        piriod.customers(workspace="")
    assert piriod.customers(workspace="acc").workspace == "acc"


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://api.piriod.com", "https://api.piriod.com/customers/"),
        ("https://api.piriod.com/", "https://api.piriod.com/customers/"),
        ("HTTPS://API.PIRIOD.COM", "https://api.piriod.com/customers/"),
        ("https://api.piriod.com:8443", "https://api.piriod.com:8443/customers/"),
        ("https://proxy.example/piriod/v1", "https://proxy.example/piriod/v1/customers/"),
        ("https://proxy.example/piriod/v1/", "https://proxy.example/piriod/v1/customers/"),
        ("https://proxy.example/pi%20riod", "https://proxy.example/pi%20riod/customers/"),
        ("http://localhost:8000", "http://localhost:8000/customers/"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/customers/"),
        ("http://127.8.9.1", "http://127.8.9.1/customers/"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1/customers/"),
    ],
)
def test_base_url(base_url, url):
    """Safe base URLs are accepted."""
    assert str(PiriodSession("token", base_url=base_url)._transport.url) == url


@pytest.mark.parametrize(
    ("base_url", "shown"),
    [
        *((base_url, repr(base_url)) for base_url in ("", "api.piriod.com", "https://", "ftp://api.piriod.com", "//a")),
        *((base_url, repr(base_url)) for base_url in ("http://api.piriod.com", "http://10.0.0.1", "http://[::2]")),
        *((base_url, repr(base_url)) for base_url in ("http://localhost.example.com", "http://0.0.0.0")),
        *((base_url, repr(base_url)) for base_url in ("https://a.com?x=1", "https://a.com/#top", "https://[::1")),
        *((base_url, repr(base_url)) for base_url in ("https://a.com:port", None, 7, b"https://a.com")),
        ("https://user:hunter2@a.com", "'a.com'"),
        ("https://user@a.com/v1", "'a.com/v1'"),
        ("https://:@a.com", "'a.com'"),
        ("http://user:hunter2@localhost", "'localhost'"),
        ("https://user:hunter2@a.com:port", "'a.com:port'"),
        ("https://user:hunter2@[::1", "'[::1'"),
        ("https://user:hunter2@also@a.com", "'a.com'"),
    ],
)
def test_unsafe_base_url(base_url, shown):
    """A base URL that would expose the token is refused."""
    with pytest.raises(ConfigurationError) as caught:
        PiriodSession("token", base_url=base_url)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value) == f"base_url={shown}: {ADDRESS}"
    assert "hunter2" not in repr(caught.value)


def test_repr():
    """The repr shows server, workspace and mode, not the token."""
    assert repr(PiriodSession("token")) == "<PiriodSession https://api.piriod.com workspace=None>"
    piriod = PiriodSession("token", "acc", base_url="http://localhost:8000/v1", test_mode=True)
    assert repr(piriod) == "<PiriodSession http://localhost:8000/v1 workspace='acc', test_mode=True>"


def sent_by(piriod):
    """Return what a session would send, and where."""
    credentials = piriod._transport.auth_headers
    authorization, mode = str.__str__(credentials["Authorization"]), credentials["x-piriod-test-mode"]
    return authorization, piriod._workspace, mode, str(piriod._transport.url)


LIVE = "https://api.piriod.com/customers/"


@pytest.mark.parametrize(
    ("variables", "sent"),
    [
        ({}, ("Token token", None, "false", LIVE)),
        ({"WORKSPACE": "acc"}, ("Token token", "acc", "false", LIVE)),
        ({"WORKSPACE": "", "TEST_MODE": "", "BASE_URL": ""}, ("Token token", None, "false", LIVE)),
        (
            {"BASE_URL": "http://localhost:8000/v1"},
            ("Token token", None, "false", "http://localhost:8000/v1/customers/"),
        ),
        *(({"TEST_MODE": mode}, ("Token token", None, "true", LIVE)) for mode in ("true", "True", "1", "yes", "YES")),
        *(({"TEST_MODE": mode}, ("Token token", None, "false", LIVE)) for mode in ("false", "False", "0", "no")),
    ],
)
def test_from_env(environment, variables, sent):
    """`from_env` reads the environment variables."""
    for name, value in {"TOKEN": "token", **variables}.items():
        environment.setenv(f"PIRIOD_{name}", value)
    assert sent_by(PiriodSession.from_env()) == sent


def test_options_over_environment(environment):
    """Arguments take precedence over the environment."""
    values = ("token", "acc", "true", "http://localhost:8000")
    for name, value in zip(ENVIRONMENT, values, strict=True):
        environment.setenv(name, value)
    piriod = PiriodSession.from_env(test_mode=False, base_url="https://a.com", concurrency=3, timeout=5)
    assert sent_by(piriod) == ("Token token", "acc", "false", "https://a.com/customers/")
    assert (piriod._transport.concurrency, piriod._transport.timeout) == (3, 5)
    assert sent_by(PiriodSession.from_env("acc_2")) == (
        "Token token",
        "acc_2",
        "true",
        "http://localhost:8000/customers/",
    )


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "PIRIOD_TOKEN is not set"),
        ({"PIRIOD_TOKEN": ""}, "PIRIOD_TOKEN is not set"),
        ({"PIRIOD_TOKEN": "a b"}, f"token='********': {VISIBLE}"),
        ({"PIRIOD_TOKEN": "token", "PIRIOD_TEST_MODE": "maybe"}, "PIRIOD_TEST_MODE='maybe': expected true or false"),
        ({"PIRIOD_TOKEN": "token", "PIRIOD_WORKSPACE": "a b"}, "workspace='a b'"),
        ({"PIRIOD_TOKEN": "token", "PIRIOD_BASE_URL": "http://a.com"}, "base_url='http://a.com'"),
    ],
)
def test_invalid_environment(environment, variables, message):
    """An invalid environment variable is an error that names it."""
    for name, value in variables.items():
        environment.setenv(name, value)
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        PiriodSession.from_env()


@pytest.mark.parametrize("test_mode", [False, True])
async def test_headers(test_mode):
    """Each request has the headers of the API."""
    async with Listening(3) as server, server.session(test_mode=test_mode) as piriod:
        assert len(await piriod.customers().collect()) == (25 if test_mode else 3)
    (headers,) = server.headers
    assert dict(headers) == {
        "Host": server_host(piriod),
        "Accept": "application/json",
        "User-Agent": f"piriod-async/{version('piriod-async')} aiohttp/{aiohttp.__version__}",
        "Authorization": "Token mock-token",
        "x-piriod-test-mode": str(test_mode).lower(),
        "x-simple-workspace": "acc_mock",
        "Accept-Encoding": headers["Accept-Encoding"],
    }


def server_host(piriod):
    return piriod._transport.url.raw_authority


async def test_workspace_of_listing():
    """A listing may name another workspace."""
    async with MockServer({"acc_a": 3, "acc_b": 5}) as server, server.session() as piriod:
        assert await piriod.customers().count() == 3
        assert await piriod.customers(workspace="acc_b").count() == 5
        assert await piriod.customers().count() == 3
    assert [request.workspace for request in server.requests] == ["acc_a", "acc_b", "acc_a"]


async def test_cookies():
    """Cookies of responses are not sent back."""
    async with Listening(3) as server, server.session(retry=RetryPolicy(wait_initial=0)) as piriod:
        server.fail(status=500, headers={"Set-Cookie": "sid=1; Path=/"})
        await piriod.customers().collect()
    assert len(server.headers) == 2
    assert not [headers for headers in server.headers if "Cookie" in headers]


async def test_lazy():
    """A session connects with its first request."""
    async with Listening(3) as server:
        async with server.session() as piriod:
            listing = piriod.customers()
            aiter(listing)
            listing.pages()
            assert (piriod.stats.requests, listing.progress.requests, listing.checkpoint) == (0, 0, None)
            assert piriod._transport._loop_state is None
        assert server._runner.server.requests_count == 0


async def test_stats():
    """`stats` counts requests, retries and bytes."""
    async with MockServer(250) as server, server.session(retry=RetryPolicy(wait_initial=0)) as piriod:
        server.fail(status=500, page=2, times=2)
        pages = [page async for page in piriod.customers(ordering=None).pages()]
        stats = piriod.stats
        assert (stats.requests, stats.retries, stats.in_flight, stats.paused_until) == (5, 2, 0, None)
        assert stats.bytes_received == sum(len(page.raw) for page in pages)
        assert await piriod.customers().count() == 250
        assert piriod.stats.requests == 6


@asynccontextmanager
async def slow_server(*parts):
    """Serve an answer in parts, a tenth of a second apart, and then nothing more."""
    gone = asyncio.Event()

    async def connected(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        with suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await asyncio.sleep(0.1)
                await writer.drain()
            await reader.read()
        writer.close()
        gone.set()

    async with await asyncio.start_server(connected, "127.0.0.1") as server:
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            await gone.wait()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"


@pytest.mark.parametrize("parts", [[], [HEAD], [HEAD, *[b"{"] * 20]], ids=["no headers", "no body", "drop by drop"])
async def test_timeout(parts):
    """The timeout covers headers and body."""
    async with slow_server(*parts) as base_url:
        retry = RetryPolicy(attempts=1)
        async with PiriodSession("token", "acc", base_url=base_url, timeout=0.25, retry=retry) as piriod:
            with pytest.raises(
                APITimeoutError, match=r"GET /customers/ page 1.*: no complete response within 0\.25 s"
            ) as caught:
                await piriod.customers().collect()
            assert isinstance(caught.value.__cause__, TimeoutError)


async def test_timeout_without_queueing():
    """Waiting for a slot does not count as a timeout."""
    async with MockServer(3, latency=0.05) as server, server.session(concurrency=1, timeout=0.4) as piriod:
        assert await asyncio.gather(*(piriod.customers().count() for _ in range(12))) == [3] * 12
        assert piriod.stats.retries == 0


async def test_client_session():
    """A `client_session` is used with its own settings, and left open."""
    started = []

    async def on_request_start(_, __, params):
        started.append(params.url.path)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(on_request_start)
    headers = {"User-Agent": "crm/1.0", "X-Team": "billing", "Authorization": "Basic bWU6bWU=", "Accept": "text/html"}
    async with (
        Listening(3) as server,
        aiohttp.ClientSession(headers=headers, trace_configs=[trace], raise_for_status=True) as client,
    ):
        async with server.session(client_session=client) as piriod:
            assert len(await piriod.customers().collect()) == 3
        assert not client.closed
        async with server.session(client_session=client) as another:
            assert len(await another.customers().collect()) == 3
        async with client.get(server.url + "/customers/", headers={"Authorization": "Token x"}, raise_for_status=False):
            pass
    sent = server.headers[0]
    assert started == ["/customers/"] * 3
    assert (sent["User-Agent"], sent["X-Team"], sent["Accept"]) == ("crm/1.0", "billing", "text/html")
    assert sent.getall("Authorization") == ["Token mock-token"]


async def test_client_session_raises_for_status():
    """A `client_session` with raise_for_status gives the same errors."""
    async with MockServer(3) as server, aiohttp.ClientSession(raise_for_status=True) as client:
        piriod = server.session(client_session=client, retry=RetryPolicy(wait_initial=0))
        server.fail(status=500)
        assert await piriod.customers().count() == 3
        server.fail(status=404, body=b'{"detail": "No."}')
        with pytest.raises(NotFoundError, match="404 Not Found: No"):
            await piriod.customers().count()


async def test_client_session_proxy():
    """The proxy of a `client_session` is used."""
    async with (
        Listening(3) as proxy,
        nobody() as base_url,
        aiohttp.ClientSession(proxy=proxy.url) as client,
        proxy.session(client_session=client, base_url=base_url) as piriod,
    ):
        assert await piriod.customers().count() == 3
        assert proxy.headers[0]["Host"] == server_host(piriod)


def netrc(environment, tmp_path):
    file = tmp_path / "netrc"
    file.write_text("default login me password hunter2\n")
    file.chmod(0o600)
    environment.setenv("NETRC", str(file))


@pytest.mark.parametrize("source", ["auth", "netrc"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # aiohttp 4 will have no `auth`
async def test_client_session_auth(environment, tmp_path, source):
    """A `client_session` with its own credentials is an error that says so."""
    netrc(environment, tmp_path)
    options = {"auth": aiohttp.BasicAuth("me", "hunter2")} if source == "auth" else {"trust_env": True}
    async with (
        MockServer(3) as server,
        aiohttp.ClientSession(**options) as client,
        server.session(client_session=client) as piriod,
    ):
        with pytest.raises(
            ConfigurationError, match="client_session has its own auth=, or finds credentials in a netrc file"
        ) as caught:
            await piriod.customers().collect()
        assert caught.value.attempts == 1
        assert "hunter2" not in str(caught.value)
        assert server.requests == []


async def test_client_session_closed():
    """A closed `client_session` is an error that says so."""
    async with MockServer(3) as server:
        client = aiohttp.ClientSession()
        piriod = server.session(client_session=client)
        assert await piriod.customers().count() == 3
        await client.close()
        with pytest.raises(ConfigurationError, match="client_session is closed: keep it open"):
            await piriod.customers().count()


@pytest.mark.parametrize("ordering", [None, "created"])
@pytest.mark.parametrize("pending", [False, True])
async def test_client_session_closed_during_listing(clock, pending, ordering):
    """A `client_session` that its owner closes ends the listing with an error."""
    async with MockServer(1_000) as server:
        client = aiohttp.ClientSession()
        piriod = server.session(client_session=client, retry=clock.policy())
        server.fail(stall=True, page=3, times=None)
        customers = aiter(piriod.customers(ordering=ordering))
        await anext(customers)
        rest = asyncio.create_task(drain(customers))
        while pending and all(request.page != 3 for request in server.requests):  # noqa: ASYNC110
            await asyncio.sleep(0)
        await client.close()
        with pytest.raises((APIConnectionError, ConfigurationError), match=r"client_session (is|was) closed") as caught:
            await rest
        assert not caught.value.retryable
        assert piriod.stats.in_flight == 0


async def drain(customers):
    return [customer.id async for customer in customers]


@asynccontextmanager
async def proxy_server():
    """Yield the address of a proxy that opens no tunnel, and what it was asked."""
    asked = []

    async def connected(reader, writer):
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(connected, "127.0.0.1") as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


async def test_proxy(environment):
    """HTTPS_PROXY is used, with its credentials."""
    async with proxy_server() as (proxy, asked):
        environment.setenv("HTTPS_PROXY", f"http://me:hunter2@{proxy}")
        async with PiriodSession("secret-token", "acc", retry=RetryPolicy(attempts=1)) as piriod:
            with pytest.raises(APIConnectionError, match="ClientHttpProxyError 502 Bad Gateway") as caught:
                await piriod.customers().count()
        assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"
        assert asked[0].startswith("CONNECT api.piriod.com:443 HTTP/1.1\r\n")
        assert "Proxy-Authorization: Basic bWU6aHVudGVyMg==\r\n" in asked[0]
        assert "secret-token" not in "".join(asked)


@pytest.mark.parametrize(
    "variables", [{"HTTP_PROXY": "{}"}, {"HTTPS_PROXY": "{}", "HTTP_PROXY": "{}", "ALL_PROXY": "{}"}]
)
async def test_what_stays_on_this_machine_passes_no_proxy(environment, variables):
    """It goes in clear, and so would the token."""
    async with proxy_server() as (proxy, asked), MockServer(3) as server:
        for name, value in variables.items():
            environment.setenv(name, value.format(f"http://{proxy}"))
        async with server.session() as piriod:
            assert await piriod.customers().count() == 3
        assert asked == []


@pytest.mark.parametrize("address", ["proxy:3128", "http://me:hunter2@proxy:port"])
async def test_invalid_proxy(environment, address):
    """An invalid HTTPS_PROXY is an error that names it."""
    environment.setenv("HTTPS_PROXY", address)
    async with PiriodSession("token", "acc") as piriod:
        with pytest.raises(ConfigurationError, match=r"HTTPS_PROXY: expected a URL such as") as caught:
            await piriod.customers().count()
    assert "hunter2" not in repr(caught.value.__cause__)


async def test_no_proxy(environment):
    """NO_PROXY is respected."""
    async with proxy_server() as (proxy, asked), nobody() as base_url:
        environment.setenv("HTTPS_PROXY", f"http://{proxy}")
        environment.setenv("NO_PROXY", "127.0.0.1")
        https = base_url.replace("http", "https")
        async with PiriodSession("token", "acc", base_url=https, retry=RetryPolicy(attempts=1)) as piriod:
            with pytest.raises(APIConnectionError) as caught:
                await piriod.customers().count()
            assert isinstance(caught.value.__cause__, aiohttp.ClientConnectorError)
        assert asked == []


async def test_netrc(environment, tmp_path):
    """A netrc file is not read."""
    netrc(environment, tmp_path)
    async with Listening(3) as server, server.session() as piriod:
        assert await piriod.customers().count() == 3
    assert server.headers[0]["Authorization"] == "Token mock-token"


async def test_closed_twice():
    """A session can be closed twice, but not used again."""
    async with MockServer(3) as server, server.session() as piriod:
        listing = piriod.customers()
        assert await listing.count() == 3
        await piriod.close()
        await piriod.close()
        for use in (listing.count, listing.first, listing.collect, piriod.customers().count):
            with pytest.raises(APIConnectionError, match="the session is closed") as caught:
                await use()
            assert not caught.value.retryable
    assert len(server.requests) == 1


async def test_closed_unused():
    """A session that was never used can be closed."""
    piriod = PiriodSession("token", "acc")
    await piriod.close()
    await piriod.close()
    with pytest.raises(APIConnectionError, match="the session is closed"):
        await piriod.customers().count()


async def test_closed_on_error():
    """`async with` closes the session if its body raises."""
    async with MockServer(3) as server:
        with pytest.raises(ZeroDivisionError):
            async with server.session() as piriod:
                assert await piriod.customers().count() / 0
        with pytest.raises(APIConnectionError, match="the session is closed"):
            await piriod.customers().count()


@pytest.mark.parametrize("turns", range(8))
async def test_closed_concurrently(turns):
    """Two tasks can close a session at once."""
    async with MockServer(3, latency=10) as server:
        piriod = server.session()
        task = asyncio.create_task(piriod.customers().collect())
        while not piriod.stats.requests:  # noqa: ASYNC110
            await asyncio.sleep(0)
        first = asyncio.create_task(piriod.close())
        for _ in range(turns):
            await asyncio.sleep(0)
        await piriod.close()
        await first
        with pytest.raises(APIConnectionError, match="closed while a request was pending"):
            await task


@pytest.mark.parametrize("ordering", [None, "created", "-created"])
async def test_closed_during_listing(ordering):
    """Closing a session ends its listings with an error."""
    async with MockServer(1_000) as server:
        piriod = server.session()
        customers = aiter(piriod.customers(ordering=ordering))
        ids = [(await anext(customers)).id for _ in range(150)]
        await piriod.close()
        with pytest.raises(APIConnectionError, match=r"the session (is|was) closed"):
            ids += [customer.id async for customer in customers]
        assert len(ids) == len(set(ids)) < 1_000
        assert piriod._transport._loop_state.sender.client_session.closed
        assert piriod.stats.in_flight == 0
        async with asyncio.timeout(5):
            while server._runner.server.connections:  # noqa: ASYNC110
                await asyncio.sleep(0)


async def never(_):
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("where", "faults"),
    [
        ("an answer", {"stall": True}),
        ("another try", {"status": 500}),
        ("the pause to end", {"status": 429, "retry_after": 60}),
    ],
)
@pytest.mark.parametrize("borrowed", [False, True])
async def test_closed_while_it_waits_for(where, faults, borrowed):
    """Three listings, one request pending and two queued, each end with our error."""
    async with MockServer(3) as server, aiohttp.ClientSession() as client:
        retry = RetryPolicy(wait_initial=10, sleep=never)
        piriod = server.session(concurrency=1, retry=retry, client_session=client if borrowed else None)
        server.fail(**faults, times=None)
        tasks = [asyncio.create_task(piriod.customers().collect()) for _ in range(3)]
        while not server.requests:  # noqa: ASYNC110
            await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)
        assert not any(task.done() for task in tasks), where
        await piriod.close()
        assert (piriod.stats.in_flight, len(piriod._transport._loop_state.pending)) == (0, 0)
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        assert [(type(error), str(error)) for error in errors] == [
            (APIConnectionError, "the session was closed while a request was pending (workspace acc_mock)")
        ] * 3


async def test_used_after_cancellation():
    """After a cancelled listing, the session can be used."""
    async with MockServer(300, latency=10) as server, server.session() as piriod:
        task = asyncio.create_task(piriod.customers().collect())
        while not piriod.stats.in_flight:  # noqa: ASYNC110
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (piriod.stats.in_flight, len(piriod._transport._loop_state.pending)) == (0, 0)
        server._latency = 0, 0
        assert len(await piriod.customers().collect()) == 300


@pytest.mark.parametrize("many", [False, True])
async def test_a_deadline_in_the_very_turn_of_an_attempts_timeout(many):
    """aiohttp's own timeout would take the caller's cancellation for itself, and the request would be tried again."""
    async with MockServer(300, latency=60) as server, server.session(timeout=0.1) as piriod:
        listing = piriod.across(["acc_mock"]) if many else piriod.customers()
        asyncio.get_running_loop().call_later(0.09, time.sleep, 0.05)  # when it is over, both are due
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await listing.collect()
        assert (piriod.stats.requests, piriod.stats.in_flight, len(piriod._transport._loop_state.pending)) == (1, 0, 0)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


async def read(piriod, **options):
    async with MockServer(250, port=piriod._transport.url.port, **options):
        return len(await piriod.customers().collect())


def test_second_loop():
    """A session reopens its connections on the next event loop, and closes those of the last one."""
    piriod = PiriodSession("mock-token", "acc_mock", base_url=f"http://127.0.0.1:{free_port()}")
    client_sessions = []
    for _ in range(3):
        assert asyncio.run(read(piriod)) == 250
        client_sessions.append(piriod._transport._loop_state.sender.client_session)
    asyncio.run(piriod.close())
    assert len(set(client_sessions)) == 3
    assert all(each.closed for each in client_sessions)


def test_loop_ends_while_listing():
    """A listing that its event loop did not finish does not disturb the next loop."""
    piriod = PiriodSession("mock-token", "acc_mock", base_url=f"http://127.0.0.1:{free_port()}", concurrency=2)

    async def leave():
        async with MockServer(250, port=piriod._transport.url.port, latency=0.01):
            asyncio.create_task(piriod.customers().collect())  # noqa: RUF006 (it is to be lost)
            await until(lambda: piriod.stats.requests >= 3)

    asyncio.run(leave())
    assert asyncio.run(read(piriod)) == 250
    assert piriod.stats.in_flight == 0
    asyncio.run(piriod.close())


def test_two_running_loops():
    """A session in use on one event loop is refused on another."""
    piriod = PiriodSession("mock-token", "acc_mock", base_url=f"http://127.0.0.1:{free_port()}")

    async def use():
        assert await read(piriod) == 250
        with pytest.raises(ConfigurationError, match="in use on another event loop"):
            await asyncio.to_thread(asyncio.run, piriod.customers().count())
        await piriod.close()

    asyncio.run(use())


def test_client_session_other_loop():
    """A `client_session` of another event loop is refused."""

    async def make():
        client = aiohttp.ClientSession()
        return client, PiriodSession("t", "acc", base_url=f"http://127.0.0.1:{free_port()}", client_session=client)

    async def use(client, piriod):
        with pytest.raises(ConfigurationError, match="client_session belongs to another event loop"):
            await piriod.customers().count()
        await piriod.close()
        assert not client.closed
        await client.close()

    asyncio.run(use(*asyncio.run(make())))


def test_client_session_two_loops():
    """A `client_session` works on its own event loop, before and after another one."""

    async def make():
        client = aiohttp.ClientSession()
        piriod = PiriodSession(
            "mock-token", "acc_mock", base_url=f"http://127.0.0.1:{free_port()}", client_session=client
        )
        assert await read(piriod) == 250
        return client, piriod

    async def use(client, piriod):
        with pytest.raises(ConfigurationError, match="client_session belongs to another event loop"):
            await piriod.customers().count()
        await client.close()

    with asyncio.Runner() as first:
        client, piriod = first.run(make())
        asyncio.run(use(client, piriod))


def test_async_with_is_silent(caplog):
    """`async with` inside the event loop leaves nothing for aiohttp or asyncio to complain of."""

    async def use():
        async with PiriodSession("mock-token", "acc_mock", base_url=f"http://127.0.0.1:{free_port()}") as piriod:
            await read(piriod)
            return piriod._transport._loop_state.sender.client_session

    client_session = asyncio.run(use())
    assert client_session.closed
    del client_session
    gc.collect()
    assert not caplog.records


async def run(script, server, *options):
    """Run a script in a process of its own, and return what it says on standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *options, "-c", script, server.url, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


DROPPED = """
import asyncio, gc, sys
from piriod_async import PiriodSession

async def use():
    piriod = PiriodSession("mock-token", "acc_mock", base_url=sys.argv[1])
    await piriod.customers().count()
    del piriod
    gc.collect()

asyncio.run(use())
"""


async def test_dropped_session():
    """aiohttp warns of a session that was never closed."""
    async with MockServer(3) as server:
        said = await run(DROPPED, server, "-W", "always")
    assert "ResourceWarning: Unclosed client session <aiohttp" in said
    assert "piriod" not in said


FORKED = """
import asyncio, os, sys
from piriod_async import PiriodSession

piriod = PiriodSession("mock-token", "acc_mock", base_url=sys.argv[1])

async def read():
    return len(await piriod.customers().collect())

assert asyncio.run(read()) == 250
child = os.fork()
assert asyncio.run(read()) == 250
if child:
    assert os.waitpid(child, 0)[1] == 0
asyncio.run(piriod.close())
"""


async def test_fork():
    """A session created before a fork works in both processes."""
    async with MockServer(250) as server:
        assert await run(FORKED, server) == ""
        assert len(server.requests) == 3 * 4


@pytest.mark.parametrize(
    ("pool", "room"), [({"limit": 3}, 3), ({"limit_per_host": 2}, 2), ({"limit": 0}, 8), ({"limit": 100}, 8)]
)
async def test_no_more_pending_than_a_borrowed_session_has_connections(pool, room):
    """Those that wait for a connection would eat their timeout."""
    pending = []

    async def note(*_):
        pending.append(piriod.stats.in_flight)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(note)
    async with (
        MockServer(3_000, latency=0.005) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(**pool), trace_configs=[trace]) as client,
        server.session(client_session=client) as piriod,
    ):
        await piriod.customers().collect()
    assert max(pending) == room
