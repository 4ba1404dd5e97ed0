"""A mock server in a process of its own, so that what is measured is the client alone."""

import asyncio
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from piriod_async.testing.mock_server import MockServer

_processes = multiprocessing.get_context("spawn")


@contextmanager
def served(prepare: Callable[[MockServer], object] = id, **options: Any) -> Iterator[str]:
    """Serve a mock server until the block ends, and give its address.

    Args:
        prepare: Lets it misbehave, before it is asked anything; a function of a module.
        **options: What `MockServer` takes.
    """
    here, there = _processes.Pipe()
    process = _processes.Process(target=_serve, args=(there, prepare, options), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()


def _serve(parent: Connection, prepare: Callable[[MockServer], object], options: Any) -> None:
    async def serve() -> None:
        async with MockServer(**options) as server:
            prepare(server)
            parent.send(server.url)
            while True:
                await asyncio.sleep(60)
                server.requests.clear()

    asyncio.run(serve())
