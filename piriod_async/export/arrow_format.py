"""Arrow and Parquet: a customer a row, typed and nested as the record is.

- Money and percentages are `decimal128(38, 10)`: 28 digits before the point, 10 behind. An amount that has more is an
  `ExportError` that names the customer; nothing is rounded.
- `created` and `updated` are `timestamp[us, UTC]`.
- `country`, `state` and `aggregations` are structs, `contacts` a list of structs, `sources` a list of text.
- `state.id` is text, also where the API has a number.
- `metadata` and `tax_settings` are JSON text: their values may be anything, and need not be alike.
"""

import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from threading import Lock
from types import TracebackType
from typing import Any, BinaryIO, Self

import msgspec
from attrs import field, frozen

from piriod_async.export.fields import FIELDS, ExportError, select_fields
from piriod_async.models import Customer

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "Parquet and Arrow need pyarrow: pip install 'piriod-async[arrow]'", name="pyarrow"
    ) from error

_AMOUNT = pa.decimal128(38, 10)
_INSTANT = pa.timestamp("us", tz="UTC")
_TEXT, _FLAG = pa.string(), pa.bool_()
_COUNTRY = {
    **dict.fromkeys(("id", "name", "name_en", "code", "phone_code"), _TEXT),
    "has_regulation": _FLAG,
    "currencies": pa.list_(_TEXT),
    "tax_percent": _AMOUNT,
}
_CONTACT = {
    **dict.fromkeys(("id", "customer", "orgunit", "name", "email", "phone"), _TEXT),
    **dict.fromkeys(("invoicing", "collections"), _FLAG),
    **dict.fromkeys(("created", "updated"), _INSTANT),
}
_TYPES = dict.fromkeys(FIELDS, _TEXT) | {
    "country": pa.struct(_COUNTRY),
    "state": pa.struct(dict.fromkeys(("id", "name", "code", "country"), _TEXT)),
    **dict.fromkeys(("send_invoices", "send_collections", "send_vouchers", "test_mode"), _FLAG),
    "contacts": pa.list_(pa.struct(_CONTACT)),
    "sources": pa.list_(_TEXT),
    "aggregations": pa.struct(dict.fromkeys(("sales", "sales_current_period", "balance"), _AMOUNT)),
    **dict.fromkeys(("created", "updated"), _INSTANT),
}


@frozen
class ArrowStreamEncoder:
    """Customers as an Arrow IPC stream, a record batch for each piece; it needs no end, and may be cut between pieces.

    Args:
        fields: Some of `FIELDS`, in the order wanted; all if None.
        workspaces: Begin with a column `workspace`.
    """

    fields: Sequence[str] = field(default=None, converter=select_fields)
    workspaces: bool = False

    @property
    def schema(self) -> "pa.Schema":
        """The columns and their types."""
        workspace = {"workspace": _TEXT} if self.workspaces else {}
        return pa.schema(workspace | {name: _TYPES[name] for name in self.fields})

    def start(self) -> bytes:
        """Return the schema's message."""
        return bytes(self.schema.serialize())

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return the message of one record batch, of customers that are all of one workspace.

        Raises:
            ExportError: A column cannot hold a customer's value whole.
        """
        return bytes(self.batch(customers, workspace).serialize())

    def batch(self, customers: Iterable[Customer], workspace: str | None = None) -> "pa.RecordBatch":
        """Return customers, all of one workspace, as a record batch.

        Raises:
            ExportError: A column cannot hold a customer's value whole.
        """
        schema = self.schema
        rows = [_row(customer) | {"workspace": workspace} for customer in customers]
        try:
            return pa.RecordBatch.from_pylist(rows, schema=schema)
        except (ValueError, OverflowError):
            for row in rows:
                _check(row, schema)
            raise

    def table(self, batches: "Sequence[pa.RecordBatch]") -> "pa.Table":
        """Return record batches as one table."""
        return pa.Table.from_batches(batches, self.schema)


def _row(customer: Customer) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(customer, builtin_types=(Decimal, datetime))
    for name in ("metadata", "tax_settings"):
        row[name] = msgspec.json.encode(row[name]).decode()
    if row["state"]:
        row["state"]["id"] = str(row["state"]["id"])
    return row


def _check(row: dict[str, Any], schema: "pa.Schema") -> None:
    for column in schema:
        try:
            pa.array([row[column.name]], column.type)
        except (ValueError, OverflowError) as error:
            value = row[column.name]
            message = f"customer {row['id']}: {column.name}={value!r} does not fit {column.type}: {error}"
            raise ExportError(message) from error


class RowGroupWriter:
    """A Parquet file being written: `with RowGroupWriter(file, schema) as parquet: parquet.add(batch)`.

    Args:
        file: Where to.
        schema: Its columns.
        rows: Rows of a row group, which is what is kept in memory.
    """

    def __init__(self, file: "str | os.PathLike[str] | BinaryIO", schema: "pa.Schema", rows: int = 5_000) -> None:
        self._writer = pq.ParquetWriter(file, schema)
        self._schema = schema
        self._rows = rows
        self._held: list[Any] = []
        self._count = 0
        self._lock = Lock()  # a cancelled `add` goes on in its thread, while another closes the file

    def add(self, batch: "pa.RecordBatch") -> None:
        """Add rows; they are written when there are enough for a row group."""
        with self._lock:
            self._held.append(batch)
            self._count += batch.num_rows
            while self._count >= self._rows:
                table = pa.Table.from_batches(self._held, self._schema)
                self._writer.write_table(table.slice(0, self._rows))
                self._held = table.slice(self._rows).to_batches()
                self._count -= self._rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            if kind is None and self._count:
                self._writer.write_table(pa.Table.from_batches(self._held, self._schema))
            self._writer.close()


def stream_to_parquet(stream: "str | os.PathLike[str]", file: "str | os.PathLike[str] | BinaryIO") -> None:
    """Make a Parquet file of a file that has an `ArrowStreamEncoder`, a row group at a time.

    Args:
        stream: The stream's path.
        file: Where to.
    """
    with (
        pa.OSFile(os.fspath(stream)) as source,
        pa.ipc.open_stream(source) as batches,
        RowGroupWriter(file, batches.schema) as parquet,
    ):
        for batch in batches:
            parquet.add(batch)
