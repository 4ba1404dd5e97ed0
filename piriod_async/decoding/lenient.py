"""Lenient decoding: cattrs structures one record that strict decoding refused.

It forgives the variants that the live API was seen to send (`normalize` lists them) and names precisely what it cannot
forgive: `results[17].created: 'yesterday' is not a date-time with a time zone`. A record that strict decoding accepts
decodes to an equal record here.
"""

import logging
import re
from collections.abc import Callable, Iterable
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

from piriod_async.decoding.normalize import normalize_contact, normalize_customer
from piriod_async.decoding.splitting import split_object
from piriod_async.decoding.strict import DECODE_ERRORS, DecodedKey
from piriod_async.invalid import InvalidRecord
from piriod_async.models import (
    MAX_EXPONENT,
    Aggregations,
    AwareDatetime,
    Contact,
    Country,
    Customer,
    CustomerStatus,
    RecordId,
    State,
)

logger = logging.getLogger("piriod_async")
_MAX_SHOWN = 200  # characters of a value that an error message shows
_JSON_FIELDS = {"metadata", "tax_settings"}  # any JSON: numbers in them stay floats, elsewhere they become Decimal
_EXACT_FIELDS = {each.name for each in attrs.fields(Customer)} - _JSON_FIELDS
# an escaped pair of surrogates and any other escape, to step over them; else half a pair
_ESCAPES = re.compile(rb"(\\u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|\\[^u])|\\u[dD][89a-fA-F]\w\w", re.DOTALL)


class InvalidRecordError(Exception):
    """A record cannot be decoded."""

    def __init__(self, record: InvalidRecord) -> None:
        super().__init__(record)
        self.record = record


class _FieldError(Exception):
    """The JSON of a field cannot be decoded. Its arguments are the field's name and what is wrong with it."""


def _any_number(text: str) -> float | Decimal:
    """Return a float, as JSON has it; but a Decimal if the number is too large for one."""
    number = float(text)
    if number - number == 0:  # finite
        return number
    exact = Decimal(text)
    if exact.adjusted() > MAX_EXPONENT:
        raise InvalidOperation
    return exact


def _partial_decoder(names: Iterable[str], float_hook: Callable[[str], Any]) -> msgspec.json.Decoder[Any]:
    """Return a decoder of some fields of a record. It skips the others unread, as strict decoding does."""
    struct = msgspec.defstruct("_PartialRecord", [(name, Any, msgspec.UNSET) for name in names])
    return msgspec.json.Decoder(struct, float_hook=float_hook)


_key_decoder = _partial_decoder(["id", "created"], Decimal)
_free_decoder = _partial_decoder(_JSON_FIELDS, _any_number)
_exact_decoder = _partial_decoder(_EXACT_FIELDS, Decimal)
_value_decoders: dict[str, msgspec.json.Decoder[Any]] = {
    **dict.fromkeys(_JSON_FIELDS, msgspec.json.Decoder(Any, float_hook=_any_number)),
    **dict.fromkeys(_EXACT_FIELDS, msgspec.json.Decoder(Any, float_hook=Decimal)),
}


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
        return _converter.structure(_read_fields(raw, path), Customer)
    except (cattrs.BaseValidationError, _FieldError, *DECODE_ERRORS) as error:
        location, problem = _locate_error(error, path)
        record_id = _peek(raw).get("id")
        record_id = record_id if isinstance(record_id, str) and record_id else None
        raise InvalidRecordError(InvalidRecord(path=location, record_id=record_id, reason=problem, raw=raw)) from error


def decode_key_leniently(record: bytes | msgspec.Raw) -> DecodedKey | None:
    """Return the id and creation time of a record, of which the rest may be invalid; None if it has no id."""
    fields = _peek(bytes(record))
    with suppress(msgspec.ValidationError):
        return msgspec.convert(fields, DecodedKey)
    with suppress(msgspec.ValidationError):
        return DecodedKey(id=msgspec.convert(fields.get("id"), RecordId))
    return None


def _peek(record: bytes) -> dict[str, Any]:
    """Return the id and the creation time of a record as they are, if they can be decoded."""
    try:
        return _as_dict(_key_decoder.decode(record))
    except DECODE_ERRORS:
        pass
    fields = {}
    with suppress(ValueError):
        for name, value in split_object(record):
            if name in ("id", "created"):
                with suppress(*DECODE_ERRORS):
                    fields[name] = _value_decoders[name].decode(value)
    return fields


def _read_fields(record: bytes, path: str) -> dict[str, Any]:
    try:
        return _as_dict(_exact_decoder.decode(record)) | _as_dict(_free_decoder.decode(record))
    except DECODE_ERRORS:
        if not record.lstrip().startswith(b"{"):
            raise
        return _read_each_field(record, path)


def _as_dict(fields: Any) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(fields).items() if value is not msgspec.UNSET}


def _read_each_field(record: bytes, path: str) -> dict[str, Any]:
    """Decode the fields one by one, so that the one that is not JSON can be named, and the unread ones do not matter.

    Half a surrogate pair becomes U+FFFD, except in the id: two ids must not become one.
    """
    fields: dict[str, Any] = {}
    repaired = False
    for name, value in split_object(record):
        if name not in _value_decoders:
            continue
        text = value if name == "id" else _ESCAPES.sub(lambda escape: escape[1] or rb"\ufffd", value)
        repaired |= text != value
        try:
            fields[name] = _value_decoders[name].decode(text)
        except (*DECODE_ERRORS, ValueError) as error:
            raise _FieldError(name, _describe_error(error)) from error
    if repaired:
        logger.warning("%s: half a surrogate pair became U+FFFD (customer %s)", path, fields.get("id"))
    return fields


def _locate_error(error: BaseException, path: str) -> tuple[str, str]:
    """Return the path and the description of the first problem."""
    if isinstance(error, _FieldError):
        name, problem = error.args
        return f"{path}.{name}", problem
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
