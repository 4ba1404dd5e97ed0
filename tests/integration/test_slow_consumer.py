"""Consumers that work on each customer without awaiting, and so block the event loop."""

import asyncio
import socket
import threading
import time
from contextlib import aclosing

import pytest

from piriod_async import PiriodSession, RetryPolicy
from piriod_async.testing import MockServer
from piriod_async.time_slice import ITERATIONS, SECONDS
from tests.support.tasks import until

pytestmark = pytest.mark.usefixtures("no_leaks")

READERS = {
    "customers": lambda piriod: aiter(piriod.customers()),
    "by page number": lambda piriod: aiter(piriod.customers(ordering="name")),
    "pages": lambda piriod: piriod.customers().pages(),
    "across": lambda piriod: aiter(piriod.across(["acc_mock"])),
    "across, pages": lambda piriod: piriod.across(["acc_mock"]).pages(),
}


@pytest.fixture
def clock(clock, monkeypatch):
    """The clock that time slices read too."""
    monkeypatch.setattr("piriod_async.time_slice.time", clock)
    for module in ("listing", "workspaces"):
        monkeypatch.setattr(f"piriod_async.{module}.monotonic", clock.monotonic)
    return clock


async def iterations_between(items, work):
    """Return how often the event loop ran after each item, on which `work` is done."""
    iterations, counts, loop = 0, [], asyncio.get_running_loop()

    def count():
        nonlocal iterations, handle
        iterations += 1
        handle = loop.call_soon(count)

    handle = loop.call_soon(count)
    async with aclosing(items):
        async for _ in items:
            counts.append(iterations)
            iterations = 0
            work()
    handle.cancel()
    return counts[1:]


@pytest.mark.parametrize("reader", ["customers", "by page number", "across"])
async def test_slow(clock, reader):
    """The event loop runs whenever a time slice is over, also between two customers of a page."""

    def work():
        clock.now += 0.4 * SECONDS

    async with MockServer(250) as server, server.session() as piriod:
        counts = await iterations_between(READERS[reader](piriod), work)
    assert min(map(sum, zip(counts, counts[1:], counts[2:], strict=False))) >= ITERATIONS


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
async def test_very_slow(clock, read):
    """A customer, or a page, that takes longer than a time slice is followed by iterations of the event loop."""

    def work():
        clock.now += SECONDS

    async with MockServer(250) as server, server.session() as piriod:
        counts = await iterations_between(read(piriod), work)
    assert min(counts) >= ITERATIONS


@pytest.mark.parametrize("reader", ["customers", "by page number", "across"])
@pytest.mark.usefixtures("clock")
async def test_fast(reader):
    """A consumer that is fast receives the customers of a page without an iteration of the event loop between them."""
    async with MockServer(250) as server, server.session() as piriod:
        counts = await iterations_between(READERS[reader](piriod), lambda: None)
    assert len([count for count in counts if count]) <= 5


class ThreadedServer:
    """Responds to one request from a thread of its own, and so while the event loop is blocked."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.received, self.may_respond = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        with self._listener, self._listener.accept()[0] as connection:
            connection.recv(65_536)
            self.received.set()
            self.may_respond.wait()
            body = b'{"count": 0, "next": null, "results": []}' + b" " * 500_000  # more than one read
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            connection.recv(1)

    def join(self):
        self._thread.join()


async def test_response_while_blocked():
    """A response that arrives while the event loop is blocked past the timeout is read, not given up."""
    server, limit = ThreadedServer(), 0.5
    options = {"base_url": server.url, "timeout": limit, "retry": RetryPolicy(attempts=1)}
    async with PiriodSession("token", "acc", **options) as piriod:
        started = time.monotonic()
        task = asyncio.create_task(piriod.customers().count())
        await until(server.received.is_set)
        server.may_respond.set()
        time.sleep(max(0, started + 2 * limit - time.monotonic()))  # noqa: ASYNC251 (on purpose)
        assert await task == 0
    await asyncio.to_thread(server.join)
