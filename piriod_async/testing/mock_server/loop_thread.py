"""An event loop in a thread of its own."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """A thread that runs an event loop until it is closed.

    Args:
        name: Name of the thread.
    """

    def __init__(self, name: str) -> None:
        started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = Thread(target=_run, args=(started,), name=name, daemon=True)
        self._thread.start()
        self._loop, self._closing = started.result()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop, and wait for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def close(self) -> None:
        """Cancel the tasks that are left, close the loop, and wait for the thread to end."""
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()


def _run(started: "Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]") -> None:
    async def wait_until_closed() -> None:
        closing = asyncio.Event()
        started.set_result((asyncio.get_running_loop(), closing))
        await closing.wait()

    try:
        with asyncio.Runner() as runner:
            runner.get_loop()  # fails for want of file descriptors, perhaps
            runner.run(wait_until_closed())
    except BaseException as error:
        if started.done():
            raise
        started.set_exception(error)
