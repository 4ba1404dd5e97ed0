"""Lenient decoding: cattrs structures one record that strict decoding refused.

It forgives the variants that the live API was seen to send (`normalize` lists them) and names precisely what it cannot
forgive: `results[17].created: 'yesterday' is not a date-time with a time zone`. A record that strict decoding accepts
decodes to an equal record here.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from operator import eq
from types import NoneType
from typing import Any, get_args

import attrs
import cattrs
import msgspec
from cattrs.gen import make_dict_structure_fn

from piriod_async.decoding.fields import FieldError, peek_key, read_fields
from piriod_async.decoding.normalize import normalize_contact, normalize_customer
from piriod_async.decoding.strict import DECODE_ERRORS, decode_customer
from piriod_async.invalid import InvalidRecord
from piriod_async.models import (
    Aggregations,
    AwareDatetime,
    Contact,
    Country,
    Customer,
    CustomerStatus,
    RecordId,
    State,
)

_ERRORS = (cattrs.BaseValidationError, FieldError, ValueError, *DECODE_ERRORS)
_MAX_SHOWN = 200  # characters of a value that an error message shows


class InvalidRecordError(Exception):
    """A record cannot be decoded."""

    def __init__(self, record: InvalidRecord) -> None:
        super().__init__(record)
        self.record = record


def decode_record(record: bytes | msgspec.Raw, *, path: str = "$") -> Customer:
    """Decode the JSON of one customer, leniently if strict decoding refuses it.

    Args:
        record: The customer's JSON.
        path: Where the record is in the body, for the error message.

    Raises:
        InvalidRecordError: A field is missing or has a value that cannot be understood.
    """
    with suppress(*DECODE_ERRORS):
        return decode_customer(record)
    return decode_leniently(record, path=path)


def decode_leniently(record: bytes | msgspec.Raw, *, path: str = "$") -> Customer:
    """Decode the JSON of one customer.

    Args:
        record: The customer's JSON.
        path: Where the record is in the body, for the error message.

    Raises:
        InvalidRecordError: A field is missing or has a value that cannot be understood.
    """
    raw = bytes(record)
    try:
        return _converter.structure(read_fields(raw, path), Customer)
    except _ERRORS as error:
        raise InvalidRecordError(_describe_record(error, path, peek_key(raw).get("id"), raw)) from error


def structure_leniently(fields: Mapping[str, Any]) -> Customer:
    """Return the customer that has these fields.

    Args:
        fields: Plain JSON values; amounts may be Decimals.

    Raises:
        InvalidRecordError: A field is missing or has a value that cannot be understood.
    """
    try:
        return _converter.structure(fields, Customer)
    except _ERRORS as error:
        raise InvalidRecordError(_describe_record(error, "$", fields.get("id"), b"")) from error


def _describe_record(error: BaseException, path: str, record_id: Any, raw: bytes) -> InvalidRecord:
    location, problem = _locate_error(error, path)
    record_id = record_id if isinstance(record_id, str) and record_id else None
    return InvalidRecord(path=location, record_id=record_id, reason=problem, raw=raw)


def _locate_error(error: BaseException, path: str) -> tuple[str, str]:
    """Return the path and the description of the first problem."""
    if isinstance(error, FieldError):
        return f"{path}.{error.name}", _describe_error(error.error)
    if not isinstance(error, cattrs.BaseValidationError):
        return path, _describe_error(error)
    first = cattrs.transform_error(error, path, lambda inner, _: _describe_error(inner))[0]
    problem, _, location = first.rpartition(" @ ")
    return location, problem


def _describe_error(error: BaseException) -> str:
    if isinstance(error, InvalidOperation):
        return "number out of range"
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)


def _truncated(value: Any) -> str:
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def _msgspec_hook(type_: Any, expected: str) -> Callable[[Any, Any], Any]:
    """Return a cattrs hook that accepts what strict decoding accepts, by asking msgspec too.

    The hooks of cattrs are too generous: they make 'None' of null, True of "no" and ('a', 'b') of "ab".
    """

    def hook(value: Any, _: Any) -> Any:
        try:
            return msgspec.convert(value, type_)
        except msgspec.ValidationError:
            raise ValueError(f"{_truncated(value)} is not {expected}") from None

    return hook


def _object_hook(
    converter: cattrs.Converter,
    cls: type[attrs.AttrsInstance],
    normalize: Callable[[dict[str, Any]], dict[str, Any]] = dict,  # returns a new dict
) -> Callable[[Any, Any], Any]:
    """Return a cattrs hook that normalizes a JSON object and gives omitted fields their defaults.

    Null is None where the field can be None, whatever its default: nobody has consented to anything. Elsewhere, the
    field counts as omitted. Empty text is null where the field is not text.
    """
    structure = make_dict_structure_fn(cls, converter)
    fields = [each for each in attrs.fields(cls) if each.default is not attrs.NOTHING]
    text = {each.name for each in fields if each.type in (str, str | None)}
    nullable = {each.name for each in fields if NoneType in get_args(each.type)}
    optional = {each.name for each in fields}

    def hook(value: Any, _: Any) -> attrs.AttrsInstance:
        if not isinstance(value, dict):
            raise ValueError(f"{_truncated(value)} is not an object")  # noqa: TRY004 (bad data, not a caller's mistake)
        record = normalize(value)
        for name in optional & record.keys():
            if record[name] is None or (record[name] == "" and name not in text):
                if name in nullable:
                    record[name] = None
                else:
                    del record[name]
        return structure(record, cls)

    return hook


def _contacts_hook(converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    structure = converter.get_structure_hook(tuple[Contact, ...])

    def hook(value: Any, type_: Any) -> Any:
        if not isinstance(value, list):
            raise ValueError(f"{_truncated(value)} is not a list of contacts")  # noqa: TRY004
        return structure(value, type_)

    return hook


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=True)
    converter.register_structure_hook(str, _msgspec_hook(str, "text"))
    converter.register_structure_hook(bool, _msgspec_hook(bool, "true or false"))
    converter.register_structure_hook(Decimal, _msgspec_hook(Decimal, "an amount"))
    converter.register_structure_hook(datetime, _msgspec_hook(AwareDatetime, "a date-time with a time zone"))
    converter.register_structure_hook(CustomerStatus, _msgspec_hook(CustomerStatus, "a status"))
    converter.register_structure_hook(int | str, _msgspec_hook(int | str, "an id"))
    others = ((tuple[str, ...], "a list of text"), (dict[str, Any], "an object"), (RecordId, "an id"))
    for type_, expected in others:
        converter.register_structure_hook_func(partial(eq, type_), _msgspec_hook(type_, expected))
    for cls in (Country, State, Aggregations):
        converter.register_structure_hook(cls, _object_hook(converter, cls))
    converter.register_structure_hook(Contact, _object_hook(converter, Contact, normalize_contact))
    converter.register_structure_hook_func(partial(eq, tuple[Contact, ...]), _contacts_hook(converter))
    converter.register_structure_hook(Customer, _object_hook(converter, Customer, normalize_customer))
    return converter


_converter = _make_converter()
