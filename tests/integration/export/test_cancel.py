"""A cancelled export: nothing is written once the caller has seen its `CancelledError`."""

import asyncio
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from attrs import evolve

from piriod_async import export
from piriod_async.export import write_all
from tests.support.customers import MINIMAL, failing_stream, stream
from tests.support.files import AsyncFile, HeldFile
from tests.support.tasks import settle

pytestmark = pytest.mark.usefixtures("no_leaks")

CUSTOMERS = [evolve(MINIMAL, id=f"cus_{number}") for number in range(2_000)]
TRAILER = b"the caller's own"


def start(write, file):
    options = {"row_group_size": 100} if write is export.write_parquet else {}
    return asyncio.create_task(write(stream(*CUSTOMERS), file, **options))


async def cancel_while_held(task, held, may_continue):
    """Cancel an export while its thread is held up, let that continue, and wait for the end of the export."""
    await asyncio.to_thread(held.wait)
    task.cancel()
    await settle()
    may_continue.set()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("target", [lambda file: file, AsyncFile], ids=["blocking", "async"])
async def test_caller_has_the_last_word(target, write):
    """The write that was running ends first, also if the export is cancelled twice; nothing comes after the trailer."""
    file = HeldFile(free=1_000)
    task = start(write, target(file))
    await asyncio.to_thread(file.writing.wait)
    for _ in range(2):
        task.cancel()
        await settle()
        assert not task.done()
    file.may_continue.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    file.write(TRAILER)
    await asyncio.to_thread(threading.Event().wait, 0.05)  # for a thread that went on
    assert file.getvalue().endswith(TRAILER)
    assert file.getvalue().count(b"cus_") < len(CUSTOMERS)


async def test_stalled_reader(write, monkeypatch):
    """An awaited write that never ends is cancelled too, after a while."""
    monkeypatch.setattr(write_all, "CANCEL_PATIENCE", 0.01)
    stalled, cancelled = asyncio.Event(), asyncio.Event()

    class Stalled:
        async def write(self, _):
            stalled.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

    task = start(write, Stalled())
    await stalled.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()


async def test_error_after_the_cancellation(write):
    """A write that fails after the cancellation is not reported beside it."""

    class Broken(HeldFile):
        def write(self, data):
            super().write(data)
            raise OSError(28, "No space left on device")

    file = Broken()
    task = start(write, file)
    await asyncio.to_thread(file.writing.wait)
    task.cancel()
    file.may_continue.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelled_while_the_file_is_opened(write, tmp_path, monkeypatch):
    """A temporary file that is created during the cancellation is deleted."""
    opening, may_open = threading.Event(), threading.Event()
    open_path = Path.open

    def held(*arguments):
        file = open_path(*arguments)
        opening.set()
        assert may_open.wait(10)
        return file

    monkeypatch.setattr(Path, "open", held)
    task = start(write, tmp_path / "a")
    await cancel_while_held(task, opening, may_open)
    assert list(tmp_path.iterdir()) == []


async def test_cancelled_row_group(tmp_path, monkeypatch):
    """The row group that a thread is encoding ends before the export does, and leaves no file."""
    encoding, may_continue, ended = threading.Event(), threading.Event(), threading.Event()
    write_table = pq.ParquetWriter.write_table

    def held(self, table):
        encoding.set()
        assert may_continue.wait(10)
        write_table(self, table)
        ended.set()

    monkeypatch.setattr(pq.ParquetWriter, "write_table", held)
    task = start(export.write_parquet, tmp_path / "a.parquet")
    await cancel_while_held(task, encoding, may_continue)
    assert ended.is_set()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", [lambda file: file, AsyncFile], ids=["blocking", "async"])
async def test_incomplete_parquet_has_no_index(target):
    """A Parquet file that failed cannot be read as if it were complete."""
    file = HeldFile(free=10**9)
    with pytest.raises(ConnectionError):
        await export.write_parquet(failing_stream(*CUSTOMERS), target(file), row_group_size=100)
    assert len(file.getvalue()) > 1_000
    with pytest.raises(Exception, match=r"[Pp]arquet magic bytes not found"):
        pq.read_table(file)
