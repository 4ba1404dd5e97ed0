"""The token is shown nowhere: in no repr, message, log record or traceback with locals. Filters are not in the log."""

import asyncio
import logging
import ssl
import traceback
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

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
    PiriodError,
    PiriodSession,
    RateLimitError,
    RetryPolicy,
    ServerError,
    UnexpectedStatusError,
    piriod_context,
)
from piriod_async.session import Secret
from piriod_async.testing.mock_server import MockServer

pytestmark = pytest.mark.usefixtures("no_leaks")

TOKEN = "tk_0123456789abcdef"
SELF_SIGNED = Path(__file__).parent.parent / "self_signed.pem"


def shown_by(error):
    """Return all that a log or a tracker of errors could show of an error, and of what led to it."""
    texts = []
    while error is not None:
        report = traceback.TracebackException.from_exception(error, capture_locals=True)
        texts += [str(error), repr(error), repr(error.args), repr(vars(error)), *report.format()]
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


def test_a_token_in_the_open_would_be_found():
    def leak(token):
        raise ValueError(len(token))

    with pytest.raises(ValueError, match="19") as caught:
        leak(TOKEN)
    assert TOKEN in shown_by(caught.value)
    with pytest.raises(ValueError, match="19") as caught:
        leak(Secret(TOKEN))
    assert TOKEN not in shown_by(caught.value)


# --- a matrix of failures ---


@asynccontextmanager
async def session_at(base_url, **options):
    policy = RetryPolicy(attempts=2, initial=0)
    async with PiriodSession(TOKEN, "acc_sandbox", **{"base_url": base_url, "retry": policy, **options}) as piriod:
        yield piriod


@asynccontextmanager
async def sandbox_with(fault=None, *, sandbox=None, **options):
    async with MockServer(**{"customers": 250, "token": TOKEN, **(sandbox or {})}) as server:
        if fault:
            server.fail(**fault, times=None)
        async with session_at(server.url, **options) as piriod:
            yield piriod


async def answered(fault, **options):
    async with sandbox_with(fault, **options) as piriod:
        await piriod.customers().collect()


def url(server, scheme="http"):
    return f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def unauthorized():
    await answered(None, sandbox={"token": "another"})


async def broken():
    await answered({"status": 500, "html": True})


async def too_long_to_wait():
    await answered({"status": 429, "retry_after": 1_000})


async def redirected():
    await answered({"status": 302, "headers": {"Location": "https://example.com/"}})


async def reset():
    await answered({"disconnect": "headers"})


async def cut():
    await answered({"truncate": "length"})


async def html():
    await answered({"garbage": "html"})


async def too_large():
    await answered(None, max_page_bytes=1_000)


async def stalled():
    await answered({"stall": True}, timeout=0.05)


async def unordered():
    await answered(None, sandbox={"ignores": {"ordering"}})


async def unfiltered():
    async with sandbox_with(sandbox={"ignores": {"country"}}) as piriod:
        await piriod.customers(country="PE").collect()


async def refused():
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


async def not_trusted():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(SELF_SIGNED)
    async with (
        await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", ssl=context) as server,
        session_at(url(server, "https")) as piriod,
    ):
        await piriod.customers().collect()


async def closed_before():
    async with sandbox_with() as piriod:
        await piriod.close()
        await piriod.customers().collect()


async def closed_in_mid_crawl():
    async with sandbox_with() as piriod:
        customers = aiter(piriod.customers())
        await anext(customers)
        await piriod.close()
        [customer async for customer in customers]


async def closed_under_way():
    async with sandbox_with({"stall": True}) as piriod:
        crawl = asyncio.create_task(piriod.customers().collect())
        while not piriod.stats.in_flight:  # noqa: ASYNC110
            await asyncio.sleep(0)
        await piriod.close()
        await crawl


async def cancelled():
    async with sandbox_with({"stall": True}) as piriod:
        crawl = asyncio.create_task(piriod.customers().collect())
        while not piriod.stats.in_flight:  # noqa: ASYNC110
            await asyncio.sleep(0)
        crawl.cancel()
        await crawl


async def refused_by_aiohttp():
    with pytest.warns(DeprecationWarning, match="encode_basic_auth"):
        client = aiohttp.ClientSession(auth=aiohttp.BasicAuth("me", "hunter2"))
    async with client, sandbox_with(client_session=client) as piriod:
        await piriod.customers().collect()


async def borrowed_and_closed():
    async with aiohttp.ClientSession() as client, sandbox_with(client_session=client) as piriod:
        await client.close()
        await piriod.customers().collect()


async def a_bug_of_ours():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("piriod_async.transport.transport.error_from_response", None)
        await answered({"status": 500})


async def no_token_at_all():
    PiriodSession(TOKEN + "\n")


async def bytes_for_a_token():
    PiriodSession(TOKEN.encode())


async def a_bad_base_url():
    PiriodSession(TOKEN, base_url="http://api.piriod.com")


async def a_bad_workspace():
    PiriodSession(TOKEN, "acc sandbox")


async def a_bad_timeout():
    PiriodSession(TOKEN, timeout=0)


async def a_bad_client_session():
    PiriodSession(TOKEN, client_session="mine")


async def no_workspace():
    PiriodSession(TOKEN).customers()


async def a_bad_option_in_an_application():
    piriod_context(TOKEN, base_url="http://api.piriod.com")


async def a_bad_environment():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIRIOD_TOKEN", TOKEN)
        patch.setenv("PIRIOD_TEST_MODE", "perhaps")
        PiriodSession.from_env()


async def a_bad_token_in_the_environment():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIRIOD_TOKEN", f"{TOKEN} {TOKEN}")
        PiriodSession.from_env()


FAILURES = [
    (unauthorized, AuthenticationError),
    (broken, ServerError),
    (too_long_to_wait, RateLimitError),
    (redirected, UnexpectedStatusError),
    (reset, APIConnectionError),
    (cut, APIConnectionError),
    (html, DecodeError),
    (too_large, DecodeError),
    (stalled, APITimeoutError),
    (unordered, IncompleteListError),
    (unfiltered, FilterIgnoredError),
    (refused, APIConnectionError),
    (not_http, APIConnectionError),
    (not_trusted, APIConnectionError),
    (closed_before, APIConnectionError),
    (closed_in_mid_crawl, APIConnectionError),
    (closed_under_way, APIConnectionError),
    (cancelled, asyncio.CancelledError),
    (refused_by_aiohttp, ConfigurationError),
    (borrowed_and_closed, ConfigurationError),
    (a_bug_of_ours, TypeError),
    (no_token_at_all, ConfigurationError),
    (bytes_for_a_token, ConfigurationError),
    (a_bad_base_url, ConfigurationError),
    (a_bad_workspace, ConfigurationError),
    (a_bad_timeout, ConfigurationError),
    (a_bad_client_session, ConfigurationError),
    (no_workspace, ConfigurationError),
    (a_bad_option_in_an_application, ConfigurationError),
    (a_bad_environment, ConfigurationError),
    (a_bad_token_in_the_environment, ConfigurationError),
]


@pytest.mark.parametrize(("fail", "kind"), FAILURES, ids=[fail.__name__ for fail, _ in FAILURES])
async def test_a_failure_shows_no_token(fail, kind, caplog, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    for name in ("", "piriod_async", "aiohttp"):
        caplog.set_level(logging.DEBUG, name)
    with pytest.raises(kind) as caught:
        await fail()
    assert type(caught.value) is kind
    assert TOKEN not in shown_by(caught.value)
    assert TOKEN not in caplog.text
    assert not [record for record in caplog.records if TOKEN in repr(vars(record))]


async def test_all_that_is_public_shows_no_token():
    seen = []

    async def see(_, __, params):
        seen.append(params)

    trace = aiohttp.TraceConfig()
    for signal in (trace.on_request_start, trace.on_request_headers_sent, trace.on_request_end):
        signal.append(see)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(aiohttp.ClientSession(trace_configs=[trace]))
        for borrowed in (None, client):
            attempts = []
            options = {"client_session": borrowed, "on_attempt": attempts.append}
            piriod = await stack.enter_async_context(sandbox_with(**options))
            listing, across = piriod.customers(), piriod.across(["acc_1"], on_error="collect")
            await across.collect()
            customers = aiter(listing)
            await anext(customers)
            objects = [piriod, piriod.stats, piriod._transport, piriod._transport._binding, piriod._transport.gate]
            objects += [piriod._transport._binding.retrier, *attempts]
            objects += [listing, listing.progress, listing.checkpoint, listing.query, customers]
            objects += [across, across.progress, across.errors]
            for thing in objects:
                assert TOKEN not in repr(thing)
                assert TOKEN not in repr(fields(thing))
            assert "'********'" in repr(fields(piriod._transport))
            await customers.aclose()
    assert len(seen) >= 3
    assert TOKEN not in repr(seen)
    assert [params.headers["Authorization"] for params in seen if hasattr(params, "headers")]


def fields(thing):
    names = [attribute.name for attribute in attrs.fields(type(thing))] if attrs.has(type(thing)) else []
    return {name: getattr(thing, name) for name in names} | getattr(thing, "__dict__", {})


def test_a_secret_is_text_that_hides():
    secret = Secret(TOKEN)
    assert (secret, f"{secret}", len(secret)) == (TOKEN, TOKEN, len(TOKEN))
    assert repr(secret) == "'********'"
    assert TOKEN not in f"{secret!r} {[secret]} { ({'a': (secret,)}) }"
    assert [Secret(other) for other in (None, b"bytes", 7)] == ["", "", ""]


# --- the log ---

SOUGHT = {
    "name": "Peñaflor",
    "email": "contacto@penaflor.cl",
    "tax_id": "76.086.428-5",
    "metadata": {"plan": "dorado"},
}
WORDS = ("Peñaflor", "Pe%C3%B1aflor", "penaflor", "76.086.428", "dorado", "plan")


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429},
        {"status": 429, "retry_after": 1},
        {"status": 503, "retry_after": 1},
        {"status": 500, "html": True},
        {"disconnect": "headers"},
        {"disconnect": "body"},
        {"garbage": "html"},
        {"truncate": "length"},
        {"status": 400, "body": '{"name": ["Peñaflor is taken."]}'.encode()},
        {"status": 302, "headers": {"Location": "https://example.com/?name=Peñaflor"}},
    ],
    ids=str,
)
async def test_the_log_tells_what_happened_but_not_what_is_sought(clock, caplog, fault):
    caplog.set_level(logging.DEBUG)
    async with MockServer(3) as sandbox, sandbox.session(retry=clock.policy(attempts=3)) as piriod:
        sandbox.fail(**fault, times=None)
        with pytest.raises(PiriodError) as caught:
            await piriod.customers(**SOUGHT).collect()
        sandbox.heal()
        assert await piriod.customers(**SOUGHT).collect() == []
    ours = [record for record in caplog.records if record.name == "piriod_async"]
    assert len([record for record in ours if record.levelno == logging.INFO]) == caught.value.attempts - 1
    assert any(": 200 at attempt 1" in record.getMessage() for record in ours)
    loud = [record for record in caplog.records if record.levelno > logging.DEBUG]
    assert not [
        record for record in [*ours, *loud] for word in WORDS if word in repr(vars(record)) + record.getMessage()
    ]


async def test_not_a_word_of_what_is_sought_where_the_answer_is_not_http(clock):
    async def connected(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with (
        await asyncio.start_server(connected, "127.0.0.1") as server,
        session_at(url(server), retry=clock.policy()) as piriod,
    ):
        with pytest.raises(APIConnectionError, match="ClientResponseError 400") as caught:
            await piriod.customers(**SOUGHT).collect()
    assert not [word for word in WORDS if word in str(caught.value)]
