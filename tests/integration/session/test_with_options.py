"""Sessions with other settings over the same connections."""

import asyncio
import gc
import weakref

import aiohttp
import pytest

from piriod_async import APIConnectionError, ConfigurationError, PiriodSession, RateLimitError, RetryPolicy, ServerError
from piriod_async.testing import MockServer
from tests.support.clock import Clock, ManualSleep
from tests.support.ports import free_port
from tests.support.tasks import assert_idle, settle, until

pytestmark = pytest.mark.usefixtures("no_leaks")

SIZES = {"acc_1": 250, "acc_2": 30}
ONCE = RetryPolicy(attempts=1)


def token():
    return "mock-token"


async def test_settings():
    """Each option replaces that of the session it comes from, which keeps its own."""
    heard = []
    async with MockServer(SIZES) as server, server.session() as piriod:
        other = piriod.with_options(
            workspace="acc_2", test_mode=True, timeout=5, retry=ONCE, on_attempt=heard.append, base_url=server.url
        )
        assert all(customer.test_mode for customer in await other.customers().collect())
        assert len(await piriod.customers().collect()) == 250
        server.fail(status=503)
        with pytest.raises(ServerError) as caught:
            await other.customers().collect()
        assert caught.value.attempts == 1
    assert [(attempt.workspace, attempt.status) for attempt in heard] == [("acc_2", 200), ("acc_2", 503)]
    assert repr(other).endswith(" workspace='acc_2', test_mode=True>")
    assert {(request.workspace, request.test_mode) for request in server.requests} == {
        ("acc_1", False),
        ("acc_2", True),
    }


async def test_one_connection():
    """Any number of sessions share the connections, and so need no closing."""
    async with MockServer(3) as server, server.session(concurrency=1) as piriod:
        for timeout in range(1, 50):
            assert await piriod.with_options(timeout=timeout).customers().count() == 3
        assert len(server._runner.server.connections) == 1
        assert piriod.stats.requests == 49
        assert_idle(piriod)


@pytest.mark.parametrize("owns_session", [True, False])
async def test_close(owns_session):
    """Closing a derived session closes nothing; after the session it comes from is closed, it fails as that does."""
    async with MockServer(3) as server, aiohttp.ClientSession() as client:
        piriod = server.session(client_session=None if owns_session else client)
        async with piriod.with_options(timeout=5) as other:
            assert await other.customers().count() == 3
        await other.close()
        assert await other.customers().count() == await piriod.customers().count() == 3
        await piriod.close()
        for closed in (piriod, other, other.with_options(timeout=3), piriod.with_options(token="other")):
            with pytest.raises(APIConnectionError, match="the session is closed"):
                await closed.customers().count()
        assert client.closed is False
    assert len(server.requests) == 3


async def test_close_while_pending():
    """Closing a session ends what is pending on the sessions derived from it."""
    async with MockServer(3) as server:
        server.fail(stall=True, times=None)
        piriod = server.session()
        others = [piriod.with_options(timeout=20), piriod.with_options(token=lambda: server.token)]
        tasks = [asyncio.create_task(other.customers().collect()) for other in others]
        await until(lambda: len(server.requests) == 2)
        await piriod.close()
        for task in tasks:
            with pytest.raises(APIConnectionError, match="closed while a request was pending"):
                await task


async def test_same_token():
    """The same token, the same function and the same method share a rate limit, a retry budget and counters."""

    class Vault:
        def token(self):
            return "mock-token"

    vault, piriod = Vault(), PiriodSession("mock-token", "acc_mock")
    assert piriod.with_options(token="mock-token")._transport.account is piriod._transport.account
    for make_token in (lambda: "another", lambda: token, lambda: vault.token):
        first = piriod.with_options(token=make_token())
        second = piriod.with_options(timeout=3).with_options(token=make_token())
        assert first._transport.account is second._transport.account is not piriod._transport.account


async def test_pause_of_one_token():
    """A token that the server throttles holds back no other token, though they share the connections."""
    sleep = ManualSleep(Clock())
    sizes = {f"acc_{n}": 30 for n in range(5)}
    async with MockServer(sizes, tokens={"acc_0": "throttled"}) as server:
        options = {"concurrency": 2, "retry": RetryPolicy(wait_initial=0, sleep=sleep)}
        async with server.session(**options) as piriod:
            server.fail(status=429, retry_after=60, workspace="acc_0")
            throttled = piriod.with_options(token="throttled", workspace="acc_0")
            tasks = [asyncio.create_task(throttled.customers().collect()) for _ in range(4)]
            await until(lambda: sleep.pending)
            await settle()
            assert (throttled.stats.in_flight, piriod.stats.paused_until) == (0, None)
            assert throttled.stats.paused_until
            assert [await piriod.customers(workspace=workspace).count() for workspace in list(sizes)[1:]] == [30] * 4
            assert piriod.stats.retries == 0
            while not all(task.done() for task in tasks):
                sleep.wake()
                await asyncio.sleep(0.001)
            assert [len(await task) for task in tasks] == [30] * 4
            assert_idle(throttled)


async def test_concurrency_of_all_tokens():
    """`concurrency` holds for all tokens together, so no request waits for a connection while its timeout runs."""
    most, sessions = 0, []

    class CountingServer(MockServer):
        async def _handle(self, request):
            nonlocal most
            most = max(most, sum(session.stats.in_flight for session in sessions))
            return await super()._handle(request)

    tokens = {f"acc_{n}": f"token-{n}" for n in range(20)}
    async with (
        CountingServer(dict.fromkeys(tokens, 3), tokens=tokens) as server,
        server.session(concurrency=3) as piriod,
    ):
        sessions += [piriod.with_options(token=tokens[name], workspace=name) for name in tokens]
        assert await asyncio.gather(*(session.customers().count() for session in sessions)) == [3] * 20
        for session in sessions:
            assert_idle(session)
    assert most == 3


async def test_long_retry_after_of_one_token():
    """A `Retry-After` that is too long to wait for stops the requests of its token only."""
    async with MockServer(SIZES, tokens={"acc_2": "other"}) as server, server.session() as piriod:
        server.fail(status=429, retry_after=1_000, workspace="acc_2")
        other = piriod.with_options(token="other", workspace="acc_2")
        for attempts in (1, 0):
            with pytest.raises(RateLimitError) as caught:
                await other.customers().count()
            assert caught.value.attempts == attempts
        assert await piriod.customers().count() == 250


async def test_memory():
    """A derived session that is dropped leaves nothing behind, even if its token comes from an object that has it."""

    class Vault:
        async def token(self):  # a thread might still be ending
            return "mock-token"

    async with MockServer(3) as server, server.session() as piriod:
        await piriod.customers().count()
        refs = []
        for n in range(20):
            vault = Vault()
            vault.session = piriod.with_options(token=vault.token if n % 2 else server.token, timeout=n + 1)
            assert await vault.session.customers().count() == 3
            refs += [weakref.ref(vault.session), weakref.ref(vault.session._transport), weakref.ref(vault)]
        del vault
        gc.collect()
        assert not any(ref() for ref in refs)
        connections = piriod._transport.connections
        assert (len(connections._accounts), len(connections.current._limiters)) == (1, 1)


async def test_checkpoint():
    """A checkpoint does not depend on the token: a listing is resumed with a newer one."""
    async with MockServer(250) as server, server.session() as piriod:
        async for customer in (listing := piriod.customers()):
            if customer.id == server.customers()[119]["id"]:
                break
        server.token = "newer"
        rest = await piriod.with_options(token="newer").customers(after=listing.checkpoint).collect()
        assert [customer.id for customer in rest] == [each["id"] for each in server.customers()[120:]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"concurrency": 3},
            "concurrency=…: with_options cannot change it: expected some of token, workspace, test_mode",
        ),
        ({"tokn": "secret"}, "tokn=…: with_options cannot change it"),
        ({"token": ""}, "token='': expected an API token"),
        ({"token": None}, "token=None: expected an API token"),
        ({"workspace": "acc 1"}, "workspace='acc 1': expected"),
        ({"base_url": "http://example.com"}, "base_url='http://example.com': expected"),
        ({"base_url": "https://me:hunter2@example.com"}, "base_url='example.com': expected"),
        ({"test_mode": 1}, "test_mode=1: expected True or False"),
        ({"timeout": 0}, "timeout=0: expected"),
        ({"retry": 3}, "retry=3: expected a RetryPolicy"),
        ({"on_attempt": 3}, "on_attempt=3: expected a function"),
    ],
)
async def test_invalid(options, message):
    """An option that is unknown or invalid is refused, with its name."""
    piriod = PiriodSession("token", "acc_1")
    with pytest.raises(ConfigurationError) as caught:
        piriod.with_options(**options)
    assert str(caught.value).startswith(message)
    assert "secret" not in str(caught.value)


async def test_subclass():
    """A derived session is of the same class, with the attributes of the session it comes from."""

    class Mine(PiriodSession):
        def __init__(self, name):
            super().__init__("token", "acc_1")
            self.name = name

    other = Mine("mine").with_options(workspace="acc_2")
    assert (type(other), other.name, "acc_2" in repr(other)) == (Mine, "mine", True)


def test_event_loops():
    """A derived session follows the session it comes from to the next event loop."""
    piriod = PiriodSession("mock-token", "acc_mock", base_url=f"http://127.0.0.1:{free_port()}")
    other = piriod.with_options(timeout=5)

    async def read(session):
        async with MockServer(3, port=piriod._transport.url.port):
            return await session.customers().count()

    for session in (other, piriod, other):
        assert asyncio.run(read(session)) == 3
    asyncio.run(piriod.close())
