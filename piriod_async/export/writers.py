"""Write a listing to a file, or read it into an Arrow table."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING, Protocol

from piriod_async.export.atomic_file import Target, atomic_open, resolve_target
from piriod_async.export.csv_format import ContactsCsvEncoder, CsvEncoder
from piriod_async.export.fields import ExportError
from piriod_async.export.jsonl_format import JsonLinesEncoder
from piriod_async.models import Customer

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_SIZE = 100  # customers encoded per event-loop iteration, which takes one to five milliseconds


class Encoder(Protocol):
    """Turns customers into bytes: one of this package's encoders, or your own."""

    def header(self) -> bytes:
        """Return the bytes at the start of a file."""
        ...

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return the bytes to append for these customers, which all belong to the given workspace."""
        ...


async def write_jsonl(listing: AsyncIterable[Customer], file: Target, *, fields: Iterable[str] | None = None) -> int:
    """Write customers as JSON lines and return their number.

    Args:
        listing: A `CustomerListing`, or any other async iterable of customers.
        file: A path, renamed into place when complete, or an open file.
        fields: Some of `FIELDS`, in the desired order; all if None.

    Raises:
        ExportError: A field is unknown, or the path is not a regular file.
        PiriodError: The listing failed.
        OSError: The file cannot be written.
    """
    return await _write(listing, [(file, JsonLinesEncoder(fields))])


async def write_csv(
    listing: AsyncIterable[Customer],
    file: Target,
    *,
    fields: Iterable[str] | None = None,
    escape_formulas: bool = True,
    contacts: Target | None = None,
) -> int:
    """Write customers as CSV and return their number. `piriod_async.export.csv_format` describes the cells.

    Args:
        listing: A `CustomerListing`, or any other async iterable of customers.
        file: A path, renamed into place when complete, or an open file.
        fields: Some of `COLUMNS`, in the desired order; all if None.
        escape_formulas: Put an apostrophe before text that a spreadsheet would run as a formula.
        contacts: A second file for the customers' contacts, one per row (`CONTACT_COLUMNS`).

    Raises:
        ExportError: A field is unknown, a path is not a regular file, or both files are the same.
        PiriodError: The listing failed.
        OSError: A file cannot be written.
    """
    if contacts is not None and await asyncio.to_thread(_is_same_file, file, contacts):
        raise ExportError(f"contacts={contacts!r}: expected a different file for the contacts")
    files: list[tuple[Target, Encoder]] = [(file, CsvEncoder(fields, escape_formulas))]
    if contacts is not None:
        files.append((contacts, ContactsCsvEncoder(escape_formulas)))
    return await _write(listing, files)


async def write_parquet(
    listing: AsyncIterable[Customer],
    file: Target,
    *,
    fields: Iterable[str] | None = None,
    row_group_size: int = 5_000,
) -> int:
    """Write customers as Parquet and return their number. `piriod_async.export.arrow_format` describes the columns.

    Args:
        listing: A `CustomerListing`, or any other async iterable of customers.
        file: A path, renamed into place when complete, or an open file.
        fields: Some of `FIELDS`, in the desired order; all if None.
        row_group_size: Customers per row group. One row group is in memory at a time.

    Raises:
        ExportError: A field is unknown, a value does not fit its column, or the path is not a regular file.
        PiriodError: The listing failed.
        OSError: The file cannot be written.
        ModuleNotFoundError: pyarrow is not installed (the extra `arrow`).
    """
    from piriod_async.export.arrow_format import ArrowStreamEncoder, RowGroupWriter  # noqa: PLC0415 (needs an extra)

    encoder, count = ArrowStreamEncoder(fields), 0
    async with aclosing(_batches(listing)) as batches, atomic_open(file) as opened, AsyncExitStack() as stack:
        parquet = await asyncio.to_thread(RowGroupWriter, opened, encoder.schema, row_group_size)
        stack.push_async_exit(lambda *error: asyncio.to_thread(parquet.__exit__, *error))
        async for customers in batches:
            await asyncio.to_thread(parquet.write_batch, encoder.batch(customers))
            count += len(customers)
    return count


async def to_arrow(listing: AsyncIterable[Customer], *, fields: Iterable[str] | None = None) -> "pa.Table":
    """Return customers as a `pyarrow.Table`. `piriod_async.export.arrow_format` describes the columns.

    Args:
        listing: A `CustomerListing`, or any other async iterable of customers.
        fields: Some of `FIELDS`, in the desired order; all if None.

    Raises:
        ExportError: A field is unknown, or a value does not fit its column.
        PiriodError: The listing failed.
        ModuleNotFoundError: pyarrow is not installed (the extra `arrow`).
    """
    from piriod_async.export.arrow_format import ArrowStreamEncoder  # noqa: PLC0415 (needs an extra)

    encoder = ArrowStreamEncoder(fields)
    async with aclosing(_batches(listing)) as batches:
        return encoder.table([encoder.batch(customers) async for customers in batches])


async def _write(listing: AsyncIterable[Customer], files: Iterable[tuple[Target, Encoder]]) -> int:
    count = 0
    async with aclosing(_batches(listing)) as batches, AsyncExitStack() as stack:
        outputs = [(await stack.enter_async_context(atomic_open(file)), encoder) for file, encoder in files]
        for output, encoder in outputs:
            await asyncio.to_thread(output.write, encoder.header())
        async for customers in batches:
            for output, encoder in outputs:
                await asyncio.to_thread(output.write, encoder.encode(customers))
            count += len(customers)
    return count


def _is_same_file(one: Target, other: Target) -> bool:
    if isinstance(one, str | os.PathLike) and isinstance(other, str | os.PathLike):
        return resolve_target(one).absolute() == resolve_target(other).absolute()
    return one is other


async def _batches(listing: AsyncIterable[Customer]) -> AsyncGenerator[list[Customer], None]:
    async with AsyncExitStack() as stack:
        customers = aiter(listing)
        if close := getattr(customers, "aclose", None):
            stack.push_async_callback(close)
        batch: list[Customer] = []
        async for customer in customers:
            if not isinstance(customer, Customer):
                raise TypeError(f"listing={listing!r}: expected customers, got {type(customer).__name__}")
            batch.append(customer)
            if len(batch) == BATCH_SIZE:
                yield batch
                batch = []
        if batch:
            yield batch
