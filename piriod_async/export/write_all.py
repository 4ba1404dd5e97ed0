"""Write all bytes to a file that may take fewer than it is given, or whose `write` must be awaited."""

import asyncio
import errno
import inspect
import io
from collections.abc import Awaitable
from typing import Protocol

from piriod_async.export.threads import finish, run_in_thread

CANCEL_PATIENCE = 5.0  # seconds for an awaited write to end after a cancellation: a file does, a stalled peer does not


class BinaryWriter(Protocol):
    """Anything with `write(bytes)`: a file opened in binary mode, `gzip.GzipFile`, a file of aiofiles or anyio.

    `write` may be async. If it returns the number of bytes that it took, the rest is written again.
    """

    def write(self, data: bytes, /) -> object:
        """Take some or all of the bytes."""
        ...


async def write_all(file: BinaryWriter, data: bytes) -> None:
    """Write all bytes: in a thread, or on the event loop if the file's `write` is async.

    If cancelled, the pending write ends before the `CancelledError` is raised.

    Raises:
        OSError: The file cannot be written.
    """
    while data:
        if isinstance(file, asyncio.StreamWriter):  # neither safe in a thread nor awaited
            file.write(data)
            await file.drain()
            return
        if inspect.iscoroutinefunction(file.write):
            written: object = file.write(data)
        else:
            written = await run_in_thread(file.write, data)
        if inspect.isawaitable(written):
            written = await finish(_as_future(written), CANCEL_PATIENCE)
        data = data[_accepted(file, data, written) :]


def write_all_blocking(file: BinaryWriter, data: bytes) -> None:
    """Write all bytes to a file whose `write` is not async.

    Raises:
        OSError: The file cannot be written.
    """
    while data:
        data = data[_accepted(file, data, file.write(data)) :]


def _as_future(pending: Awaitable[object]) -> "asyncio.Future[object]":
    return asyncio.ensure_future(pending)


def _accepted(file: BinaryWriter, data: bytes, written: object) -> int:
    """Return how many bytes a `write` took, from what it returned."""
    if written is None:
        if isinstance(file, io.RawIOBase):
            raise BlockingIOError(errno.EAGAIN, f"{file!r} is non-blocking and took no data: expected a blocking file")
        return len(data)  # a writer that does not count, such as an HTTP response
    if isinstance(written, bool) or not isinstance(written, int) or not 0 < written <= len(data):
        raise OSError(errno.EIO, f"{file!r}.write() returned {written!r}: expected from 1 to {len(data)} bytes")
    return written
