"""A token that a function returns: asked for when it is needed, kept, and renewed after a 401."""

import asyncio
import threading
from contextvars import ContextVar
from functools import partial
from traceback import format_exception

import pytest

from piriod_async import (
    APIConnectionError,
    AuthenticationError,
    ConfigurationError,
    PermissionDeniedError,
    PiriodSession,
    RetryPolicy,
    ServerError,
)
from piriod_async.testing import MockServer
from tests.support.tasks import assert_idle, settle, until

pytestmark = pytest.mark.usefixtures("no_leaks")

ONCE = RetryPolicy(attempts=1)


class Provider:
    """Returns the tokens given, one after the other, and then the last one again."""

    def __init__(self, *tokens):
        self.tokens = list(tokens)
        self.calls = 0
        self.may_return = asyncio.Event()
        self.may_return.set()

    def next(self):
        self.calls += 1
        return self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]

    async def next_async(self):
        token = self.next()
        await self.may_return.wait()
        return token


class SlowServer(MockServer):
    """Holds responses of these statuses to the workspace `acc_slow` back until `released` is set."""

    def __init__(self, *held, **options):
        super().__init__({"acc_slow": 3, "acc_1": 3}, **options)
        self.held = held
        self.released = asyncio.Event()

    async def _handle(self, request):
        response = await super()._handle(request)
        if request.headers["x-simple-workspace"] == "acc_slow" and response.status in self.held:
            await self.released.wait()
        return response


def statuses(server):
    return [request.status for request in server.requests]


@pytest.mark.parametrize("kind", ["next", "next_async"])
async def test_rotated_while_reading(kind):
    """A token replaced in the middle of a listing is asked for once more, and every customer is delivered once."""
    provider, attempts = Provider("old", "new"), []
    async with MockServer(5_000, token="old", latency=(0, 0.002)) as server:
        options = {"concurrency": 8, "retry": ONCE, "on_attempt": attempts.append}
        async with server.session(token=getattr(provider, kind), **options) as piriod:
            ids, listing = [], piriod.customers()
            async for customer in listing:
                ids.append(customer.id)
                if len(ids) == 2_000:
                    server.token = "new"
            expected = [customer["id"] for customer in server.customers()]
            assert ids == expected
            assert provider.calls == 2
            refused = statuses(server).count(401)
            assert 1 <= refused <= 8
            assert piriod.stats.requests == len(server.requests) == len(attempts)
            assert listing.progress.retries == piriod.stats.retries == refused
            assert piriod.stats.retry_budget == 500
            assert_idle(piriod)
    assert [(each.status, each.next_wait) for each in attempts if each.status != 200] == [(401, 0.0)] * refused
    assert sum(each.retry for each in attempts) == refused


async def test_asked_when_needed():
    """The function is called for the first request, once for all that wait, and its token is kept."""
    provider = Provider("mock-token")
    async with MockServer(3) as server, server.session(token=provider.next_async) as piriod:
        assert provider.calls == 0
        assert await asyncio.gather(*(piriod.customers().count() for _ in range(20))) == [3] * 20
        assert provider.calls == 1
        assert statuses(server) == [200] * 20


async def test_pending_requests_are_undisturbed():
    """A renewal neither ends nor repeats a request that is pending, and needs no slot of the limiter."""
    provider = Provider("old", "new")
    async with (
        SlowServer(200, token="old") as server,
        server.session(token=provider.next_async, concurrency=2) as piriod,
    ):
        slow = asyncio.create_task(piriod.customers(workspace="acc_slow").count())
        await until(lambda: server.requests)
        server.token = "new"
        provider.may_return.clear()
        renewing = asyncio.create_task(piriod.customers(workspace="acc_1").count())
        await until(lambda: provider.calls == 2)
        assert piriod.stats.in_flight == 1
        provider.may_return.set()
        assert await renewing == 3
        assert not slow.done()
        server.released.set()
        assert await slow == 3
    assert statuses(server) == [200, 401, 200]


async def test_outdated_token():
    """A request refused with a token that was replaced meanwhile is repeated without another call."""
    provider = Provider("old", "new")
    async with (
        SlowServer(401, token="new") as server,
        server.session(token=provider.next) as piriod,
    ):
        slow = asyncio.create_task(piriod.customers(workspace="acc_slow").count())
        await until(lambda: server.requests)
        assert await piriod.customers(workspace="acc_1").count() == 3
        server.released.set()
        assert await slow == 3
    assert provider.calls == 2
    assert sorted(statuses(server)) == [200, 200, 401, 401]


@pytest.mark.parametrize("concurrency", [1, 8])
async def test_requests_wait_for_renewal(concurrency):
    """While a renewal is pending, neither a new request nor one in the queue is sent with the refused token."""
    provider = Provider("old", "new")
    async with MockServer(3, token="old") as server:
        piriod = server.session(token=provider.next_async, concurrency=concurrency)
        async with piriod:
            await piriod.customers().count()
            server.token = "new"
            provider.may_return.clear()
            tasks = [asyncio.create_task(piriod.customers().count()) for _ in range(4 if concurrency == 1 else 1)]
            await until(lambda: provider.calls == 2)
            tasks += [asyncio.create_task(piriod.customers().count()) for _ in range(5)]
            await settle()
            assert piriod.stats.in_flight == 0
            provider.may_return.set()
            assert await asyncio.gather(*tasks) == [3] * len(tasks)
            assert_idle(piriod)
    assert statuses(server) == [200, 401, *[200] * len(tasks)]


@pytest.mark.parametrize(("tokens", "sent", "calls"), [(("bad",), 1, 2), (("bad", "worse"), 2, 2)])
async def test_refused_again(tokens, sent, calls):
    """A token that the function returns again, or a new one that is refused too, is an `AuthenticationError`."""
    provider, attempts = Provider(*tokens), []
    async with (
        MockServer(3) as server,
        server.session(token=provider.next, on_attempt=attempts.append) as piriod,
    ):
        with pytest.raises(AuthenticationError) as caught:
            await piriod.customers().count()
        assert_idle(piriod)
    assert (caught.value.attempts, len(server.requests), provider.calls) == (sent, sent, calls)
    assert [each.next_wait for each in attempts] == [0.0, None][-sent:]
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


async def test_text_is_not_renewed():
    """A token that is text is not asked for again."""
    async with MockServer(3) as server, server.session(token="bad") as piriod:
        with pytest.raises(AuthenticationError):
            await piriod.customers().count()
    assert statuses(server) == [401]


@pytest.mark.parametrize(("statuses", "error"), [((401, 503, 401), None), ((401, 503, 503), ServerError)])
async def test_renewed_between_retries(statuses, error):
    """Renewals count neither as attempts of the policy nor as retries of the budget."""
    provider, policy = Provider("old", "new", "mock-token"), RetryPolicy(attempts=2, wait_initial=0)
    async with MockServer(3) as server, server.session(token=provider.next, retry=policy) as piriod:
        for status in statuses:
            server.fail(status=status)
        if error:
            with pytest.raises(error) as caught:
                await piriod.customers().count()
            assert (caught.value.attempts, piriod.stats.retry_budget) == (3, 495)
        else:
            assert await piriod.customers().count() == 3
            assert piriod.stats.retry_budget == 500
    assert (len(server.requests), provider.calls) == (3, 2) if error else (4, 3)


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_cancelled_waiter(cancelled):
    """The renewal continues for the others when one that waits is cancelled."""
    provider = Provider("old", "new")
    async with MockServer(3, token="new") as server, server.session(token=provider.next_async) as piriod:
        provider.may_return.clear()
        tasks = [asyncio.create_task(piriod.customers().count()) for _ in range(2)]
        await until(lambda: provider.calls)
        await settle()
        tasks[cancelled].cancel()
        await settle()
        provider.may_return.set()
        assert await tasks[1 - cancelled] == 3
        with pytest.raises(asyncio.CancelledError):
            await tasks[cancelled]
        assert provider.calls == 2


async def test_all_cancelled():
    """When nobody waits any more, the call is cancelled; the next request makes another."""
    provider, ended = Provider("mock-token"), []

    async def token():
        try:
            return await provider.next_async()
        finally:
            ended.append(asyncio.current_task().cancelling())

    async with MockServer(3) as server, server.session(token=token) as piriod:
        provider.may_return.clear()
        task = asyncio.create_task(piriod.customers().count())
        await until(lambda: provider.calls)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: ended == [1])
        provider.may_return.set()
        assert await piriod.customers().count() == 3
        assert provider.calls == 2


async def test_close():
    """Closing the session ends the requests that wait for a token, and the call."""
    provider = Provider("mock-token")
    async with MockServer(3) as server:
        piriod = server.session(token=provider.next_async)
        provider.may_return.clear()
        task = asyncio.create_task(piriod.customers().count())
        await until(lambda: provider.calls)
        await piriod.close()
        with pytest.raises(APIConnectionError, match="closed while a request was pending"):
            await task
        await settle()
    assert server.requests == []


class Callable:
    """An object with an async `__call__`."""

    async def __call__(self):
        return "mock-token"


async def _token(token):
    return token


CALLABLES = [lambda: "mock-token", lambda: _token("mock-token"), partial(_token, "mock-token"), Callable()]


@pytest.mark.parametrize("function", CALLABLES, ids=["plain", "awaitable", "partial", "object"])
async def test_callables(function):
    """Anything that can be called works, if it returns text or an awaitable of text."""
    async with MockServer(3) as server, server.session(token=function) as piriod:
        assert await piriod.customers().count() == 3


async def test_plain_function():
    """A function that is not async runs in a thread with the caller's context variables, and blocks nothing."""
    variable = ContextVar("variable", default="")
    seen = []

    def token():
        seen.append((threading.current_thread() is threading.main_thread(), variable.get()))
        return "mock-token"

    async with MockServer(3) as server, server.session(token=token) as piriod:
        variable.set("here")
        await piriod.customers().count()
    assert seen == [(False, "here")]


def raise_error():
    raise LookupError("no vault")


async def raise_error_async():
    raise LookupError("no vault")


async def cancel():
    raise asyncio.CancelledError


PROBLEMS = {
    "raise_error(): raised LookupError: expected": raise_error,
    "raise_error_async(): raised LookupError: expected": raise_error_async,
    "cancel(): was cancelled: expected": cancel,
    "<lambda>(): returned NoneType: expected an API token, as text": lambda: None,
    "<lambda>(): returned bytes: expected": lambda: b"tk_secret",
    "<lambda>(): returned '': expected an API token": lambda: "",
    "<lambda>(): returned '********': expected text of visible ASCII": lambda: "tk_secret\n",
    "<lambda>(): returned '********': expected the token alone, without the prefix 'Bearer'": lambda: (
        "Bearer tk_secret"
    ),
    "partial(): returned int: expected": partial(int, "3"),
}


@pytest.mark.parametrize("message", PROBLEMS)
async def test_problem(message):
    """A function that fails is named in a `ConfigurationError` for each request that waits; nothing is sent."""
    async with MockServer(3) as server, server.session(token=PROBLEMS[message]) as piriod:
        tasks = [asyncio.create_task(piriod.customers().count()) for _ in range(3)]
        errors = await asyncio.gather(*tasks, return_exceptions=True)
    for error in errors:
        assert type(error) is ConfigurationError
        assert f"token={message}" in str(error)
        assert (error.workspace, error.attempts, "tk_secret" in str(error)) == ("acc_mock", 0, False)
        assert ("raised" in message) is isinstance(error.__cause__, LookupError)
    assert len({id(error) for error in errors}) == 3
    assert server.requests == []


async def test_problem_of_renewal():
    """A function that fails after a 401 is a `ConfigurationError` too, and is asked again by the next request."""
    provider, problems, attempts = Provider("old", "new"), [], []

    def token():
        if problems:
            raise problems.pop()
        return provider.next()

    async with (
        MockServer(3, token="old") as server,
        server.session(token=token, on_attempt=attempts.append) as piriod,
    ):
        assert await piriod.customers().count() == 3
        server.token = "new"
        problems.append(LookupError("no vault"))
        with pytest.raises(ConfigurationError, match=r"token=.*raised LookupError") as caught:
            await piriod.customers().count()
        assert (caught.value.attempts, type(caught.value.__cause__)) == (1, LookupError)
        assert "in token" in "".join(format_exception(caught.value))
        assert await piriod.customers().count() == 3
    assert [(each.status, each.next_wait) for each in attempts] == [(200, None), (401, None), (401, 0.0), (200, None)]


@pytest.mark.parametrize("is_async", [True, False])
async def test_hanging(is_async):
    """The session's timeout holds for the function."""
    hanging = threading.Event()

    async def token():
        await asyncio.Event().wait()

    async with MockServer(3) as server:
        function = token if is_async else partial(hanging.wait, 30)
        async with server.session(token=function, timeout=0.05) as piriod:
            with pytest.raises(ConfigurationError, match=r"token=.*: returned nothing within timeout=0.05 s"):
                await piriod.customers().count()
            hanging.set()
            await settle()
    assert server.requests == []


def test_event_loops():
    """The token is kept from one event loop to the next; a call that the first one abandoned is made again."""
    calls = []

    async def token():
        calls.append(asyncio.get_running_loop())
        if len(calls) == 1:
            await asyncio.Event().wait()
        return "mock-token"

    piriod = PiriodSession(token, "acc_mock", base_url="http://127.0.0.1:1")

    async def abandon():
        asyncio.create_task(piriod.customers().count())  # noqa: RUF006 (it is abandoned on purpose)
        await until(lambda: calls)

    async def read():
        async with MockServer(3) as server:
            return await piriod.with_options(base_url=server.url).customers().count()

    asyncio.run(abandon())
    assert [asyncio.run(read()), asyncio.run(read())] == [3, 3]
    assert len(calls) == 2
    asyncio.run(piriod.close())


async def test_server_error():
    """Only a 401 leads to another token."""
    provider = Provider("mock-token")
    async with MockServer(3) as server, server.session(token=provider.next, retry=ONCE) as piriod:
        for status in (403, 500):
            server.fail(status=status)
            with pytest.raises((PermissionDeniedError, ServerError)):
                await piriod.customers().count()
        assert provider.calls == 1
