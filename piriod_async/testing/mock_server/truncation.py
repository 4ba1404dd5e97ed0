"""Responses that break off before they are complete."""

import asyncio
import os
import socket
import struct
from typing import Literal

from aiohttp import web

Truncation = Literal["headers", "body", "length", "json", "stall"]
"""Where a response breaks off: reset before the `headers` or in the middle of the `body`, closed before the promised
`length`, half of the `json` sent as if it were complete, or a `stall` after half of the body."""


async def send_truncated(
    response: web.Response, truncation: Truncation, request: web.BaseRequest, stopping: asyncio.Event
) -> web.StreamResponse:
    """Send part of a response and return what the framework has to finish.

    Args:
        response: The complete response.
        truncation: Where to break off.
        request: The request that it responds to.
        stopping: Ends a stall.
    """
    body = bytes(response.body or b"")  # type: ignore[arg-type]
    half = body[: len(body) // 2]
    if truncation == "json":
        response.body = half
        return response
    sent: web.StreamResponse = response
    if truncation != "headers":
        sent = web.StreamResponse(status=response.status, headers=response.headers)
        sent.content_length = len(body)
        await sent.prepare(request)
        await sent.write(half)
    if truncation == "stall":
        await stopping.wait()
    if transport := request.transport:
        if truncation != "length":
            # with a linger time of 0 the kernel sends RST instead of FIN
            no_linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
            transport.abort()
        transport.close()
    return sent
