"""Stopping the server while connections are being opened."""

import asyncio
import gc
import socket
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
from yarl import URL

from piriod_async.testing import MockServer


@contextmanager
def open_connections(url: str, count: int) -> Iterator[list[socket.socket]]:
    """Open connections without waiting for the server to accept them."""
    address = (URL(url).host, URL(url).port)
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(address)) for _ in range(count)]
        for client in clients:
            client.setblocking(False)
        yield clients


@pytest.mark.parametrize("iterations", range(6))
async def test_stop_while_accepting(iterations: int) -> None:
    """Whatever the server is about to accept when it stops is closed, not left to the garbage collector."""
    loop = asyncio.get_running_loop()
    server = MockServer(0)
    await server.start()
    with open_connections(server.url, 20) as clients, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(iterations):
            await asyncio.sleep(0)
        await server.stop()
        gc.collect()
        assert not caught
        async with asyncio.timeout(10):
            for client in clients:
                with suppress(ConnectionResetError):  # it was never accepted
                    assert await loop.sock_recv(client, 1) == b""
