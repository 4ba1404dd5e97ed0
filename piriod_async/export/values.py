"""Values that a format cannot hold: an error that names the customer, instead of a rounded number or a null."""

import math
import reprlib
from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import Any

from piriod_async.export.fields import ExportError, json_encoder
from piriod_async.models import JSON_FIELDS, Customer

_MAX_SHOWN = 100  # characters
_NUMBERS, _CONTAINERS = (float, Decimal), (dict, list, tuple)
_short = reprlib.Repr()  # also of what is nested deeply
_short.maxstring = _short.maxother = _MAX_SHOWN


def value_error(customer: Customer, name: str, value: object, expected: str) -> ExportError:
    """Return the error for a value of a customer that a format cannot hold."""
    shown = str(value) if isinstance(value, _NUMBERS) else _short.repr(value)
    shown = f"{shown[:_MAX_SHOWN]}…" if len(shown) > _MAX_SHOWN else shown
    return ExportError(f"customer {customer.id}: {name}={shown}: expected {expected}")


def encode_json_field(customer: Customer, name: str) -> bytes:
    """Return a field of a customer as JSON, which `check_json_numbers` must have seen.

    Raises:
        ExportError: JSON cannot hold the value.
    """
    value = getattr(customer, name)
    try:
        return json_encoder.encode(value)
    except (TypeError, ValueError, RecursionError) as error:  # an object, half a surrogate pair, nested too deeply
        raise value_error(customer, name, value, f"a JSON value ({error})") from error


def check_json_values(customer: Customer, fields: Iterable[str]) -> None:
    """Check that JSON can hold the fields.

    Raises:
        ExportError: It cannot hold one of them.
    """
    for name in fields:
        encode_json_field(customer, name)


def encode_json_column(customers: Sequence[Customer], name: str) -> list[str]:
    """Return a field of customers as JSON, one text for each.

    Raises:
        ExportError: JSON cannot hold one of the values.
    """
    try:
        lines = json_encoder.encode_lines([getattr(customer, name) for customer in customers])
    except (TypeError, ValueError, RecursionError):
        for customer in customers:
            encode_json_field(customer, name)  # raises an error that names the customer
        raise
    _check_numbers(customers, name, lines)
    return lines.decode().split("\n")[:-1]


def check_json_numbers(customers: Sequence[Customer], fields: Collection[str]) -> None:
    """Check that the fields of free JSON have no infinity and no NaN, which JSON lacks.

    Raises:
        ExportError: One of the fields has such a number.
    """
    for name in JSON_FIELDS:
        if name in fields:
            data = json_encoder.encode([getattr(customer, name) for customer in customers])
            _check_numbers(customers, name, data)


def _check_numbers(customers: Sequence[Customer], name: str, json: bytes) -> None:
    """Check a field of free JSON.

    msgspec writes an infinity or NaN as null, and a Decimal as its text. It is faster to look for those in the JSON of
    all customers than at each value.
    """
    if b"null" in json or b"NaN" in json or b"Infinity" in json:
        for customer in customers:
            if (number := _find_non_finite(getattr(customer, name))) is not None:
                raise value_error(customer, name, number, "finite numbers, as JSON has no others")


def _find_non_finite(value: Any) -> float | Decimal | None:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, _CONTAINERS):
            pending += item.values() if isinstance(item, dict) else item
        elif isinstance(item, _NUMBERS) and not (
            item.is_finite() if isinstance(item, Decimal) else math.isfinite(item)
        ):
            return item
    return None
