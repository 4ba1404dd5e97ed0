"""The token appears in no repr, message, log record, span or traceback, not even one with local variables."""

import asyncio
import logging
import pickle
import threading
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import aiohttp
import attrs
import pytest

from piriod_async import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    ConfigurationError,
    DecodeError,
    FilterIgnoredError,
    IncompleteListError,
    PiriodSession,
    QueryError,
    RateLimitError,
    RetryPolicy,
    ServerError,
    UnexpectedStatusError,
    piriod_context,
)
from piriod_async.testing.mock_server import MockServer
from piriod_async.transport.auth import Secret
from tests.support.reports import report_of
from tests.support.tasks import until
from tests.support.telemetry import Telemetry
from tests.support.tls import untrusted_context

pytestmark = pytest.mark.usefixtures("no_leaks")

TOKEN = "tk_" + "0123456789abcdef" * 6  # longer than what rich and structlog show of a text
PART = TOKEN[3:19]
TELEMETRY = Telemetry()  # of all sessions below


@asynccontextmanager
async def session_at(base_url, **options):
    policy = RetryPolicy(attempts=2, wait_initial=0)
    async with PiriodSession(
        **{"token": TOKEN, "workspace": "acc_mock", "base_url": base_url, "retry": policy} | options
    ) as piriod:
        TELEMETRY.instrument(piriod)
        yield piriod


@asynccontextmanager
async def mock_session(fault=None, *, server=None, **options):
    async with MockServer(**{"customers": 250, "token": TOKEN, **(server or {})}) as mock_server:
        if fault:
            mock_server.fail(**fault, times=None)
        async with session_at(mock_server.url, **options) as piriod:
            yield piriod


async def read(fault, **options):
    async with mock_session(fault, **options) as piriod:
        await piriod.customers().collect()


def url(server, scheme="http"):
    return f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def unauthorized():
    await read(None, server={"token": "another"})


async def server_error():
    await read({"status": 500, "html": True})


async def retry_after_too_long():
    await read({"status": 429, "retry_after": 1_000})


async def redirected():
    await read({"status": 302, "headers": {"Location": "https://example.com/"}})


async def connection_reset():
    await read({"disconnect": "headers"})


async def truncated():
    await read({"truncate": "length"})


async def not_json():
    await read({"garbage": "html"})


async def too_large():
    await read(None, max_page_bytes=1_000)


async def stalled():
    await read({"stall": True}, timeout=0.05)


async def ordering_ignored():
    await read(None, server={"ignored_params": {"ordering"}})


async def filter_ignored():
    async with mock_session(server={"ignored_params": {"country"}}) as piriod:
        await piriod.customers(country="PE").collect()


async def connection_refused():
    async with session_at("http://127.0.0.1:1") as piriod:
        await piriod.customers().collect()


async def not_http():
    async def connected(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(connected, "127.0.0.1") as server, session_at(url(server)) as piriod:
        await piriod.customers().collect()


async def untrusted_certificate():
    async with (
        await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", ssl=untrusted_context()) as server,
        session_at(url(server, "https")) as piriod,
    ):
        await piriod.customers().collect()


def token_function(*tokens):
    """Return a function that returns tokens one after the other; its repr has them, as that of a partial may have."""
    return partial(list(tokens).pop, 0)


OLD = "old_" + TOKEN[::-1]


async def renewed_and_refused():
    await read(None, server={"token": "another"}, token=token_function(OLD, TOKEN))


async def renewed_and_echoed():
    """A response has a token that the session used before."""
    async with mock_session(token=token_function(OLD, TOKEN)) as piriod, MockServer(3) as server:
        await piriod.customers().count()
        server.fail(body=f"<pre>authorization: Token {OLD}</pre>".encode(), status=500, html=True, times=None)
        await piriod.with_options(base_url=server.url).customers().collect()


async def invalid_token_of_function():
    await read(None, token=token_function(f"{TOKEN}\n"))


async def bytes_of_function():
    await read(None, token=token_function(TOKEN.encode()))


async def renewal_fails():
    async def token():
        if OLD in asked:
            raise LookupError(f"cannot renew {asked.pop()}")
        asked.append(OLD)
        return OLD

    asked = []
    async with mock_session(server={"token": "another"}, token=token) as piriod:
        await piriod.customers().collect()


async def function_hangs():
    event = threading.Event()
    try:
        await read(None, token=partial(event.wait, float(len(TOKEN))), timeout=0.05)
    finally:
        event.set()


async def unknown_option():
    PiriodSession(TOKEN).with_options(tokn=TOKEN)


async def invalid_option():
    PiriodSession("another").with_options(token=TOKEN, timeout=0)


async def invalid_option_beside_function():
    PiriodSession(token_function(TOKEN), timeout=0)


async def invalid_context_of_function():
    piriod_context(token_function(TOKEN), base_url="http://api.piriod.com")


async def same_id_of_two_accounts():
    piriod = PiriodSession(TOKEN, "acc")
    piriod.across([piriod, piriod.with_options(token=token_function(TOKEN), test_mode=True)])


async def closed():
    async with mock_session() as piriod:
        await piriod.close()
        await piriod.customers().collect()


async def closed_between_pages():
    async with mock_session() as piriod:
        customers = aiter(piriod.customers())
        await anext(customers)
        await piriod.close()
        [customer async for customer in customers]


async def closed_while_pending():
    async with mock_session({"stall": True}) as piriod:
        task = asyncio.create_task(piriod.customers().collect())
        await until(lambda: piriod.stats.in_flight)
        await piriod.close()
        await task


async def cancelled():
    async with mock_session({"stall": True}) as piriod:
        task = asyncio.create_task(piriod.customers().collect())
        await until(lambda: piriod.stats.in_flight)
        task.cancel()
        await task


async def client_session_with_auth():
    with pytest.warns(DeprecationWarning, match="encode_basic_auth"):
        client_session = aiohttp.ClientSession(auth=aiohttp.BasicAuth("me", "hunter2"))
    async with client_session, mock_session(client_session=client_session) as piriod:
        await piriod.customers().collect()


async def client_session_closed():
    async with aiohttp.ClientSession() as client_session, mock_session(client_session=client_session) as piriod:
        await client_session.close()
        await piriod.customers().collect()


async def bug():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("piriod_async.transport.sender.error_from_response", None)
        await read({"status": 500})


async def token_with_newline():
    PiriodSession(TOKEN + "\n")


async def token_of_bytes():
    PiriodSession(TOKEN.encode())


async def invalid_base_url():
    PiriodSession(TOKEN, base_url="http://api.piriod.com")


async def invalid_workspace():
    PiriodSession(TOKEN, "acc mock")


async def invalid_timeout():
    PiriodSession(TOKEN, timeout=0)


async def invalid_client_session():
    PiriodSession(TOKEN, client_session="mine")


async def no_workspace():
    PiriodSession(TOKEN).customers()


async def invalid_context():
    piriod_context(TOKEN, base_url="http://api.piriod.com")


async def invalid_environment():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIRIOD_TOKEN", TOKEN)
        patch.setenv("PIRIOD_TEST_MODE", "perhaps")
        PiriodSession.from_env()


async def invalid_token_in_environment():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIRIOD_TOKEN", f"{TOKEN} {TOKEN}")
        PiriodSession.from_env()


FAILURES = [
    (unauthorized, AuthenticationError),
    (server_error, ServerError),
    (retry_after_too_long, RateLimitError),
    (redirected, UnexpectedStatusError),
    (connection_reset, APIConnectionError),
    (truncated, APIConnectionError),
    (not_json, DecodeError),
    (too_large, DecodeError),
    (stalled, APITimeoutError),
    (ordering_ignored, IncompleteListError),
    (filter_ignored, FilterIgnoredError),
    (connection_refused, APIConnectionError),
    (not_http, APIConnectionError),
    (untrusted_certificate, APIConnectionError),
    (renewed_and_refused, AuthenticationError),
    (renewed_and_echoed, ServerError),
    (invalid_token_of_function, ConfigurationError),
    (bytes_of_function, ConfigurationError),
    (renewal_fails, ConfigurationError),
    (function_hangs, ConfigurationError),
    (unknown_option, ConfigurationError),
    (invalid_option, ConfigurationError),
    (invalid_option_beside_function, ConfigurationError),
    (invalid_context_of_function, ConfigurationError),
    (same_id_of_two_accounts, QueryError),
    (closed, APIConnectionError),
    (closed_between_pages, APIConnectionError),
    (closed_while_pending, APIConnectionError),
    (cancelled, asyncio.CancelledError),
    (client_session_with_auth, ConfigurationError),
    (client_session_closed, ConfigurationError),
    (bug, TypeError),
    (token_with_newline, ConfigurationError),
    (token_of_bytes, ConfigurationError),
    (invalid_base_url, ConfigurationError),
    (invalid_workspace, ConfigurationError),
    (invalid_timeout, ConfigurationError),
    (invalid_client_session, ConfigurationError),
    (no_workspace, ConfigurationError),
    (invalid_context, ConfigurationError),
    (invalid_environment, ConfigurationError),
    (invalid_token_in_environment, ConfigurationError),
]


@pytest.mark.parametrize(("fail", "kind"), FAILURES, ids=[fail.__name__ for fail, _ in FAILURES])
async def test_failure(fail, kind, caplog, monkeypatch):
    """Neither the error, with its traceback and causes, nor the log, nor a span or metric contains the token."""
    TELEMETRY.clear()
    monkeypatch.setenv("NO_PROXY", "*")
    for name in ("", "piriod_async", "aiohttp"):
        caplog.set_level(logging.DEBUG, name)
    with pytest.raises(kind) as caught:
        await fail()
    assert type(caught.value) is kind
    report = report_of(caught.value)
    for part in (PART, OLD[10:26]):
        assert part not in report
        assert part not in caplog.text
        assert part not in TELEMETRY.everything()
        assert not [record for record in caplog.records if part in repr(vars(record))]


async def test_repr():
    """No object of the library contains the token in its repr or its fields' reprs, nor do aiohttp's traces."""
    traced = []

    async def on_request(_, __, params):
        traced.append(params)

    trace = aiohttp.TraceConfig()
    for signal in (trace.on_request_start, trace.on_request_headers_sent, trace.on_request_end):
        signal.append(on_request)
    async with AsyncExitStack() as stack:
        client_session = await stack.enter_async_context(aiohttp.ClientSession(trace_configs=[trace]))
        for options in ({}, {"client_session": client_session}):
            attempts = []
            piriod = await stack.enter_async_context(mock_session(on_attempt=attempts.append, **options))
            listing, across = piriod.customers(), piriod.across(["acc_1"], on_error="collect")
            await across.collect()
            customers = aiter(listing)
            await anext(customers)
            transport, state = piriod._transport, piriod._transport._loop_state
            objects = [piriod, piriod.stats, transport, transport.limiter, transport.counters, transport.retry_budget]
            objects += [state, state.sender, state.retrier, state.pending, *attempts]
            objects += [listing, listing.progress, listing.checkpoint, listing.query, customers]
            objects += [across, across.progress, across.errors]
            other = piriod.with_options(token=token_function(OLD, TOKEN))
            await other.customers().count()
            objects += [other, other._transport, other._transport.account, other._transport.account.tokens]
            objects += [other._settings, piriod._settings, other._transport.connections, state.connections]
            for value in objects:
                for part in (PART, OLD[10:26]):
                    assert part not in repr(value)
                    assert part not in repr(fields(value))
            assert "'********'" in repr(fields(transport))
            await customers.aclose()
    assert len(traced) >= 3
    assert PART not in repr(traced)
    assert [params.headers["Authorization"] for params in traced if hasattr(params, "headers")]


def fields(value):
    names = [attribute.name for attribute in attrs.fields(type(value))] if attrs.has(type(value)) else []
    return {name: getattr(value, name) for name in names} | getattr(value, "__dict__", {})


@pytest.mark.parametrize("token", [TOKEN, token_function(TOKEN)], ids=["text", "function"])
async def test_pickle(token):
    """A session cannot be pickled, nor can the secret in it, so no pickle has the token."""
    piriod = PiriodSession(token, "acc")
    for value in (piriod, piriod.customers(), piriod.with_options(timeout=3), Secret(TOKEN)):
        with pytest.raises(TypeError, match=r"cannot (be pickled|pickle)"):
            pickle.dumps(value)
