"""The columns of Arrow and Parquet: their types, and the fields of customers as arrays of these types.

A call of pyarrow takes as long as some twenty values, and msgspec is slow to make dicts of records. So structs that
have few parts, or few different values, are made of dicts, and the others of one array per part.
"""

from collections.abc import Sequence
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, DecimalException, Inexact, InvalidOperation
from itertools import accumulate
from operator import attrgetter
from typing import Any

import msgspec

from piriod_async.datetimes import DATETIME_TYPES, encode_datetime
from piriod_async.export.fields import FIELDS
from piriod_async.export.values import encode_json_column, value_error
from piriod_async.models import JSON_FIELDS, Contact, Country, Customer, State

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
TYPES = dict.fromkeys(FIELDS, _STRING) | {
    "country": pa.struct(_COUNTRY),
    "state": pa.struct(dict.fromkeys(("id", "name", "code", "country"), _STRING)),
    **dict.fromkeys(("send_invoices", "send_collections", "send_vouchers", "test_mode"), _BOOL),
    "contacts": pa.list_(pa.struct(_CONTACT)),
    "sources": pa.list_(_STRING),
    "aggregations": pa.struct(dict.fromkeys(("sales", "sales_current_period", "balance"), _AMOUNT)),
    **dict.fromkeys(("created", "updated"), _TIMESTAMP),
}


def column(customers: Sequence[Customer], name: str) -> "pa.Array":
    """Return a field of customers as an array.

    Raises:
        ExportError: A value does not fit the column.
    """
    if name in JSON_FIELDS:
        return pa.array(encode_json_column(customers, name), _STRING)
    values = [*map(attrgetter(name), customers)]
    try:
        return _column(values, name)
    except (ValueError, OverflowError, DecimalException):
        for customer, value in zip(customers, values, strict=True):
            _check_fits(customer, name, value)
        raise


def _column(values: Sequence[Any], name: str) -> "pa.Array":
    if name == "contacts":
        return _contacts(values, TYPES[name])
    if name in {"country", "state"}:  # most are the same objects (`decoding.sharing`)
        dicts = {key: _as_dict(record) for key, record in {id(record): record for record in values}.items()}
        values = [dicts[id(record)] for record in values]
    elif name == "aggregations":
        values = [
            {
                "sales": _amount(totals.sales),
                "sales_current_period": _amount(totals.sales_current_period),
                "balance": _amount(totals.balance),
            }
            for totals in values
        ]
    else:
        values = _plain(values)
    return pa.array(values, TYPES[name])


def _plain(values: Any) -> Any:
    return msgspec.to_builtins(values, builtin_types=_BUILTIN_TYPES, enc_hook=encode_datetime)


def _as_dict(record: Any) -> Any:
    values = _plain(record)
    if isinstance(record, Country):
        values["tax_percent"] = _amount(record.tax_percent)
    if isinstance(record, State):
        values["id"] = str(record.id)
    return values


def _contacts(values: Sequence[Sequence[Contact]], type_: "pa.ListType") -> "pa.Array":
    """Return lists of structs, made of one array per field: of dicts they take longer."""
    contacts = [contact for each in values for contact in each]
    arrays = [pa.array(_plain([*map(attrgetter(name), contacts)]), _CONTACT[name]) for name in _CONTACT]
    offsets = pa.array(accumulate(map(len, values), initial=0), pa.int32())
    structs = pa.StructArray.from_arrays(arrays, fields=[*type_.value_type])
    return pa.ListArray.from_arrays(offsets, structs, type=type_)


def _amount(value: Decimal | None) -> Decimal | None:
    """Give an amount 10 decimals. Rescaled by pyarrow, `1E-50000000` crashes the process, and `1.000…` may become 0.

    Raises:
        DecimalException: It would have to be rounded, or is too large.
    """
    return None if value is None else _rescale(value, _TEN_DECIMALS)


def _check_fits(customer: Customer, name: str, value: Any) -> None:
    for amount in _AMOUNTS.get(name, ()) if value else ():
        number = getattr(value, amount)
        try:
            _amount(number)
        except DecimalException:
            expected = "an amount with up to 28 digits before the point and 10 after it"
            raise value_error(customer, f"{name}.{amount}", number, expected) from None
    try:
        _column([value], name)
    except (ValueError, OverflowError) as error:
        raise value_error(customer, name, value, f"{TYPES[name]} ({error})") from error


# pyarrow imports pandas, if that is installed, at the first conversion: now, while this module is imported in a thread.
pa.array([], _STRING)
