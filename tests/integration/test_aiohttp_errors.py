"""Errors of listings as HTTP responses of an aiohttp application."""

import asyncio
import json
import logging
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from piriod_async import PIRIOD, ConfigurationError, RetryPolicy, piriod_context, piriod_errors
from piriod_async.testing.mock_server import MockServer, Unchecked
from tests.support.web_app import serve

pytestmark = pytest.mark.usefixtures("no_leaks")

ONCE = RetryPolicy(attempts=1)


async def find(request):
    customer = await request.app[PIRIOD].customers(tax_id=request.query.get("tax_id")).first()
    return web.json_response({"id": customer and customer.id})


async def stream(request):
    response = web.StreamResponse()
    await response.prepare(request)
    async for customer in request.app[PIRIOD].customers():
        await response.write(f"{customer.id}\n".encode())
    return response


async def across(request):
    listing = request.app[PIRIOD].across(["acc_1", "acc_2"], on_error="collect")
    await listing.collect()
    listing.raise_for_errors()


@asynccontextmanager
async def serving(*handlers, retry=ONCE, **options):
    """Serve handlers under their names; yield a function that gets one, the mock server, and the session."""
    async with MockServer({"acc_1": 250, "acc_2": 5}) as server, aiohttp.ClientSession() as client:
        app = web.Application(middlewares=[piriod_errors])
        app.add_routes([web.get(f"/{handler.__name__}", handler) for handler in handlers])
        app.cleanup_ctx.append(piriod_context(server.token, "acc_1", base_url=server.url, retry=retry, **options))
        async with serve(app) as url:

            async def get(path):
                async with client.get(url + path) as response:
                    return response.status, response.headers.get("Retry-After"), await response.read()

            yield get, server, app[PIRIOD]


async def test_success():
    """A response without an error passes unchanged, and so does a 404 of the application."""
    async with serving(find) as (get, server, _):
        status, _, body = await get(f"/find?tax_id={server.customers()[3]['tax_id']}")
        assert (status, json.loads(body)) == (200, {"id": server.customers()[3]["id"]})
        assert (await get("/nothing"))[0] == 404


async def test_query_error():
    """A filter that the API would misread is a 400 that names it; nothing was sent."""
    async with serving(find) as (get, server, _):
        status, retry_after, body = await get("/find?tax_id=%20")
        assert (status, retry_after) == (400, None)
        assert json.loads(body)["error"] == "QueryError"
        assert json.loads(body)["message"].startswith("tax_id=' ': expected")
        assert server.requests == []


@pytest.mark.parametrize(
    ("fault", "status", "wait_at_least"),
    [
        ({"status": 429, "retry_after": 7}, 503, 7),
        ({"status": 429}, 503, 1),
        ({"status": 503, "retry_after": 3}, 503, 3),
        ({"status": 503}, 502, None),
        ({"status": 500}, 502, None),
        ({"status": 401}, 502, None),
        ({"status": 403}, 502, None),
        ({"disconnect": "headers"}, 502, None),
        ({"body": b"<html>"}, 502, None),
    ],
    ids=str,
)
async def test_api_error(fault, status, wait_at_least, caplog):
    """A throttling API is a 503 that says when to try again, any other error a 502; the message is in the log alone."""
    async with serving(find) as (get, server, _):
        server.fail(**fault)
        answered, wait, body = await get("/find")
        assert answered == status
        assert wait is None if wait_at_least is None else int(wait) - wait_at_least in (0, 1)  # jitter is added
        assert set(json.loads(body)) == {"error", "message"}
        assert b"acc_1" not in body
    [record] = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert record.getMessage().startswith(f"GET /find: {status}: ")
    assert "acc_1" in record.getMessage()


async def test_long_pause():
    """While the API asks for a silence that is too long to wait for, requests are answered at once."""
    async with serving(find, retry=RetryPolicy(max_retry_after=10)) as (get, server, _):
        server.fail(status=503, retry_after=1_000)
        assert (await get("/find"))[:2] == (503, "1000")
        status, wait, _ = await get("/find")
        assert (status, int(wait) > 900) == (503, True)
        assert len(server.requests) == 1


async def test_pause_of_another_request():
    """While the limiter is paused, an error of any kind is a 503 with the rest of the pause."""
    started, finish = asyncio.Event(), asyncio.Event()

    async def fail(request):
        started.set()
        await finish.wait()
        request.app[PIRIOD]._transport.limiter.pause(50)
        return await find(request)

    async with serving(fail) as (get, _, piriod):
        await piriod.customers().count()
        failing = asyncio.create_task(get("/fail"))
        await started.wait()
        finish.set()
        async with asyncio.timeout(30):
            while piriod.stats.paused_until is None:  # noqa: ASYNC110
                await asyncio.sleep(0)
        await piriod.close()
        status, wait, _ = await failing
        assert (status, int(wait) > 40) == (503, True)


async def test_spent_budget(monkeypatch):
    """Once the retry budget is spent, a failure is a 503."""
    monkeypatch.setattr("piriod_async.transport.retry_budget.RETRY_COST", 501)
    async with serving(find, retry=RetryPolicy()) as (get, server, _):
        server.fail(status=500)
        assert (await get("/find"))[:2] == (503, "1")
        assert len(server.requests) == 1


async def test_customer_data():
    """A value that cannot be decoded is not in the response."""
    async with serving(find) as (get, server, _):
        server.update(server.customers()[0]["id"], phone=Unchecked({"secret": "5550199"}))
        status, _, body = await get("/find")
        assert (status, json.loads(body)["error"]) == (502, "DecodeError")
        assert b"5550199" not in body


async def test_group():
    """So are the errors of many workspaces: 503 if each may pass, else 502."""
    async with serving(across) as (get, server, _):
        server.fail(status=429, retry_after=2, workspace="acc_1")
        server.fail(status=429, retry_after=9, workspace="acc_2")
        status, wait, _ = await get("/across")
        assert (status, int(wait) >= 8) == (503, True)
    async with serving(across) as (get, server, _):
        server.fail(status=500, workspace="acc_1")
        server.fail(status=403, workspace="acc_2")
        assert (await get("/across"))[:2] == (502, None)


async def test_response_begun():
    """Once a response has begun, an error cuts it off, so that nobody takes it for complete."""
    async with serving(stream) as (get, server, _):
        server.update(server.customers()[-1]["id"], phone=Unchecked(5))
        with pytest.raises(aiohttp.ClientPayloadError):
            await get("/stream")


@pytest.mark.parametrize("error", [ConfigurationError("token"), ValueError("bug"), ExceptionGroup("", [KeyError()])])
async def test_mistake(error):
    """A mistake of the application stays a 500."""

    async def fail(_):
        raise error

    async with serving(fail) as (get, _, _):
        assert (await get("/fail"))[0] == 500
