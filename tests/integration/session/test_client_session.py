"""The caller's own aiohttp session."""

import asyncio

import aiohttp
import pytest

from piriod_async import APIConnectionError, ConfigurationError, NotFoundError, RetryPolicy
from piriod_async.testing import MockServer
from tests.integration.session.servers import HeaderRecorder, host_of, unreachable_url
from tests.support.tasks import until

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_settings():
    """Its headers and traces are used, except for the authorization, and it stays open."""
    started = []

    async def on_request_start(_, __, params):
        started.append(params.url.path)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(on_request_start)
    headers = {"User-Agent": "crm/1.0", "X-Team": "billing", "Authorization": "Basic bWU6bWU=", "Accept": "text/html"}
    async with (
        HeaderRecorder(3) as server,
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


async def test_raise_for_status():
    """Its `raise_for_status` replaces neither retries nor our errors."""
    async with MockServer(3) as server, aiohttp.ClientSession(raise_for_status=True) as client:
        piriod = server.session(client_session=client, retry=RetryPolicy(wait_initial=0))
        server.fail(status=500)
        assert await piriod.customers().count() == 3
        server.fail(status=404, body=b'{"detail": "No."}')
        with pytest.raises(NotFoundError, match="404 Not Found: No"):
            await piriod.customers().count()


async def test_proxy():
    """Its proxy is used."""
    async with (
        HeaderRecorder(3) as proxy,
        unreachable_url() as base_url,
        aiohttp.ClientSession(proxy=proxy.url) as client,
        proxy.session(client_session=client, base_url=base_url) as piriod,
    ):
        assert await piriod.customers().count() == 3
        assert proxy.headers[0]["Host"] == host_of(piriod)


@pytest.mark.parametrize("source", ["auth", "netrc"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # aiohttp 4 will have no `auth`
@pytest.mark.usefixtures("netrc")
async def test_other_credentials(source):
    """Its own credentials, which aiohttp refuses beside ours, are a `ConfigurationError`."""
    options = {"auth": aiohttp.BasicAuth("me", "hunter2")} if source == "auth" else {"trust_env": True}
    message = "client_session has its own auth=, or finds credentials in a netrc file"
    async with (
        MockServer(3) as server,
        aiohttp.ClientSession(**options) as client,
        server.session(client_session=client) as piriod,
    ):
        with pytest.raises(ConfigurationError, match=message) as caught:
            await piriod.customers().collect()
        assert caught.value.attempts == 1
        assert "hunter2" not in str(caught.value)
        assert server.requests == []


async def test_closed():
    """Using it after it was closed is a `ConfigurationError`."""
    async with MockServer(3) as server:
        client = aiohttp.ClientSession()
        piriod = server.session(client_session=client)
        assert await piriod.customers().count() == 3
        await client.close()
        with pytest.raises(ConfigurationError, match="client_session is closed: keep it open"):
            await piriod.customers().count()


@pytest.mark.parametrize("ordering", [None, "created"])
@pytest.mark.parametrize("in_flight", [False, True])
async def test_closed_while_listing(clock, in_flight, ordering):
    """Closing it ends a listing with an error that is not retryable."""
    async with MockServer(1_000) as server:
        client = aiohttp.ClientSession()
        piriod = server.session(client_session=client, retry=clock.policy())
        server.fail(stall=True, page=3, times=None)
        customers = aiter(piriod.customers(ordering=ordering))
        await anext(customers)
        rest = asyncio.create_task(collect(customers))
        if in_flight:
            await until(lambda: any(request.page == 3 for request in server.requests))
        await client.close()
        with pytest.raises((APIConnectionError, ConfigurationError), match=r"client_session (is|was) closed") as caught:
            await rest
        assert not caught.value.retryable
        assert piriod.stats.in_flight == 0


async def collect(customers):
    return [customer.id async for customer in customers]


@pytest.mark.parametrize(
    ("pool", "expected"), [({"limit": 3}, 3), ({"limit_per_host": 2}, 2), ({"limit": 0}, 8), ({"limit": 100}, 8)]
)
async def test_connection_limit(pool, expected):
    """No more requests are in flight than it has connections: waiting for one would count as a timeout."""
    in_flight = []

    async def on_request_start(*_):
        in_flight.append(piriod.stats.in_flight)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(on_request_start)
    async with (
        MockServer(3_000, latency=0.005) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(**pool), trace_configs=[trace]) as client,
        server.session(client_session=client) as piriod,
    ):
        await piriod.customers().collect()
    assert max(in_flight) == expected
