"""Write a listing to a file, or read it into an Arrow table."""

from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import AsyncExitStack, aclosing
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from attrs import define, field

from piriod_async.export.atomic_file import Target, atomic_open, is_same_file
from piriod_async.export.csv_format import ContactsCsvEncoder, CsvEncoder
from piriod_async.export.fields import ExportError
from piriod_async.export.jsonl_format import JsonLinesEncoder
from piriod_async.export.threads import run_in_thread
from piriod_async.export.write_all import BinaryWriter, write_all
from piriod_async.models import Customer

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_SIZE = 100  # customers encoded per event-loop iteration, in one or two milliseconds; more are slower to collect
BATCHES_PER_WRITE = 5  # a change to a thread and back takes as long as to encode ten customers


class Encoder(Protocol):
    """Turns customers into bytes: one of this package's encoders, or your own."""

    def header(self) -> bytes:
        """Return the bytes at the start of a file."""
        ...

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return the bytes to append for these customers, which all belong to the given workspace."""
        ...

    def footer(self) -> bytes:
        """Return the bytes at the end of a complete file."""
        ...


async def write_jsonl(listing: AsyncIterable[Customer], file: Target, *, fields: Iterable[str] | None = None) -> int:
    """Write customers as JSON lines and return their number.

    Args:
        listing: A `CustomerListing`, or any other async iterable of customers.
        file: A path, renamed into place when complete, or an open file.
        fields: Some of `FIELDS`, in the desired order; all if None.

    Raises:
        ExportError: A field is unknown, JSON cannot hold a value, or the path is not a regular file.
        PiriodError: The listing failed.
        OSError: The file cannot be written.
    """
    return await _write(listing, [(file, JsonLinesEncoder(fields))], _Output)


async def write_csv(
    listing: AsyncIterable[Customer],
    file: Target,
    *,
    fields: Iterable[str] | None = None,
    escape_formulas: bool = True,
    contacts: Target | None = None,
    bom: bool = False,
) -> int:
    """Write customers as CSV and return their number. `piriod_async.export.csv_format` describes the cells.

    Args:
        listing: A `CustomerListing`, or any other async iterable of customers.
        file: A path, renamed into place when complete, or an open file.
        fields: Some of `COLUMNS`, in the desired order; all if None.
        escape_formulas: Put an apostrophe before text that a spreadsheet would run as a formula.
        contacts: A second file for the customers' contacts, one per row (`CONTACT_COLUMNS`).
        bom: Begin each file with a byte order mark, by which Excel and LibreOffice know UTF-8.

    Raises:
        ExportError: A field is unknown, a value does not fit into a cell, a path is not a regular file, or both files
            are the same.
        PiriodError: The listing failed.
        OSError: A file cannot be written.
    """
    if contacts is not None and await run_in_thread(is_same_file, file, contacts):
        raise ExportError(f"contacts={contacts!r}: expected a different file for the contacts")
    files: list[tuple[Target, Encoder]] = [(file, CsvEncoder(fields, escape_formulas, bom=bom))]
    if contacts is not None:
        files.append((contacts, ContactsCsvEncoder(escape_formulas, bom=bom)))
    return await _write(listing, files, _Output)


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
        row_group_size: Customers per row group. One row group is in memory at a time, twice while it is written.

    Raises:
        ExportError: A field is unknown, a value does not fit its column, the path is not a regular file, or
            `row_group_size` is not a whole number, 1 or more.
        PiriodError: The listing failed.
        OSError: The file cannot be written.
        ModuleNotFoundError: pyarrow is not installed (the extra `arrow`).
    """
    await run_in_thread(import_module, "piriod_async.export.parquet_format")  # takes 20 to 300 ms
    from piriod_async.export.parquet_format import ParquetEncoder  # noqa: PLC0415 (needs an extra)

    encoder = ParquetEncoder(fields, row_group_size=row_group_size)
    return await _write(listing, [(file, encoder)], _ParquetOutput)


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
    await run_in_thread(import_module, "piriod_async.export.arrow_format")  # takes 20 to 300 ms
    from piriod_async.export.arrow_format import ArrowStreamEncoder  # noqa: PLC0415 (needs an extra)

    encoder = ArrowStreamEncoder(fields)
    _check_iterable(listing)
    async with aclosing(_batches(listing)) as batches:
        return encoder.table([encoder.batch(customers) async for customers in batches])


async def _write(
    listing: AsyncIterable[Customer], files: Iterable[tuple[Target, Any]], make_output: "type[_Output]"
) -> int:
    _check_iterable(listing)
    count = 0
    async with aclosing(_batches(listing)) as batches, AsyncExitStack() as stack:
        outputs = [make_output(await stack.enter_async_context(atomic_open(file)), encoder) for file, encoder in files]
        for output in outputs:
            await write_all(output.file, output.encoder.header())
        async for customers in batches:
            count += len(customers)
            for output in outputs:
                await output.add(customers)
        for output in outputs:
            await output.end()
    return count


def _check_iterable(listing: object) -> None:
    if not isinstance(listing, AsyncIterable):
        raise TypeError(f"listing={listing!r}: expected a listing, or another async iterable of customers")


@define
class _Output:
    """A file, its encoder, and what is encoded but not yet written."""

    file: BinaryWriter
    encoder: Any
    chunks: list[Any] = field(factory=list)

    async def add(self, customers: list[Customer]) -> None:
        self.chunks.append(self.encode(customers))
        if len(self.chunks) == BATCHES_PER_WRITE:
            await self.write()

    async def end(self) -> None:
        await self.write()
        await write_all(self.file, await run_in_thread(self.encoder.footer))

    async def write(self) -> None:
        data = await self.join(self.chunks)
        self.chunks = []
        await write_all(self.file, data)

    def encode(self, customers: list[Customer]) -> Any:
        return self.encoder.encode(customers)

    async def join(self, chunks: list[Any]) -> bytes:
        return b"".join(chunks)


class _ParquetOutput(_Output):
    """A file whose row groups are compressed in a thread."""

    def encode(self, customers: list[Customer]) -> Any:
        return self.encoder.batch(customers)

    async def join(self, chunks: list[Any]) -> bytes:
        return await run_in_thread(self.encoder.encode_batches, chunks)


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
