"""Responses that are unusual and can be read: a byte order mark, `x-gzip`, long headers."""

import asyncio
import gzip
import zlib
from codecs import BOM_UTF8
from contextlib import suppress

import pytest

from piriod_async import APIConnectionError, BadRequestError, DecodeError, PiriodSession, RetryPolicy, ServerError
from piriod_async.testing import MockServer

pytestmark = pytest.mark.usefixtures("no_leaks")

PAGE = b'{"count": 1, "next": null, "results": [{"id": "cus_1", "name": "x", "created": "2026-01-01T00:00:00Z"}]}'
X_GZIP = {"Content-Encoding": "X-Gzip"}
ONCE = RetryPolicy(attempts=1)


async def ids_from(body, headers=None, **options):
    """Return the ids of customers read from a response."""
    async with MockServer(3) as server, server.session(retry=ONCE, **options) as piriod:
        server.fail(body=body, headers=headers or {})
        customers = await piriod.customers().collect()
        assert len(server.requests) == 1
    return [customer.id for customer in customers]


async def test_byte_order_mark():
    """A byte order mark before the JSON is ignored."""
    assert await ids_from(BOM_UTF8 + PAGE) == ["cus_1"]


async def test_byte_order_mark_of_an_error():
    """So is one before the JSON of an error, whose `body` is unchanged."""
    body = BOM_UTF8 + b'{"country": ["Unknown."]}'
    async with MockServer(3) as server, server.session() as piriod:
        server.fail(status=400, body=body)
        with pytest.raises(BadRequestError) as caught:
            await piriod.customers().collect()
    assert (caught.value.errors, caught.value.body) == ({"country": ["Unknown."]}, body)


async def test_x_gzip():
    """`x-gzip` is another name of `gzip`; a stream may have several members."""
    assert await ids_from(gzip.compress(PAGE), X_GZIP) == ["cus_1"]
    assert await ids_from(gzip.compress(PAGE[:50]) + gzip.compress(PAGE[50:]), X_GZIP) == ["cus_1"]


async def test_x_gzip_error():
    """The body of an error is decompressed too, or kept as it is if it is not compressed."""
    for sent in (gzip.compress(b'{"detail": "Down."}'), b'{"detail": "Down."}'):
        async with MockServer(3) as server, server.session(retry=ONCE) as piriod:
            server.fail(status=500, body=sent, headers=X_GZIP)
            with pytest.raises(ServerError) as caught:
                await piriod.customers().collect()
        assert (caught.value.detail, caught.value.body) == ("Down.", b'{"detail": "Down."}')


@pytest.mark.parametrize("body", [PAGE, gzip.compress(PAGE)[:-20], zlib.compress(PAGE)], ids=["plain", "cut", "zlib"])
async def test_malformed_x_gzip(body):
    """A body that is not gzip, or is truncated, is an incomplete response."""
    with pytest.raises(APIConnectionError, match="x-gzip") as caught:
        await ids_from(body, X_GZIP)
    assert caught.value.retryable


async def test_x_gzip_of_many_members():
    """A stream of empty members, each of which costs a copy of the rest, ends early."""
    with pytest.raises(APIConnectionError, match="more than 32 members"):
        await ids_from(gzip.compress(b"") * 100 + gzip.compress(PAGE), X_GZIP)


async def test_x_gzip_bomb():
    """Decompression stops at `max_page_bytes`."""
    with pytest.raises(DecodeError, match="max_page_bytes=1000"):
        await ids_from(gzip.compress(bytes(50_000_000)), X_GZIP, max_page_bytes=1_000)


@pytest.mark.parametrize("headers", [{"X-Policy": "p" * 60_000}, {"X" * 9_000: "p"}], ids=["value", "name"])
async def test_long_header(headers):
    """A proxy may add headers that are longer than aiohttp accepts by default."""
    assert await ids_from(PAGE, headers) == ["cus_1"]


async def test_status_that_was_not_sent():
    """A response that is not HTTP has no status, and the message names none."""

    async def connected(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(connected, "127.0.0.1") as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with PiriodSession("token", "acc", base_url=url, retry=ONCE) as piriod:
            with pytest.raises(APIConnectionError, match="Bad status line") as caught:
                await piriod.customers().collect()
    assert "400" not in str(caught.value)
