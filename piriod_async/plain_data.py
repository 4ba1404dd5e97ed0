"""Customers as plain data, dicts and JSON, and back; `Customer` has these functions as methods.

The JSON is a line of `export.write_jsonl`. Reading back decodes as a listing does, so it takes records that the API
sent, too.
"""

from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import msgspec

from piriod_async.datetimes import encode_datetime
from piriod_async.decoding.lenient import InvalidRecordError, decode_record, structure_leniently
from piriod_async.decoding.strict import DECODE_ERRORS
from piriod_async.errors import DecodeError
from piriod_async.export.fields import FIELDS, ExportError
from piriod_async.export.jsonl_format import JsonLinesEncoder
from piriod_async.export.values import check_json_values
from piriod_async.models import JSON_FIELDS, Customer
from piriod_async.plain_text import shown

Decimals: TypeAlias = Literal["text", "keep"]
_encoder = JsonLinesEncoder()


def to_dict(customer: Customer, decimals: Decimals) -> dict[str, Any]:
    """Return a customer as nested dicts and lists; see `Customer.to_dict`."""
    if decimals not in ("text", "keep"):
        raise ExportError(f'decimals={decimals!r}: expected "text" or "keep"')
    try:
        fields: dict[str, Any] = _to_builtins(_encoder.record(customer))
    except (TypeError, ValueError, RecursionError):
        check_json_values(customer, FIELDS)  # raises an error that names the field
        raise
    for name in ("contacts", "sources"):
        fields[name] = list(fields[name])
    if country := fields["country"]:
        country["currencies"] = list(country["currencies"])
    if decimals == "text":
        for amounts in filter(None, (country, fields["aggregations"])):
            amounts.update({name: str(value) for name, value in amounts.items() if isinstance(value, Decimal)})
        for name in JSON_FIELDS:
            _replace_decimals(fields[name])
    return fields


def to_json(customer: Customer) -> str:
    """Return a customer as JSON; see `Customer.to_json`."""
    return _encoder.encode([customer]).decode().removesuffix("\n")


def from_dict(data: Mapping[str, Any]) -> Customer:
    """Return the customer of a dict; see `Customer.from_dict`."""
    if not isinstance(data, Mapping):
        raise DecodeError(f"$: {shown(data)} is not an object", path="$")
    fields = {}
    for name in FIELDS:
        if name in data:
            value = data[name]
            try:
                plain = _to_builtins(value)
            except (TypeError, ValueError, RecursionError) as error:
                message = f"$.{name}: {shown(value)} cannot be read: {error}"
                raise DecodeError(message, path=f"$.{name}") from error
            fields[name] = list(plain) if isinstance(plain, tuple) else plain
    with suppress(*DECODE_ERRORS):
        return msgspec.convert(fields, Customer)
    try:
        return structure_leniently(fields)
    except InvalidRecordError as error:
        raise error.record.to_error() from error


def from_json(text: str | bytes) -> Customer:
    """Return the customer of a JSON object; see `Customer.from_json`."""
    if not isinstance(text, str | bytes):
        raise DecodeError(f"text={shown(text)}: expected JSON, as str or bytes")
    record = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    try:
        return decode_record(record)
    except InvalidRecordError as error:
        raise error.record.to_error() from error


def _to_builtins(value: object) -> Any:
    """Return a copy of a value in which records are dicts, and datetimes ISO 8601 text."""
    return msgspec.to_builtins(value, builtin_types=(Decimal,), enc_hook=encode_datetime)


def _replace_decimals(free_json: dict[str, Any]) -> None:
    """Replace each Decimal, a number too large for a float, by an int, which is equal; one with a fraction by text."""
    pending: list[Any] = [free_json]
    while pending:
        container = pending.pop()
        for key, value in container.items() if isinstance(container, dict) else enumerate(container):
            if isinstance(value, dict | list):
                pending.append(value)
            elif isinstance(value, Decimal):
                is_integral = value.is_finite() and value == value.to_integral_value()
                container[key] = int(value) if is_integral else str(value)
