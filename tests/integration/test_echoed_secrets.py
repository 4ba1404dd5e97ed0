"""A server that echoes the request, as debug pages and debugging proxies do, puts the token into no error."""

import asyncio
import html
import json
import logging
import pickle
from contextlib import suppress
from urllib.parse import quote

import pytest

from piriod_async import (
    APIConnectionError,
    APIStatusError,
    DecodeError,
    FilterIgnoredError,
    PiriodError,
    PiriodSession,
    RetryPolicy,
)
from piriod_async.testing.mock_server import MockServer
from tests.support.command import env_of
from tests.support.reports import chain_of, report_of, without_callers

pytestmark = pytest.mark.usefixtures("no_leaks")

TOKEN = "tk/live+" + "0123456789abcdef" * 6
PART = "0123456789abcdef"
HEADER = f"Authorization: Token {TOKEN}"
ESCAPES = {
    "plain": str,
    "json": json.dumps,
    "json_slashes": lambda text: json.dumps(text).replace("/", r"\/"),
    "url": lambda text: quote(text, safe=""),
    "html": html.escape,
    "debug_page": lambda text: f"<h1>DEBUG</h1><pre>{html.escape(repr({'headers': text}))}</pre>",
    "detail": lambda text: json.dumps({"detail": f"Unknown: {text}", "code": ["x"]}),
    "fields": lambda text: json.dumps({"headers": {"Authorization": [text]}, text: ["Unknown."]}),
}
PERSON = {"id": "cus_1", "name": "Ñandú", "created": "2026-01-01T00:00:00Z"}


def page_of(**record):
    """Return the body of a page with one customer."""
    return json.dumps({"count": 1, "next": None, "previous": None, "results": [PERSON | record]}).encode()


async def failure_of(fault, attempts=None, **filters):
    """Return the error of a listing against a server with a fault."""
    async with MockServer(3, token=TOKEN) as server:
        server.fail(**fault, times=None)
        hook = None if attempts is None else attempts.append
        options = {"base_url": server.url, "retry": RetryPolicy(attempts=2, wait_initial=0), "on_attempt": hook}
        async with PiriodSession(TOKEN, server.workspace, **options) as piriod:
            with pytest.raises(PiriodError) as caught:
                await piriod.customers(**filters).collect()
    return without_callers(caught.value)


def check(error):
    """Check that an error, its attributes, its causes and its pickle have stars in place of the token."""
    assert PART not in report_of(error)
    for each in chain_of(error):
        assert PART not in f"{each} {each!r} {each.args} {vars(each)}"
    assert PART.encode() not in pickle.dumps(error)


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)
@pytest.mark.parametrize("status", [206, 400, 401, 404, 418, 500])
async def test_body(status, escape, caplog):
    """The token in the body of an error is replaced, and the rest of the body stays."""
    caplog.set_level(logging.DEBUG)
    attempts = []
    error = await failure_of({"status": status, "body": escape(HEADER).encode()}, attempts)
    assert isinstance(error, APIStatusError)
    assert error.status == status
    assert b"Authorization" in error.body
    assert b"********" in error.body
    check(error)
    assert attempts
    for attempt in attempts:
        if attempt.error:
            check(attempt.error)
    assert PART not in caplog.text


@pytest.mark.parametrize("length", range(1, 130, 7))
async def test_body_cut_off(length):
    """A body may end anywhere within the token; fewer than 8 characters of it may remain."""
    error = await failure_of({"status": 400, "body": b"a" * 100 + HEADER[:length].encode()})
    check(error)
    assert TOKEN[:8].encode() not in error.body


async def test_location():
    """So is one in a header that the error shows."""
    fault = {"status": 302, "headers": {"Location": f"https://a.com/?authorization={quote(f'Token {TOKEN}', safe='')}"}}
    error = await failure_of(fault)
    assert "https://a.com/?authorization=Token%20********" in str(error)
    check(error)


@pytest.mark.parametrize(
    "body",
    [
        HEADER.encode(),
        json.dumps({"headers": HEADER}).encode(),
        HEADER.encode() + b"\xff",
        page_of(created=HEADER),
        page_of(id=HEADER, created="yesterday"),
        page_of(country=[HEADER]),
    ],
    ids=["text", "json", "not_utf8", "created", "id", "country"],
)
async def test_not_a_page(body):
    """So is one in a body, of status 200, that cannot be decoded."""
    error = await failure_of({"body": body})
    assert isinstance(error, DecodeError)
    check(error)


@pytest.mark.parametrize("record", [{"created": HEADER}, {"id": HEADER, "created": "yesterday"}, {"country": [HEADER]}])
async def test_skipped_record(record, caplog):
    """So is one in a record that is left out, and in its log lines."""
    caplog.set_level(logging.DEBUG)
    async with MockServer(3, token=TOKEN) as server, server.session() as piriod:
        server.fail(body=page_of(**record))
        listing = piriod.customers(on_invalid="skip")
        assert await listing.collect() == []
    (invalid,) = listing.invalid
    assert PART.encode() not in pickle.dumps(invalid)
    assert PART not in f"{invalid} {caplog.text}"
    assert "********" in caplog.text


async def test_ignored_filter():
    """So is one in a customer that a filter excludes."""
    error = await failure_of({"body": page_of(name=HEADER)}, name="other")
    assert isinstance(error, FilterIgnoredError)
    check(error)


async def test_raw():
    """A page that can be decoded is delivered as it was received."""
    body = page_of(name=HEADER)
    async with MockServer(3, token=TOKEN) as server, server.session() as piriod:
        server.fail(body=body)
        assert [page.raw async for page in piriod.customers().pages()] == [body]


@pytest.mark.parametrize(
    "prefix",
    [b"", b"HTTP/1.1 ", b"HTTP/1.1 500 ", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 400 No\r\nRequest-Id: "],
    ids=len,
)
@pytest.mark.parametrize("end", [None, -2], ids=["complete", "cut_off"])
async def test_raw_echo(prefix, end):
    """So is one in bytes that are not HTTP or not all of it, which aiohttp quotes, or in a reason phrase or id."""

    async def connected(reader, writer):
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(prefix + request[request.index(b"Authorization") : end])
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(connected, "127.0.0.1") as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with PiriodSession(TOKEN, "acc", base_url=url, retry=RetryPolicy(attempts=1)) as piriod:
            with pytest.raises(PiriodError) as caught:
                await piriod.customers().collect()
    check(without_callers(caught.value))
    assert "RawResponseMessage" not in str(caught.value)


async def test_other_error_of_the_session():
    """A session without an echo shows the status that the server sent, and nothing changes in its message."""
    error = await failure_of({"status": 418, "body": b'{"detail": "a teapot"}'})
    assert str(error) == "GET /customers/ page 1 of acc_mock: 418 I'm a Teapot: a teapot [request req_00000001]"
    assert not isinstance(error, APIConnectionError)


@pytest.mark.parametrize("body", [b"{}", page_of(name="other")], ids=["not_a_page", "ignored_filter"])
async def test_error_handled_by_the_caller(body):
    """An error that the caller handles while it lists customers keeps its traceback, arguments and attributes."""
    handled = LookupError("https://me:password@example.com")
    async with MockServer(3) as server, server.session() as piriod:
        server.fail(body=body, times=None)
        try:
            raise handled
        except LookupError:
            with pytest.raises(PiriodError):
                await piriod.customers(name="name").first()
            with pytest.raises(PiriodError):
                await piriod.customers(name="name").count()
    assert handled.__traceback__
    assert handled.args == ("https://me:password@example.com",)


async def test_command(run_cli_in_thread):
    """The command prints no token either."""
    async with MockServer(3, token=TOKEN) as server:
        server.fail(status=500, body=HEADER.encode(), times=None)
        done = await run_cli_in_thread("customers", "-v", **env_of(server))
    assert done.returncode == 1
    assert "Authorization: Token ********" in done.stderr
    assert PART not in done.stdout + done.stderr
