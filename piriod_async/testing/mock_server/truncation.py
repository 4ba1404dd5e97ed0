"""Answers that end before their time."""

import asyncio
import os
import socket
import struct
from typing import Literal

from aiohttp import web

Cut = Literal["headers", "body", "length", "json", "stall"]
"""Reset before the ``headers`` or in the ``body``; closed before the promised ``length``; half of the ``json`` as if it
were all; or a ``stall`` in the body."""


async def send_cut(
    response: web.Response, cut: Cut, request: web.BaseRequest, stopping: asyncio.Event
) -> web.StreamResponse:
    """Send a response as far as it goes, and return what is left for the framework to do.

    Args:
        response: The whole of it.
        cut: How it ends.
        request: What it answers.
        stopping: Ends a stall.
    """
    body = bytes(response.body or b"")  # type: ignore[arg-type]
    half = body[: len(body) // 2]
    if cut == "json":
        response.body = half
        return response
    sent: web.StreamResponse = response
    if cut != "headers":
        sent = web.StreamResponse(status=response.status, headers=response.headers)
        sent.content_length = len(body)
        await sent.prepare(request)
        await sent.write(half)
    if cut == "stall":
        await stopping.wait()
    if transport := request.transport:
        if cut != "length":
            # to linger for no time at all makes the kernel send RST and not FIN
            no_linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
            transport.abort()
        transport.close()
    return sent
