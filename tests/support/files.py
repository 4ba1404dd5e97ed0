"""Things with `write(bytes)`: files that take little, files that are awaited, files that a test holds up."""

import asyncio
import io
import threading


class Trickle(io.RawIOBase):
    """A raw file that takes at most 1,000 bytes at a time, as a full pipe or disk does."""

    def __init__(self):
        super().__init__()
        self.data = b""

    def writable(self):
        return True

    def write(self, data):
        self.data += bytes(data[:1_000])
        return min(len(data), 1_000)


class AsyncFile:
    """A file whose `write` is awaited on the event loop, and runs in a thread, as that of aiofiles does.

    Args:
        file: The file to write to.
    """

    def __init__(self, file):
        self._file = file
        self._loop = asyncio.get_running_loop()

    async def write(self, data):
        assert asyncio.get_running_loop() is self._loop
        return await asyncio.to_thread(self._file.write, data)

    @property
    def data(self):
        return contents(self._file)


class Response:
    """An HTTP response: its `write` is awaited, and returns nothing."""

    def __init__(self):
        self.data = b""

    async def write(self, data):
        await asyncio.sleep(0)
        self.data += data


class HeldFile(io.BytesIO):
    """A file whose writes after the first bytes wait for `may_continue`.

    Args:
        free: Bytes that are written without waiting.
    """

    def __init__(self, free=0):
        super().__init__()
        self._free = free
        self.writing, self.may_continue = threading.Event(), threading.Event()

    def write(self, data):
        if self.tell() >= self._free:
            self.writing.set()
            assert self.may_continue.wait(10)
        return super().write(data)


def contents(file):
    """Return what was written."""
    return file.getvalue() if isinstance(file, io.BytesIO) else file.data
