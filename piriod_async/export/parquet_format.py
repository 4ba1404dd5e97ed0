"""Parquet: the columns of `arrow_format`, in row groups of one size, as bytes.

pyarrow writes its index at the end of a file, complete or not. So it writes to memory here, and the bytes go to the
file from there: an export that fails leaves no index behind, and a file need not be one that pyarrow can write.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any, BinaryIO

from piriod_async.export.arrow_format import ArrowStreamEncoder  # first: its error says how to install pyarrow
from piriod_async.export.fields import ExportError
from piriod_async.models import Customer

# isort: split
import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_SIZE = 5_000  # rows


class RowGroupEncoder:
    """Encode record batches as Parquet.

    Args:
        schema: The columns and their types.
        row_group_size: Rows per row group. This many are in memory, twice while they are written, and one batch.

    Raises:
        ExportError: The size is not a whole number, 1 or more.
    """

    def __init__(self, schema: "pa.Schema", row_group_size: int = ROW_GROUP_SIZE) -> None:
        if not isinstance(row_group_size, int) or isinstance(row_group_size, bool) or row_group_size < 1:
            raise ExportError(f"row_group_size={row_group_size!r}: expected a whole number, 1 or more")
        self._sink = BytesIO()
        self._writer = pq.ParquetWriter(self._sink, schema)
        self._schema = schema
        self._row_group_size = row_group_size
        self._buffered: list[Any] = []
        self._buffered_rows = 0

    def header(self) -> bytes:
        """Return the bytes at the start of the file."""
        return self._take()

    def encode(self, batch: "pa.RecordBatch") -> bytes:
        """Buffer a batch, and return the row groups that are full."""
        self._buffered.append(batch)
        self._buffered_rows += batch.num_rows
        while self._buffered_rows >= self._row_group_size:
            table = pa.Table.from_batches(self._buffered, self._schema)
            self._write(table.slice(0, self._row_group_size))
            self._buffered = table.slice(self._row_group_size).to_batches()
            self._buffered_rows -= self._row_group_size
        return self._take()

    def footer(self) -> bytes:
        """Return the last row group, and the index."""
        if self._buffered_rows:
            self._write(pa.Table.from_batches(self._buffered, self._schema))
        self._writer.close()
        return self._take()

    def _write(self, row_group: "pa.Table") -> None:
        self._writer.write_table(row_group.combine_chunks())  # many small chunks take a quarter longer to write

    def _take(self) -> bytes:
        data = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return data


class ParquetEncoder:
    """Encode customers as Parquet: the bytes of one file.

    Args:
        fields: Some of `FIELDS`, in the desired order; all if None.
        workspace_column: Put a `workspace` column first.
        row_group_size: Customers per row group. One row group is in memory at a time.
        metadata: Texts to keep in the index, for `read_index`.

    Raises:
        ExportError: A field is unknown or repeated, or the size is not a whole number, 1 or more.
    """

    def __init__(
        self,
        fields: Iterable[str] | None = None,
        *,
        workspace_column: bool = False,
        row_group_size: int = ROW_GROUP_SIZE,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self._arrow = ArrowStreamEncoder(fields, workspace_column)
        self._row_groups = RowGroupEncoder(self._arrow.schema.with_metadata(metadata), row_group_size)

    def header(self) -> bytes:
        """Return the bytes at the start of the file."""
        return self._row_groups.header()

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return the row groups that are now full; all customers must belong to the given workspace.

        Raises:
            ExportError: A value does not fit its column.
        """
        return self.encode_batches([self.batch(customers, workspace)])

    def batch(self, customers: Iterable[Customer], workspace: str | None = None) -> "pa.RecordBatch":
        """Return customers as a record batch for `encode_batches`.

        Raises:
            ExportError: A value does not fit its column.
        """
        return self._arrow.batch(customers, workspace)

    def encode_batches(self, batches: "Iterable[pa.RecordBatch]") -> bytes:
        """Return the row groups that are now full. Most of it is compression, which lets other threads run."""
        return b"".join(map(self._row_groups.encode, batches))

    def copy(self, file: BinaryIO) -> Iterator[bytes]:
        """Yield the row groups that are now full with the rows of a Parquet file with the same columns."""
        for batch in pq.ParquetFile(file).iter_batches():
            yield self._row_groups.encode(batch)

    def footer(self) -> bytes:
        """Return the last row group, and the index."""
        return self._row_groups.footer()


def read_index(file: BinaryIO) -> tuple[int, dict[str, str]]:
    """Return the number of rows of a Parquet file, and the texts in its index.

    Raises:
        ValueError: It is not a complete Parquet file.
    """
    index = pq.read_metadata(file)
    texts = {key.decode(): value.decode() for key, value in (index.metadata or {}).items() if key != b"ARROW:schema"}
    return index.num_rows, texts


def stream_to_parquet(stream: "str | os.PathLike[str]", path: "str | os.PathLike[str]") -> None:
    """Convert a file written with `ArrowStreamEncoder` to Parquet, one row group at a time.

    Args:
        stream: Path of the Arrow IPC stream.
        path: Path to write.

    Raises:
        OSError: The file cannot be written.
    """
    with pa.OSFile(os.fspath(stream)) as source, pa.ipc.open_stream(source) as batches, open(path, "wb") as file:  # noqa: PTH123 (PathLike)
        encoder = RowGroupEncoder(batches.schema)
        file.write(encoder.header())
        file.writelines(map(encoder.encode, batches))
        file.write(encoder.footer())
