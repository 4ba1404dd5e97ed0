"""Responses that `fail` replaces, and the requests that it affects."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from piriod_async.testing import MockServer
from tests.support.raw_client import serve

NOON = datetime(2031, 5, 5, 12, tzinfo=UTC)


async def test_status() -> None:
    """A status precedes authentication, carries `Retry-After`, and lasts for `times` requests."""
    async with serve(1) as (server, client):
        server.fail(status=503, times=2, retry_after=1)
        for _ in range(2):
            response = await client.fetch(authorization="not checked")
            assert (response.status, response.headers["Retry-After"]) == (503, "1")
            assert response.body == {"detail": "Service Unavailable"}
        await client.page()
        assert [request.status for request in server.requests] == [503, 503, 200]


async def test_unassigned_status() -> None:
    """A status without a standard phrase is sent all the same."""
    async with serve(1) as (server, client):
        server.fail(status=599)
        response = await client.fetch()
        assert (response.status, response.body) == (599, {"detail": "Unknown"})


async def test_html() -> None:
    """A page of HTML, with a `Retry-After` that is a date."""
    async with serve(1) as (server, client):
        server.fail(status=502, html=True, retry_after=NOON)
        async with client.send() as response:
            assert (response.status, response.content_type) == (502, "text/html")
            assert "502 Bad Gateway" in await response.text()
            assert response.headers["Retry-After"] == "Mon, 05 May 2031 12:00:00 GMT"


async def test_body_and_headers() -> None:
    """A body of one's own has status 200, and headers override the default ones."""
    async with serve(1) as (server, client):
        server.fail(body=b"[]", headers={"Content-Type": "text/plain", "X-Custom": "yes"})
        async with client.send() as response:
            assert (response.status, response.content_type, response.headers["X-Custom"]) == (200, "text/plain", "yes")
            assert await response.read() == b"[]"


async def test_garbage() -> None:
    """Garbage is HTML, or broken JSON, with status 200."""
    async with serve(1) as (server, client):
        server.fail(garbage="html")
        server.fail(garbage="json")
        async with client.send() as response:
            assert (response.status, response.content_type) == (200, "text/html")
        with pytest.raises(json.JSONDecodeError):
            await client.page()


async def test_page_and_workspace() -> None:
    """A fault for one page of one workspace affects no other request, and lasts until `clear_faults`."""
    async with serve({"acc_1": 30, "acc_2": 30}) as (server, client):
        server.fail(status=500, page=2, workspace="acc_2", times=None)
        await client.page("page=2")
        await client.page(x_simple_workspace="acc_2")
        for _ in range(3):
            assert (await client.fetch("page=2", x_simple_workspace="acc_2")).status == 500
        server.clear_faults()
        await client.page("page=2", x_simple_workspace="acc_2")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"disconnect": "bdy"}, "disconnect='bdy': expected 'headers' or 'body'"),
        ({"truncate": True}, "truncate=True: expected 'length' or 'json'"),
        ({"garbage": "xml"}, "garbage='xml': expected 'html' or 'json'"),
        ({"status": "503"}, "status='503': expected an HTTP status, 100 to 599"),
        ({"status": 99_999}, "status=99999: expected"),
        ({"status": 503, "times": 0}, "times=0: expected a whole number, 1 or more"),
        ({"status": 503, "retry_after": "x"}, "retry_after='x': expected a number of seconds, 0 or more"),
    ],
)
def test_invalid_values(options: Any, message: str) -> None:
    """A value that a fault does not have is named, and is not taken for another."""
    with pytest.raises(ValueError, match=f"^{message}"):
        MockServer().fail(**options)


@pytest.mark.parametrize(
    "options",
    [{}, {"stall": True, "status": 500}, {"garbage": "json", "truncate": "json"}, {"stall": True, "retry_after": 1}],
)
def test_invalid_options(options: Any) -> None:
    """A fault fails in exactly one way, and options that do not go with it are refused."""
    with pytest.raises(ValueError, match="status"):
        MockServer().fail(**options)
