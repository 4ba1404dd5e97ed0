"""`with MockServer()`: a server in a thread of its own."""

import asyncio
import json
import os
import socket
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from piriod_async.testing import MockServer, no_backoff
from piriod_async.testing.mock_server.ordering import order_customers


@pytest.fixture(autouse=True)
def no_thread_or_socket_left() -> Iterator[None]:
    """Fail a test that leaves a thread or an open file."""
    threads, files = threading.enumerate(), _open_files()
    yield
    assert threading.enumerate() == threads
    assert _open_files() == files


def _open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.exists() else 0  # noqa: PTH208


def fetch(server: MockServer, query: str = "") -> dict[str, Any]:
    """Send a request as synchronous code does."""
    headers = {"Authorization": f"Token {server.token}", "x-simple-workspace": server.workspace}
    request = urllib.request.Request(f"{server.url}/customers/?{query}", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        body: dict[str, Any] = json.load(response)
        return body


async def count(server: MockServer) -> int:
    async with server.session() as piriod:
        return len(await piriod.customers().collect())


def test_synchronous_code() -> None:
    """Synchronous code gets responses, and its changes show in the next one."""
    with MockServer(3) as server:
        added = server.add(name="Ñandú SpA")
        assert fetch(server)["results"][0]["id"] == added
        server.remove(added)
        assert fetch(server)["count"] == 3
        assert [request.status for request in server.requests] == [200, 200]


def test_event_loops_that_come_and_go() -> None:
    """One server serves several event loops, one after the other."""
    with MockServer(150) as server, no_backoff():
        assert asyncio.run(count(server)) == 150
        server.fail(status=503, times=2)
        assert asyncio.run(count(server)) == 150
    assert [request.status for request in server.requests[-4:]].count(503) <= 2


async def test_inside_an_event_loop() -> None:
    """It works in async code too."""
    with MockServer(150) as server:
        assert await count(server) == 150


def test_restart() -> None:
    """A server can run in a thread, then on an event loop, then in a thread again."""
    server = MockServer(3)

    async def on_event_loop() -> None:
        async with server:
            assert await count(server) == 3

    with server:
        assert fetch(server)["count"] == 3
    asyncio.run(on_event_loop())
    with server:
        assert fetch(server)["count"] == 3
    assert len(server.requests) == 3


def test_started_twice() -> None:
    """A server that is started is not started again, and is left as it is."""
    with MockServer(3) as server:
        with pytest.raises(RuntimeError, match=r"<MockServer at http://.*> is already started"), server:
            pass
        with pytest.raises(RuntimeError, match="runs on another event loop"):
            asyncio.run(server.stop())
        assert fetch(server)["count"] == 3


def test_port_taken() -> None:
    """An error at the start is raised where the server is started."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = MockServer(3, port=listener.getsockname()[1])
        with pytest.raises(OSError, match="in use"), server:
            pass
        with pytest.raises(OSError, match="in use"):
            asyncio.run(server.start())
    assert repr(server) == "<MockServer, not started>"


def test_error_in_block() -> None:
    """An error in the block ends the server, and is not replaced by another."""
    with pytest.raises(ZeroDivisionError), MockServer(3) as server:
        server.rate_limit(1 / 0)


@pytest.mark.parametrize("kind", ["latency", "stall"])
def test_stop_ends_pending_responses(kind: str) -> None:
    """The end of the block does not wait for a response that is late or stalls."""
    with ExitStack() as stack:
        with MockServer(3, latency=1_000 if kind == "latency" else 0) as server:
            if kind == "stall":
                server.fail(stall=True)
            client = stack.enter_context(socket.create_connection((URL(server.url).host, URL(server.url).port)))
            client.sendall(b"GET /customers/ HTTP/1.1\r\nHost: x\r\n\r\n")
            if kind == "stall":
                assert client.recv(1)
        client.settimeout(30)
        with suppress(ConnectionResetError):  # an orderly end would look like a complete response
            while client.recv(65_536):
                pass


def test_changes_from_many_threads() -> None:
    """Changes, faults and requests of several threads do not disturb each other."""

    def work(number: int) -> None:
        for step in range(20):
            id_ = server.add(id=f"cus_{number}_{step}")
            server.update(id_, name="Nueva")
            server.fail(garbage="json", workspace="acc_other")
            assert fetch(server, f"page_size=100&country={'CL' if step % 2 else 'MX'}")["count"] <= 300
            assert len(server.customers()) >= 200
            server.clear_faults()
            server.rate_limit(None)
            server.remove(id_)

    with MockServer(200) as server, ThreadPoolExecutor(4) as threads:
        for outcome in [threads.submit(work, number) for number in range(4)]:
            outcome.result()
        assert len(server.customers()) == 200
        assert len(server.changes) == 3 * 80
        assert len(server.requests) == 80
        assert {request.status for request in server.requests} == {200}


def test_change_during_a_response(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change waits until the list is selected; a later response has it."""
    removals: list[threading.Thread] = []

    def order_and_remove(*args: Any) -> Any:
        removal = threading.Thread(target=server.remove, args=("cus_1",))
        if not removals:
            removals.append(removal)
            removal.start()
            removal.join(0.2)  # it has the time to disturb, if it could
        return order_customers(*args)

    monkeypatch.setattr("piriod_async.testing.mock_server.table.order_customers", order_and_remove)
    with MockServer([{"id": "cus_1"}, {"id": "cus_2"}]) as server:
        assert fetch(server)["count"] == 2
        removals[0].join()
        assert [customer["id"] for customer in fetch(server)["results"]] == ["cus_2"]


def test_no_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the thread cannot have an event loop, the error is raised instead of waiting for it."""

    def no_files(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("asyncio.events.new_event_loop", no_files)
    with pytest.raises(OSError, match="Too many open files"), MockServer(3):
        pass
