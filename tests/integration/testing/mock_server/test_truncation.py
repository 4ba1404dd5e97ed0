"""Responses that break off."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import ClientError, ClientPayloadError

from piriod_async.testing import MockServer
from tests.support.raw_client import serve


@pytest.mark.parametrize("where", ["headers", "body"])
async def test_reset(where: Any) -> None:
    """A disconnect is a TCP reset, before the headers or after some of the body, and is recorded as status 0."""
    async with MockServer(20) as server:
        server.fail(disconnect=where)
        reader, writer = await asyncio.open_connection(*server.url.removeprefix("http://").split(":"))
        writer.write(b"GET /customers/ HTTP/1.1\r\nHost: x\r\n\r\n")
        if where == "body":
            assert b"Content-Length" in await reader.readuntil(b"\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        assert [request.status for request in server.requests] == [0]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"disconnect": "headers", "times": 2}, ClientError),  # aiohttp repeats the request once
        ({"disconnect": "body"}, (ClientError, ConnectionResetError)),
        ({"truncate": "length"}, ClientPayloadError),
        ({"truncate": "json"}, json.JSONDecodeError),
    ],
)
async def test_client_error(fault: Any, error: Any) -> None:
    """An aiohttp client sees each truncation as an error, and the next request succeeds."""
    async with serve(20) as (server, client):
        server.fail(**fault)
        with pytest.raises(error):
            await client.page("page_size=100")
        assert len(await client.ids("page_size=100")) == 20
