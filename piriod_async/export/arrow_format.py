"""Arrow and Parquet: one customer per row, typed and nested like the record.

- Amounts and percentages are `decimal128(38, 10)`: up to 28 digits before the point and 10 after it. A larger amount
  raises an `ExportError` that names the customer; nothing is rounded.
- `created` and `updated` are `timestamp[us, UTC]`.
- `country`, `state` and `aggregations` are structs, `contacts` is a list of structs, `sources` a list of strings.
- `state.id` is a string, also where the API sends a number.
- `metadata` and `tax_settings` are JSON strings, because their values have no common type.
"""

import os
from collections.abc import Iterable, Sequence
from decimal import Decimal
from threading import Lock
from types import TracebackType
from typing import Any, BinaryIO, Self

import msgspec
from attrs import field, frozen

from piriod_async.datetimes import DATETIME_TYPES, encode_datetime
from piriod_async.export.fields import FIELDS, ExportError, select_fields
from piriod_async.models import Customer

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "Parquet and Arrow need pyarrow: pip install 'piriod-async[arrow]'", name="pyarrow"
    ) from error

_BUILTIN_TYPES = (Decimal, *DATETIME_TYPES)
_AMOUNT = pa.decimal128(38, 10)
_TIMESTAMP = pa.timestamp("us", tz="UTC")
_STRING, _BOOL = pa.string(), pa.bool_()
_COUNTRY = {
    **dict.fromkeys(("id", "name", "name_en", "code", "phone_code"), _STRING),
    "has_regulation": _BOOL,
    "currencies": pa.list_(_STRING),
    "tax_percent": _AMOUNT,
}
_CONTACT = {
    **dict.fromkeys(("id", "customer", "orgunit", "name", "email", "phone"), _STRING),
    **dict.fromkeys(("invoicing", "collections"), _BOOL),
    **dict.fromkeys(("created", "updated"), _TIMESTAMP),
}
_TYPES = dict.fromkeys(FIELDS, _STRING) | {
    "country": pa.struct(_COUNTRY),
    "state": pa.struct(dict.fromkeys(("id", "name", "code", "country"), _STRING)),
    **dict.fromkeys(("send_invoices", "send_collections", "send_vouchers", "test_mode"), _BOOL),
    "contacts": pa.list_(pa.struct(_CONTACT)),
    "sources": pa.list_(_STRING),
    "aggregations": pa.struct(dict.fromkeys(("sales", "sales_current_period", "balance"), _AMOUNT)),
    **dict.fromkeys(("created", "updated"), _TIMESTAMP),
}


@frozen
class ArrowStreamEncoder:
    """Encode customers as an Arrow IPC stream, one record batch per call.

    The stream needs no footer: it is valid after any complete batch.

    Args:
        fields: Some of `FIELDS`, in the desired order; all if None.
        workspace_column: Put a `workspace` column first.
    """

    fields: Sequence[str] = field(default=None, converter=select_fields)
    workspace_column: bool = False

    @property
    def schema(self) -> "pa.Schema":
        """The columns and their types."""
        workspace = {"workspace": _STRING} if self.workspace_column else {}
        return pa.schema(workspace | {name: _TYPES[name] for name in self.fields})

    def header(self) -> bytes:
        """Return the schema message."""
        return bytes(self.schema.serialize())

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return one record batch message; all customers must belong to the given workspace.

        Raises:
            ExportError: A value does not fit its column.
        """
        return bytes(self.batch(customers, workspace).serialize())

    def batch(self, customers: Iterable[Customer], workspace: str | None = None) -> "pa.RecordBatch":
        """Return a record batch; all customers must belong to the given workspace.

        Raises:
            ExportError: A value does not fit its column.
        """
        schema = self.schema
        rows = [_row(customer) | {"workspace": workspace} for customer in customers]
        try:
            return pa.RecordBatch.from_pylist(rows, schema=schema)
        except (ValueError, OverflowError):
            for row in rows:
                _check_fits(row, schema)
            raise

    def table(self, batches: "Sequence[pa.RecordBatch]") -> "pa.Table":
        """Return record batches as one table."""
        return pa.Table.from_batches(batches, self.schema)


def _row(customer: Customer) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(customer, builtin_types=_BUILTIN_TYPES, enc_hook=encode_datetime)
    for name in ("metadata", "tax_settings"):
        row[name] = msgspec.json.encode(row[name]).decode()
    if row["state"]:
        row["state"]["id"] = str(row["state"]["id"])
    return row


def _check_fits(row: dict[str, Any], schema: "pa.Schema") -> None:
    for column in schema:
        try:
            pa.array([row[column.name]], column.type)
        except (ValueError, OverflowError) as error:
            value = row[column.name]
            message = f"customer {row['id']}: {column.name}={value!r} does not fit {column.type}: {error}"
            raise ExportError(message) from error


class RowGroupWriter:
    """Write a Parquet file in row groups of one size: `with RowGroupWriter(file, schema) as parquet: ...`.

    Args:
        file: A path or an open file.
        schema: The columns and their types.
        row_group_size: Rows per row group. At most this many rows and one batch are in memory.
    """

    def __init__(
        self, file: "str | os.PathLike[str] | BinaryIO", schema: "pa.Schema", row_group_size: int = 5_000
    ) -> None:
        self._writer = pq.ParquetWriter(file, schema)
        self._schema = schema
        self._row_group_size = row_group_size
        self._buffered: list[Any] = []
        self._buffered_rows = 0
        self._lock = Lock()  # a cancelled write_batch keeps running in its thread while __exit__ runs in another

    def write_batch(self, batch: "pa.RecordBatch") -> None:
        """Buffer a batch, and write the row groups that are full."""
        with self._lock:
            self._buffered.append(batch)
            self._buffered_rows += batch.num_rows
            while self._buffered_rows >= self._row_group_size:
                table = pa.Table.from_batches(self._buffered, self._schema)
                self._writer.write_table(table.slice(0, self._row_group_size))
                self._buffered = table.slice(self._row_group_size).to_batches()
                self._buffered_rows -= self._row_group_size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_class: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            if error_class is None and self._buffered_rows:
                self._writer.write_table(pa.Table.from_batches(self._buffered, self._schema))
            self._writer.close()


def stream_to_parquet(stream: "str | os.PathLike[str]", file: "str | os.PathLike[str] | BinaryIO") -> None:
    """Convert a file written with `ArrowStreamEncoder` to Parquet, one row group at a time.

    Args:
        stream: Path of the Arrow IPC stream.
        file: Path or open file to write.
    """
    with (
        pa.OSFile(os.fspath(stream)) as source,
        pa.ipc.open_stream(source) as batches,
        RowGroupWriter(file, batches.schema) as parquet,
    ):
        for batch in batches:
            parquet.write_batch(batch)
