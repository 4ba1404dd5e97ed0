"""Serves an aiohttp application."""

import socket
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def serve(app):
    """Serve an application, with socket buffers small enough for back-pressure; yield its URL."""
    runner = web.AppRunner(app)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
    await web.SockSite(runner, listener).start()
    try:
        yield "http://{}:{}".format(*runner.addresses[0])
    finally:
        await runner.cleanup()
