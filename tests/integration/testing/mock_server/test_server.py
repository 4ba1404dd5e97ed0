"""The server's lifecycle, options and example."""

import asyncio
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession

import piriod_async.testing
from piriod_async.testing import MockServer, no_backoff
from tests.support.raw_client import RawClient, serve


def other_tasks() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_docstring_example() -> None:
    """The example in the docstring of `MockServer` runs."""
    _, example, _ = inspect.cleandoc(MockServer.__doc__ or "").split("```")
    source = f"async def example():\n{textwrap.indent(example.removeprefix('python'), '    ')}"
    namespace: dict[str, Any] = dict(vars(piriod_async.testing))
    exec(source, namespace)
    with no_backoff():
        await namespace["example"]()


async def test_recorded_requests() -> None:
    """Requests are recorded with decoded query, page number and status."""
    async with serve(45) as (server, client):
        for query in ("name=&page=1", "page=last", "page=2&name=", "page=0", "page=4", "page=-1", "page=x"):
            await client.fetch(query)
        assert [request.page for request in server.requests] == [1, None, 2, 0, 4, None, None]
        assert [request.status for request in server.requests] == [200, 200, 200, 404, 404, 404, 404]
        assert server.requests[0].query == (("name", ""), ("page", "1"))
        assert server.requests[2].params == {"page": "2", "name": ""}


async def test_request_id() -> None:
    """Every response has an id, errors included."""
    async with serve(0) as (_, client):
        for number, status in ((1, 401), (2, 200)):
            async with client.send(authorization=None if status == 401 else f"Token {client.token}") as response:
                assert (response.status, response.headers["X-Request-Id"]) == (status, f"req_{number:08}")


async def test_repr() -> None:
    """The repr shows the URL, or that the server is not started."""
    server = MockServer(0)
    assert repr(server) == "<MockServer, not started>"
    async with server:
        assert repr(server) == f"<MockServer at {server.url}>"
    assert repr(server) == "<MockServer, not started>"


async def test_ignored_params() -> None:
    """Ignored query parameters are not even validated."""
    async with serve(3, ignored_params={"country"}) as (_, client):
        assert (await client.page("country=XX"))["count"] == 3


async def test_session() -> None:
    """`session()` connects a client of this library, and takes its options."""
    async with MockServer(20) as server, server.session(concurrency=2) as piriod:
        ids = [customer.id for customer in await piriod.customers().collect()]
        assert ids == [customer["id"] for customer in server.customers()]


async def test_restart() -> None:
    """A stopped server can be started again."""
    server = MockServer(20)
    for _ in range(2):
        async with server, ClientSession() as http:
            assert len(await RawClient(http, server.url, server.token, server.workspace).ids()) == 20
    with pytest.raises(RuntimeError, match="not started"):
        server.url  # noqa: B018


async def test_stop_ends_stall() -> None:
    """`stop` closes the connection of a stalled response, and leaves no task."""
    before = other_tasks()
    async with serve(20) as (server, client):
        server.fail(stall=True)
        async with client.send() as response:
            assert await response.content.readany()
            await server.stop()
            with pytest.raises((ClientError, ConnectionResetError)):
                await response.read()
    assert other_tasks() == before


async def test_stop_ends_latency() -> None:
    """`stop` sends delayed responses at once, and leaves no task."""
    before = other_tasks()
    async with serve(20, latency=(1_000, 2_000)) as (server, client):
        late = asyncio.create_task(client.ids())
        await until(lambda: server._runner and server._runner.server.requests_count)
        await server.stop()
        assert len(await late) == 20
    assert other_tasks() == before


async def test_client_disconnects() -> None:
    """A client that disconnects ends its stall or latency; a request without response is recorded with status 0."""
    async with serve(20, latency=(0, 0)) as (server, client):
        before = other_tasks()
        server.fail(stall=True)
        async with client.send() as response:
            await response.content.readany()
            response.close()
        await until(lambda: other_tasks() == before)
        server._latency = (1_000, 1_000)
        gone = asyncio.create_task(client.ids())
        await until(lambda: server._runner.server.requests_count == 2)
        gone.cancel()
        await until(lambda: len(server.requests) == 2)
        assert [request.status for request in server.requests] == [200, 0]
