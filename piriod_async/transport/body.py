"""Reads the body of a response."""

import zlib
from http import HTTPStatus

import aiohttp

_GZIP = 16 + zlib.MAX_WBITS
_MAX_MEMBERS = 32  # each one costs a copy of all that follow


class BodyTooLongError(Exception):
    """The body of a 200 is longer than allowed; the argument is the limit in bytes."""


async def read_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Return the body, decompressed.

    It is not decompressed beyond `max_bytes`: a few bytes may expand a lot. If the status is not 200, the beginning of
    the body is good enough.

    Raises:
        BodyTooLongError: The body of a 200 is longer than `max_bytes`.
        aiohttp.ClientError: The body of a 200 is truncated, or not compressed as its headers say.
    """
    chunks, size = [], 0
    try:
        async for chunk in response.content.iter_any():
            chunks.append(chunk)
            size += len(chunk)
            if size > max_bytes:
                break
        if size > max_bytes and response.status == HTTPStatus.OK:
            raise BodyTooLongError(max_bytes)
        body = b"".join(chunks)
        if response.headers.get("Content-Encoding", "").strip().lower() == "x-gzip":  # aiohttp knows it as gzip only
            body = _gunzip(body, max_bytes)
            if len(body) > max_bytes and response.status == HTTPStatus.OK:
                raise BodyTooLongError(max_bytes)
    except (aiohttp.ClientError, TimeoutError):
        if response.status == HTTPStatus.OK:
            raise
        return b"".join(chunks)
    return body


def _gunzip(body: bytes, max_bytes: int) -> bytes:
    """Return decompressed data, up to one byte more than `max_bytes`."""
    chunks, size = [], 0
    while body and size <= max_bytes:  # there may be several members
        decompressor = zlib.decompressobj(_GZIP)
        try:
            chunks.append(decompressor.decompress(body, max_bytes + 1 - size))
        except zlib.error as error:
            raise aiohttp.ClientPayloadError(f"the body is not x-gzip: {error}") from error
        size += len(chunks[-1])
        body = decompressor.unused_data
        if not decompressor.eof and size <= max_bytes:
            raise aiohttp.ClientPayloadError("the x-gzip body is truncated")
        if body and len(chunks) == _MAX_MEMBERS:
            raise aiohttp.ClientPayloadError(f"the x-gzip body has more than {_MAX_MEMBERS} members")
    return b"".join(chunks)
