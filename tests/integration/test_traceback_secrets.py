"""Tracebacks with local variables show neither the token nor the login of a proxy, whatever fails."""

import asyncio
import socket
import struct
from base64 import b64encode
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest

from piriod_async import (
    APIConnectionError,
    APITimeoutError,
    ConfigurationError,
    PiriodSession,
    RetryPolicy,
    piriod_context,
)
from piriod_async.testing.mock_server import MockServer
from piriod_async.transport.auth import Secret, SecretStr
from tests.support.reports import chain_of, report_of, without_callers
from tests.support.tasks import settle, until

pytestmark = pytest.mark.usefixtures("no_leaks")

TOKEN = "tk_" + "0123456789abcdef" * 6
PART = TOKEN[3:19]
LOGIN = "me:hunter2hunter2"
BASIC = b64encode(LOGIN.encode()).decode()
ONCE = RetryPolicy(attempts=1)


def check_report(error):
    """Check that an error shows no secret, apart from the test's own variables."""
    report = report_of(without_callers(error))
    for secret in (PART, "hunter2", BASIC[:10]):
        assert secret not in report


async def failure_of(piriod, kind=APIConnectionError):
    """Return the error of a listing."""
    with pytest.raises(kind) as caught:
        await piriod.customers().collect()
    return caught.value


def test_detection():
    """A report shows text in local variables, also the beginning of a long one, but no secret."""

    def leak(token):
        raise ValueError(type(token))

    for token, is_shown in ((TOKEN, True), ({"a": [TOKEN]}, True), (SecretStr(TOKEN), False), (Secret(TOKEN), False)):
        with pytest.raises(ValueError, match="class") as caught:
            leak(token)
        assert (PART in report_of(caught.value)) is is_shown


@asynccontextmanager
async def resetting_server():
    """Yield the URL of a server that resets each connection at once, and the number of resets."""
    resets = []

    async def connected(_, writer):
        linger = struct.pack("ii", 1, 0)  # close with a reset
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
        resets.append(writer)

    async with await asyncio.start_server(connected, "127.0.0.1") as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", resets


async def test_connection_lost_while_writing():
    """A request that cannot be written has a cause whose frames do not show it."""
    async with resetting_server() as (url, resets):

        async def wait_for_reset(*_):
            await until(lambda: resets)
            await settle()

        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(wait_for_reset)
        async with aiohttp.ClientSession(trace_configs=[trace]) as client:
            options = {"client_session": client, "base_url": url, "retry": ONCE}
            error = await failure_of(PiriodSession(TOKEN, "acc", **options))
        assert len(resets) == error.attempts == 1
    assert isinstance(error.__cause__, aiohttp.ClientError)
    assert all(each.__traceback__ is None for each in chain_of(error.__cause__))
    check_report(error)


@asynccontextmanager
async def proxy_server(response):
    """Yield the address of a proxy that sends these bytes to every request; if None, it never responds."""

    open_connections = []

    async def connected(reader, writer):
        open_connections.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        if response is not None:
            writer.write(response)
        else:
            await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        open_connections.remove(writer)

    async with await asyncio.start_server(connected, "127.0.0.1") as server:
        yield f"http://{LOGIN}@127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await until(lambda: not open_connections)
        await settle()


@pytest.mark.parametrize("owns_session", [True, False])
@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", APIConnectionError),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", APIConnectionError),
        (f"HTTP/1.1 502 Proxy-Authorization: Basic {BASIC}\r\nX-Echo: {BASIC}\r\n\r\n".encode(), APIConnectionError),
        (f"Proxy-Authorization: Basic {BASIC}\r\n\r\n".encode(), APIConnectionError),
        (b"", APIConnectionError),
        (None, APITimeoutError),
    ],
    ids=["407", "502", "echo", "not_http", "closed", "stalled"],
)
async def test_proxy(monkeypatch, response, kind, owns_session):
    """A failure of a proxy does not show its login."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with proxy_server(response) as url:
        if owns_session:
            monkeypatch.setenv("HTTPS_PROXY", url)
        async with aiohttp.ClientSession(proxy=url) as client:
            options = {"timeout": 0.1} if response is None else {}
            options |= {} if owns_session else {"client_session": client}
            async with PiriodSession(TOKEN, "acc", base_url="https://a.invalid", retry=ONCE, **options) as piriod:
                error = await failure_of(piriod, kind)
    assert error.attempts == 1
    if owns_session or response is None or BASIC.encode() not in response:
        check_report(error)  # only the login of our own proxy is known


async def test_proxy_unreachable(monkeypatch):
    """Nor does a proxy that refuses the connection."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://{LOGIN}@127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with PiriodSession(TOKEN, "acc", base_url="https://a.invalid", retry=ONCE) as piriod:
        error = await failure_of(piriod)
    assert isinstance(error.__cause__, aiohttp.ClientProxyConnectionError)
    check_report(error)


@pytest.mark.parametrize("through_proxy", [True, False])
async def test_cancelled(monkeypatch, through_proxy):
    """A cancellation passes through aiohttp, and leaves none of its local variables."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with proxy_server(None) as url, MockServer(3) as server:
        server.fail(stall=True, times=None)
        if through_proxy:
            monkeypatch.setenv("HTTPS_PROXY", url)
        base_url = "https://a.invalid" if through_proxy else server.url
        async with PiriodSession(TOKEN, "acc_mock", base_url=base_url) as piriod:
            task = asyncio.create_task(piriod.customers().collect())
            await until(lambda: piriod.stats.in_flight)
            await settle()
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
    check_report(caught.value)


async def test_bug_in_a_hook():
    """An error of the caller's own trace keeps its frames, and those of aiohttp lose their local variables."""

    async def buggy(*_):
        raise LookupError("a bug")

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(buggy)
    async with MockServer(3, token=TOKEN) as server, aiohttp.ClientSession(trace_configs=[trace]) as client:
        piriod = PiriodSession(TOKEN, server.workspace, base_url=server.url, client_session=client)
        error = await failure_of(piriod, LookupError)
    assert "in buggy" in report_of(error)
    assert "aiohttp" in report_of(error)
    check_report(error)


@pytest.mark.parametrize("address", [f"http://{LOGIN}@proxy:port", f"{LOGIN}@proxy:3128", f"http://{LOGIN}@[::1"])
async def test_malformed_proxy(monkeypatch, address):
    """A malformed `HTTPS_PROXY` is not shown."""
    monkeypatch.setenv("HTTPS_PROXY", address)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with PiriodSession(TOKEN, "acc", retry=ONCE) as piriod:
        check_report(await failure_of(piriod, ConfigurationError))


BASE_URLS = [f"https://{LOGIN}@a.com", f"https://{LOGIN}@a.com:port", f"https://{LOGIN}@[::1", f"{LOGIN}@a.com/v1"]


@pytest.mark.parametrize("base_url", BASE_URLS)
def test_login_in_base_url(monkeypatch, base_url):
    """The login of a base URL, which is refused, is not shown."""
    errors = []

    def catch(make):
        with pytest.raises(ConfigurationError) as caught:
            make()
        errors.append(caught.value)

    catch(lambda: PiriodSession(TOKEN, base_url=base_url))
    monkeypatch.setenv("PIRIOD_TOKEN", TOKEN)
    catch(lambda: PiriodSession.from_env(base_url=base_url))
    catch(lambda: piriod_context(TOKEN, base_url=base_url))
    catch(lambda: piriod_context(base_url=base_url))
    monkeypatch.setenv("PIRIOD_BASE_URL", base_url)
    catch(PiriodSession.from_env)
    assert len(errors) == 5
    for error in errors:
        assert f"base_url={base_url.rpartition('@')[2]!r}" in str(error)
        check_report(error)


def test_path_with_at_sign():
    """A base URL whose path has an `@` has no login, and is accepted."""
    piriod = PiriodSession(TOKEN, base_url="https://a.com/teams/@us")
    assert str(piriod._transport.url) == "https://a.com/teams/@us/customers/"


def test_held():
    """A session holds the token in no text."""
    held = PiriodSession(TOKEN, "acc")._transport.auth_headers.values()
    assert [type(each) for each in held] == [Secret, str]
    assert PART not in repr(held)
