"""Values that a format cannot hold: an error that names the customer, instead of a rounded number or a null."""

import math
import reprlib
from decimal import Decimal
from typing import Any

from piriod_async.export.fields import ExportError, json_encoder
from piriod_async.models import Customer

MAX_EXPONENT = 1_000  # without an exponent, `1e-50000000` is a cell of 50 MB
JSON_FIELDS = ("tax_settings", "metadata")
_MAX_SHOWN = 100  # characters
_NUMBERS, _CONTAINERS = (float, Decimal), (dict, list, tuple)
_short = reprlib.Repr()  # also of what is nested deeply
_short.maxstring = _short.maxother = _MAX_SHOWN


def value_error(customer: Customer, name: str, value: object, expected: str) -> ExportError:
    """Return the error for a value of a customer that a format cannot hold."""
    shown = str(value) if isinstance(value, _NUMBERS) else _short.repr(value)
    shown = f"{shown[:_MAX_SHOWN]}…" if len(shown) > _MAX_SHOWN else shown
    return ExportError(f"customer {customer.id}: {name}={shown}: expected {expected}")


def has_sensible_exponent(amount: Decimal) -> bool:
    """Return whether an amount has a sensible number of digits when it is written without an exponent."""
    return -MAX_EXPONENT <= amount.adjusted() <= MAX_EXPONENT


def encode_json_field(customer: Customer, name: str) -> bytes:
    """Return a field of a customer as JSON.

    Raises:
        ExportError: JSON cannot hold the value.
    """
    value = getattr(customer, name)
    try:
        data = json_encoder.encode(value)
    except (ValueError, RecursionError) as error:  # half a surrogate pair, thousands of digits, nested too deeply
        raise value_error(customer, name, value, f"a JSON value ({error})") from error
    if may_lose_numbers(data) and (number := _find_non_finite(value)) is not None:
        raise value_error(customer, name, number, "finite numbers, as JSON has no others")
    return data


def may_lose_numbers(data: bytes) -> bool:
    """Return whether JSON from msgspec may stand for a number that JSON lacks.

    An infinite float is written as null, an infinite Decimal as its text.
    """
    return b"null" in data or b"NaN" in data or b"Infinity" in data


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
