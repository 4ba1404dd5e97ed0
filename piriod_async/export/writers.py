"""A listing into a file, or a table."""

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeAlias

from piriod_async.export.atomic_file import place_of
from piriod_async.export.csv_format import ContactsCsvEncoder, CsvEncoder
from piriod_async.export.fields import ExportError
from piriod_async.export.jsonl_format import JsonLinesEncoder
from piriod_async.models import Customer

if TYPE_CHECKING:
    import pyarrow as pa

Target: TypeAlias = str | os.PathLike[str] | BinaryIO
"""A file's path, or a file open for writing bytes, which is left open."""

BATCH = 100  # customers encoded in one turn of the event loop: one to five milliseconds


class Encoder(Protocol):
    """What makes bytes of customers: `JsonLinesEncoder`, `CsvEncoder`, `ContactsCsvEncoder`, `arrow.ArrowStreamEncoder`, or one of yours."""

    def start(self) -> bytes:
        """Return what a file begins with."""
        ...

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return what customers, all of one workspace, add to it."""
        ...


async def write_jsonl(listing: AsyncIterable[Customer], file: Target, *, fields: Iterable[str] | None = None) -> int:
    """Write customers as JSON lines, and return how many.

    Args:
        listing: A `CustomerListing`, or anything else that gives customers.
        file: Where to. Under a path, the file appears when it is whole.
        fields: Some of `FIELDS`, in the order wanted; all if None.

    Raises:
        ExportError: There is no such field.
        PiriodError: What the listing raises.
        OSError: The file cannot be written.
    """
    return await _write(listing, [(file, JsonLinesEncoder(fields))])


async def write_csv(
    listing: AsyncIterable[Customer],
    file: Target,
    *,
    fields: Iterable[str] | None = None,
    raw_cells: bool = False,
    contacts: Target | None = None,
) -> int:
    """Write customers as CSV, and return how many. What the cells hold is said in `piriod_async.export.csv_format`.

    Args:
        listing: A `CustomerListing`, or anything else that gives customers.
        file: Where to. Under a path, the file appears when it is whole.
        fields: Some of `COLUMNS`, in the order wanted; all if None.
        raw_cells: Leave texts that a spreadsheet would take for formulas as they are; by default they get an
            apostrophe before them.
        contacts: Where the customers' contacts go, a row each (`CONTACT_COLUMNS`), if they are wanted.

    Raises:
        ExportError: There is no such field, or both files are one.
        PiriodError: What the listing raises.
        OSError: A file cannot be written.
    """
    if contacts is not None and await asyncio.to_thread(_is_same, file, contacts):
        raise ExportError(f"contacts={contacts!r}: expected another file than the customers'")
    files: list[tuple[Target, Encoder]] = [(file, CsvEncoder(fields, raw_cells))]
    if contacts is not None:
        files.append((contacts, ContactsCsvEncoder(raw_cells)))
    return await _write(listing, files)


async def write_parquet(
    listing: AsyncIterable[Customer],
    file: Target,
    *,
    fields: Iterable[str] | None = None,
    row_group_size: int = 5_000,
) -> int:
    """Write customers as Parquet, and return how many. The columns' types are said in `piriod_async.export.arrow_format`.

    Args:
        listing: A `CustomerListing`, or anything else that gives customers.
        file: Where to. Under a path, the file appears when it is whole.
        fields: Some of `FIELDS`, in the order wanted; all if None.
        row_group_size: Customers of a row group, which is what is in memory at once.

    Raises:
        ExportError: There is no such field, or a column cannot hold a customer's value whole.
        PiriodError: What the listing raises.
        OSError: The file cannot be written.
        ModuleNotFoundError: pyarrow (the extra `arrow`) is not installed.
    """
    from piriod_async.export.arrow_format import ArrowStreamEncoder, RowGroupWriter  # noqa: PLC0415 (only those who use it need it)

    stream, count = ArrowStreamEncoder(fields), 0
    async with aclosing(_batches(listing)) as batches, _opened(file) as opened, AsyncExitStack() as stack:
        parquet = await asyncio.to_thread(RowGroupWriter, opened, stream.schema, row_group_size)
        stack.push_async_exit(lambda *error: asyncio.to_thread(parquet.__exit__, *error))
        async for customers in batches:
            await asyncio.to_thread(parquet.add, stream.batch(customers))
            count += len(customers)
    return count


async def to_arrow(listing: AsyncIterable[Customer], *, fields: Iterable[str] | None = None) -> "pa.Table":
    """Return customers as a `pyarrow.Table`. The columns' types are said in `piriod_async.export.arrow_format`.

    Args:
        listing: A `CustomerListing`, or anything else that gives customers.
        fields: Some of `FIELDS`, in the order wanted; all if None.

    Raises:
        ExportError: There is no such field, or a column cannot hold a customer's value whole.
        PiriodError: What the listing raises.
        ModuleNotFoundError: pyarrow (the extra `arrow`) is not installed.
    """
    from piriod_async.export.arrow_format import ArrowStreamEncoder  # noqa: PLC0415

    stream = ArrowStreamEncoder(fields)
    async with aclosing(_batches(listing)) as batches:
        return stream.table([stream.batch(customers) async for customers in batches])


async def _write(listing: AsyncIterable[Customer], files: Iterable[tuple[Target, Encoder]]) -> int:
    count = 0
    async with aclosing(_batches(listing)) as batches, AsyncExitStack() as stack:
        opened = [(await stack.enter_async_context(_opened(file)), encoder) for file, encoder in files]
        for file, encoder in opened:
            await asyncio.to_thread(file.write, encoder.start())
        async for customers in batches:
            for file, encoder in opened:
                await asyncio.to_thread(file.write, encoder.encode(customers))
            count += len(customers)
    return count


def _is_same(one: Target, other: Target) -> bool:
    if isinstance(one, str | os.PathLike) and isinstance(other, str | os.PathLike):
        return place_of(one).absolute() == place_of(other).absolute()
    return one is other


async def _batches(listing: AsyncIterable[Customer]) -> AsyncGenerator[list[Customer], None]:
    async with AsyncExitStack() as stack:
        customers = aiter(listing)
        if close := getattr(customers, "aclose", None):
            stack.push_async_callback(close)
        batch: list[Customer] = []
        async for customer in customers:
            if not isinstance(customer, Customer):
                raise TypeError(f"listing={listing!r}: expected customers, and not {type(customer).__name__}s")
            batch.append(customer)
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch


@asynccontextmanager
async def _opened(file: Target) -> AsyncIterator[BinaryIO]:
    """Open a path beside itself, and rename it when all is well; give an open file as it is."""
    if not isinstance(file, str | os.PathLike):
        yield file
        return
    place = await asyncio.to_thread(place_of, file)
    beside = place.with_name(f"{place.name}.{secrets.token_hex(4)}.tmp")  # its own: two may be written at once
    opened = await asyncio.to_thread(beside.open, "xb")
    try:
        with suppress(FileNotFoundError):  # who may not read what is there now, may not read the next
            await asyncio.to_thread(shutil.copymode, place, beside)
        yield opened
        await asyncio.to_thread(opened.close)
        await asyncio.to_thread(beside.replace, place)
    except BaseException:
        await asyncio.to_thread(opened.close)
        await asyncio.to_thread(beside.unlink, missing_ok=True)
        raise
