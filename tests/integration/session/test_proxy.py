"""Proxies and passwords of the environment, in sessions that open their own connections."""

import asyncio
from contextlib import asynccontextmanager

import aiohttp
import pytest

from piriod_async import APIConnectionError, ConfigurationError, PiriodSession, RetryPolicy, UnexpectedStatusError
from piriod_async.testing import MockServer
from tests.integration.session.servers import HeaderRecorder, unreachable_url

pytestmark = pytest.mark.usefixtures("no_leaks")


@asynccontextmanager
async def proxy_server(status="502 Bad Gateway"):
    """Yield the address of a proxy that refuses every tunnel, and the requests that it receives."""
    requests = []

    async def connected(reader, writer):
        requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(connected, "127.0.0.1") as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", requests


async def test_https(monkeypatch):
    """Requests go through `HTTPS_PROXY`, which receives its password and not our token."""
    async with proxy_server() as (proxy, requests):
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:hunter2@{proxy}")
        async with PiriodSession("secret-token", "acc", retry=RetryPolicy(attempts=1)) as piriod:
            with pytest.raises(APIConnectionError, match="ClientHttpProxyError 502 Bad Gateway") as caught:
                await piriod.customers().count()
        assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"
        assert requests[0].startswith("CONNECT api.piriod.com:443 HTTP/1.1\r\n")
        assert "Proxy-Authorization: Basic bWU6aHVudGVyMg==\r\n" in requests[0]
        assert "secret-token" not in "".join(requests)


@pytest.mark.parametrize(
    ("status", "attempts"),
    [
        ("407 Proxy Authentication Required", 1),
        ("403 Forbidden", 1),
        ("404 Not Found", 1),
        ("502 Bad Gateway", 3),
        ("429 Too Many Requests", 3),
    ],
)
@pytest.mark.parametrize("owns_session", [True, False])
async def test_refused_tunnel(clock, monkeypatch, status, attempts, owns_session):
    """A proxy that refuses is asked again only if that may help: repeated wrong passwords lock accounts."""
    async with proxy_server(status) as (proxy, requests):
        url = f"http://me:hunter2@{proxy}"
        if owns_session:
            monkeypatch.setenv("HTTPS_PROXY", url)
        async with aiohttp.ClientSession(proxy=url) as client:
            options = {} if owns_session else {"client_session": client}
            async with PiriodSession("token", "acc", retry=clock.policy(attempts=3), **options) as piriod:
                with pytest.raises(APIConnectionError) as caught:
                    await piriod.customers().collect()
        assert f"the proxy http://{proxy} refused the tunnel: ClientHttpProxyError {status}" in str(caught.value)
        assert "hunter2" not in str(caught.value)
        assert (caught.value.attempts, caught.value.retryable) == (attempts, attempts > 1)
        assert len(requests) == attempts


async def test_unauthenticated(clock):
    """A 407 without a tunnel names the proxy too, and is final."""
    async with (
        HeaderRecorder(3) as proxy,
        unreachable_url() as base_url,
        aiohttp.ClientSession(proxy=proxy.url.replace("//", "//me:hunter2@")) as client,
        proxy.session(client_session=client, base_url=base_url, retry=clock.policy()) as piriod,
    ):
        proxy.fail(status=407, times=None)
        with pytest.raises(UnexpectedStatusError) as caught:
            await piriod.customers().collect()
        assert f"through the proxy {proxy.url}: 407 Proxy Authentication Required" in str(caught.value)
        assert "hunter2" not in str(caught.value)
        assert len(proxy.requests) == caught.value.attempts == 1


@pytest.mark.parametrize("names", [("HTTP_PROXY",), ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")], ids=len)
async def test_http(monkeypatch, names):
    """Plain HTTP to this machine uses no proxy, which could read the token."""
    async with proxy_server() as (proxy, requests), MockServer(3) as server:
        for name in names:
            monkeypatch.setenv(name, f"http://{proxy}")
        async with server.session() as piriod:
            assert await piriod.customers().count() == 3
        assert requests == []


@pytest.mark.parametrize("address", ["proxy:3128", "http://me:hunter2@proxy:port"])
async def test_invalid(monkeypatch, address):
    """`HTTPS_PROXY` that is not a URL is a `ConfigurationError`, which does not show its password."""
    monkeypatch.setenv("HTTPS_PROXY", address)
    async with PiriodSession("token", "acc") as piriod:
        with pytest.raises(ConfigurationError, match=r"HTTPS_PROXY: expected a URL such as") as caught:
            await piriod.customers().count()
    assert "hunter2" not in repr(caught.value.__cause__)


async def test_no_proxy(monkeypatch):
    """Hosts in `NO_PROXY` are reached directly."""
    async with proxy_server() as (proxy, requests), unreachable_url() as base_url:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        https = base_url.replace("http", "https")
        async with PiriodSession("token", "acc", base_url=https, retry=RetryPolicy(attempts=1)) as piriod:
            with pytest.raises(APIConnectionError) as caught:
                await piriod.customers().count()
            assert isinstance(caught.value.__cause__, aiohttp.ClientConnectorError)
        assert requests == []


@pytest.mark.usefixtures("netrc")
async def test_netrc():
    """The passwords of a netrc file are not used."""
    async with HeaderRecorder(3) as server, server.session() as piriod:
        assert await piriod.customers().count() == 3
    assert server.headers[0]["Authorization"] == "Token mock-token"
