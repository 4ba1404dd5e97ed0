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
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, DecimalException, Inexact, InvalidOperation
from typing import Any

import msgspec
from attrs import field, frozen

from piriod_async.datetimes import DATETIME_TYPES, encode_datetime
from piriod_async.export.fields import FIELDS, select_fields
from piriod_async.export.values import JSON_FIELDS, check_json_numbers, encode_json_field, value_error
from piriod_async.models import Customer

try:
    import pyarrow as pa
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "Parquet and Arrow need pyarrow: pip install 'piriod-async[arrow]'", name="pyarrow"
    ) from error

_BUILTIN_TYPES = (Decimal, *DATETIME_TYPES)
_AMOUNT = pa.decimal128(38, 10)
_TEN_DECIMALS = Decimal("1E-10")
_rescale = Context(prec=38, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[Inexact, InvalidOperation]).quantize
_AMOUNTS = {"country": ("tax_percent",), "aggregations": ("sales", "sales_current_period", "balance")}
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

    def footer(self) -> bytes:
        """Return no bytes: the stream needs no footer."""
        return b""

    def batch(self, customers: Iterable[Customer], workspace: str | None = None) -> "pa.RecordBatch":
        """Return a record batch; all customers must belong to the given workspace.

        Raises:
            ExportError: A value does not fit its column.
        """
        customers = list(customers)
        arrays = [pa.array([workspace] * len(customers), _STRING)] * self.workspace_column
        arrays += [_column(customers, name) for name in self.fields]
        check_json_numbers(customers, self.fields)
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def table(self, batches: "Sequence[pa.RecordBatch]") -> "pa.Table":
        """Return record batches as one table."""
        return pa.Table.from_batches(batches, self.schema)


def _column(customers: Sequence[Customer], name: str) -> "pa.Array":
    """Return a field of customers as an array.

    Raises:
        ExportError: A value does not fit the column.
    """
    values = _values(customers, name)
    try:
        return pa.array(values, _TYPES[name])
    except (ValueError, OverflowError):
        for customer, value in zip(customers, values, strict=True):
            _check_fits(customer, name, value)
        raise


def _values(customers: Sequence[Customer], name: str) -> list[Any]:
    """Return a field of customers in the form of its column."""
    if name in JSON_FIELDS:
        return [encode_json_field(customer, name).decode() for customer in customers]
    values: list[Any] = msgspec.to_builtins(
        [getattr(customer, name) for customer in customers], builtin_types=_BUILTIN_TYPES, enc_hook=encode_datetime
    )
    if name in _AMOUNTS:
        for customer, amounts in zip(customers, values, strict=True):
            if amounts:
                _rescale_amounts(customer, name, amounts)
    if name == "state":
        for state in filter(None, values):
            state["id"] = str(state["id"])
    return values


def _rescale_amounts(customer: Customer, name: str, values: dict[str, Any]) -> None:
    """Give the amounts 10 decimals. Rescaled by pyarrow, `1E-50000000` crashes the process, and `1.000…` may become 0.

    Raises:
        ExportError: An amount would have to be rounded, or is too large.
    """
    for amount in _AMOUNTS[name]:
        value = values[amount]
        if value is not None:
            try:
                values[amount] = _rescale(value, _TEN_DECIMALS)
            except DecimalException:
                expected = "an amount with up to 28 digits before the point and 10 after it"
                raise value_error(customer, f"{name}.{amount}", value, expected) from None


def _check_fits(customer: Customer, name: str, value: object) -> None:
    try:
        pa.array([value], _TYPES[name])
    except (ValueError, OverflowError) as error:
        raise value_error(customer, name, value, f"{_TYPES[name]} ({error})") from error


# pyarrow imports pandas, if that is installed, at the first conversion: now, while this module is imported in a thread.
pa.array([], _STRING)
