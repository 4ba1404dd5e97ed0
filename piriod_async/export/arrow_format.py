"""Arrow, and the columns of Parquet: one customer per row, typed and nested like the record.

- Amounts and percentages are `decimal128(38, 10)`: up to 28 digits before the point and 10 after it. A larger amount
  raises an `ExportError` that names the customer; nothing is rounded.
- `created` and `updated` are `timestamp[us, UTC]`. A time that UTC moves out of Python's calendar, such as
  `9999-12-31T23:59:59-03:00`, is exact in the column; `to_pylist` cannot return it.
- `country`, `state` and `aggregations` are structs, `contacts` is a list of structs, `sources` a list of strings.
- `state.id` is a string, also where the API sends a number.
- `metadata` and `tax_settings` are JSON strings with exact numbers, because their values have no common type.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property

from attrs import field, frozen

from piriod_async.export.arrow_columns import TYPES, column  # first: its error says how to install pyarrow
from piriod_async.export.fields import select_fields
from piriod_async.models import Customer

# isort: split
import pyarrow as pa


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

    @cached_property
    def schema(self) -> "pa.Schema":
        """The columns and their types."""
        workspace = {"workspace": pa.string()} if self.workspace_column else {}
        return pa.schema(workspace | {name: TYPES[name] for name in self.fields})

    def header(self) -> bytes:
        """Return the schema message."""
        return bytes(self.schema.serialize())

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return one record batch message; all customers must belong to the given workspace.

        Raises:
            ExportError: A value does not fit its column.
        """
        return bytes(self.batch(customers, workspace).serialize())

    def footer(self) -> bytes:
        """Return no bytes: the stream needs no footer."""
        return b""

    def batch(self, customers: Iterable[Customer], workspace: str | None = None) -> "pa.RecordBatch":
        """Return a record batch; all customers must belong to the given workspace.

        Raises:
            ExportError: A value does not fit its column.
        """
        customers = list(customers)
        arrays = [pa.array([workspace] * len(customers), pa.string())] * self.workspace_column
        arrays += [column(customers, name) for name in self.fields]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def table(self, batches: "Sequence[pa.RecordBatch]") -> "pa.Table":
        """Return record batches as one table."""
        return pa.Table.from_batches(batches, self.schema)
