"""A server on a socket of 127.0.0.1, in the running event loop or in a thread of its own."""

import asyncio
import socket
from abc import ABC, abstractmethod
from contextlib import suppress
from types import TracebackType
from typing import Self

from aiohttp import web

from piriod_async.testing.mock_server.loop_thread import LoopThread


class LocalServer(ABC):
    """A server that responds to any request with `_handle`.

    Args:
        port: Port to listen on; 0 for any free one.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._thread: LoopThread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: web.ServerRunner | None = None
        self._listener: socket.socket | None = None
        self._stopping = asyncio.Event()

    @abstractmethod
    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse: ...

    async def start(self) -> None:
        """Listen, and serve from the running event loop. `async with` calls it for you.

        Raises:
            RuntimeError: The server is already started.
        """
        if self._runner:
            raise RuntimeError(f"{self!r} is already started")
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()  # for this event loop
        # a stalling handler is cancelled when its client disconnects
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=1.0)
        listener = socket.create_server(("127.0.0.1", self._port))
        try:
            await runner.setup()
            await web.SockSite(runner, listener).start()
        except BaseException:
            listener.close()
            await runner.cleanup()
            raise
        self._runner, self._listener = runner, listener

    async def stop(self) -> None:
        """Close the socket and all connections. Latency and stalls end at once.

        Raises:
            RuntimeError: The server runs on another event loop.
        """
        if not self._runner:
            return
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            raise RuntimeError(f"{self!r} runs on another event loop: stop it there, or end its with block")
        self._stopping.set()
        listener, self._listener = self._listener, None
        if listener:
            # asyncio drops, unclosed, a connection that is accepted in the event-loop iteration before its server is
            # closed: accept no more, and let the last ones be attached to the server first
            with suppress(NotImplementedError):  # from the event loop of Windows, which attaches as it accepts
                loop.remove_reader(listener)
            await asyncio.sleep(0)
        await self._runner.cleanup()
        self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    def __enter__(self) -> Self:
        thread = LoopThread("piriod-mock-server")
        try:
            thread.run(self.start())
        except BaseException:
            thread.close()
            raise
        self._thread = thread
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        thread, self._thread = self._thread, None
        if thread:
            try:
                thread.run(self.stop())
            finally:
                thread.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.url}>" if self._runner else f"<{type(self).__name__}, not started>"

    @property
    def url(self) -> str:
        """Base URL, such as `http://127.0.0.1:41234`.

        Raises:
            RuntimeError: The server is not started.
        """
        host, port = self.address
        return f"http://{host}:{port}"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port.

        Raises:
            RuntimeError: The server is not started.
        """
        if self._runner is None:
            raise RuntimeError("the mock server is not started: use with MockServer() as server, or async with")
        host, port = self._runner.addresses[0]
        return host, port
