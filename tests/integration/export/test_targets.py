"""Anything with `write(bytes)` as a target: what it returns counts, and what it returns to await is awaited."""

import asyncio
import gzip
import io
import os

import pytest
from attrs import evolve

from piriod_async import export
from piriod_async.testing.mock_server import MockServer
from tests.support.customers import FULL, MINIMAL, stream
from tests.support.files import AsyncFile, Response, Trickle, contents

pytestmark = pytest.mark.usefixtures("no_leaks")

CUSTOMERS = [evolve(FULL, id=f"cus_{number}") for number in range(250)]
TARGETS = {
    "raw": Trickle,
    "async": lambda: AsyncFile(io.BytesIO()),
    "async raw": lambda: AsyncFile(Trickle()),
    "response": Response,
    "memory": io.BytesIO,
}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
async def test_everything_is_written(target, write, tmp_path):
    """A target gets the bytes that a file gets, and the count of customers is right."""
    file = target()
    assert await write(stream(*CUSTOMERS), file) == len(CUSTOMERS)
    await write(stream(*CUSTOMERS), tmp_path / "expected")
    assert contents(file) == (tmp_path / "expected").read_bytes()


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
async def test_contacts(target, tmp_path):
    """The contacts get all their bytes too."""
    file = target()
    await export.write_csv(stream(*CUSTOMERS), tmp_path / "a.csv", contacts=file)
    await export.write_csv(stream(*CUSTOMERS), tmp_path / "a.csv", contacts=tmp_path / "b.csv")
    assert contents(file) == (tmp_path / "b.csv").read_bytes()


async def test_gzip(write, tmp_path):
    """A compressed file has the bytes of a plain one."""
    with gzip.open(tmp_path / "a.gz", "wb") as file:
        await write(stream(*CUSTOMERS), file)
    await write(stream(*CUSTOMERS), tmp_path / "expected")
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == (tmp_path / "expected").read_bytes()


async def test_stream_writer(write, tmp_path):
    """A stream of asyncio gets everything, from the event loop, which is the only place where it may be used."""
    received = asyncio.get_running_loop().create_future()

    async def receive(reader, writer):
        received.set_result(await reader.read())
        writer.close()

    async with await asyncio.start_unix_server(receive, tmp_path / "socket") as server:
        _, writer = await asyncio.open_unix_connection(tmp_path / "socket")
        await write(stream(*CUSTOMERS), writer)
        writer.close()
        await writer.wait_closed()
        data = await received
        server.close()
    await write(stream(*CUSTOMERS), tmp_path / "expected")
    assert data == (tmp_path / "expected").read_bytes()


async def test_full_pipe_that_does_not_block(write):
    """A raw file that is not ready to take anything is an error, not a success."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    options = {"row_group_size": 100} if write is export.write_parquet else {}
    with (
        open(reader, "rb"),  # noqa: ASYNC230, PTH123 (a descriptor)
        open(writer, "wb", buffering=0) as file,  # noqa: ASYNC230, PTH123
        pytest.raises(BlockingIOError, match="non-blocking and took no data: expected a blocking file"),
    ):
        await write(stream(*CUSTOMERS * 20), file, **options)


@pytest.mark.parametrize("returned", [0, -1, 10**6, True, "all"])
async def test_impossible_count(returned, write):
    """A target that took no byte, or more than there were, is an error, not an endless loop."""

    class Odd:
        def write(self, _):
            return returned

    with pytest.raises(OSError, match=rf"write\(\) returned {returned!r}: expected from 1 to \d+ bytes"):
        await write(stream(MINIMAL), Odd())


async def test_text_file(write):
    """A text file is refused by its own error."""
    with pytest.raises(TypeError, match="string argument expected, got 'bytes'"):
        await write(stream(MINIMAL), io.StringIO())


async def test_listing_to_an_awaited_file():
    """A listing goes to an awaited file with the requests that it needs, and no more."""
    file = Response()
    async with MockServer(250) as server, server.session() as piriod:
        assert await export.write_jsonl(piriod.customers(), file) == 250
        expected = len(server.requests)
        await piriod.customers().collect()
        assert len(server.requests) == 2 * expected
    assert file.data.count(b"\n") == 250
