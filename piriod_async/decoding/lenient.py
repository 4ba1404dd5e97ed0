"""Lenient decoding: cattrs structures one record that strict decoding refused.

It forgives the variants that the live API was seen to send (`normalize` lists them) and names precisely what it cannot
forgive: `results[17].created: 'yesterday' is not a date-time with a time zone`. A record that strict decoding accepts
decodes to an equal record here.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from operator import eq
from typing import Any

import attrs
import cattrs
import msgspec
from cattrs.gen import make_dict_structure_fn

from piriod_async.decoding.normalize import normalize_contact, normalize_customer
from piriod_async.decoding.strict import DECODE_ERRORS
from piriod_async.errors import DecodeError
from piriod_async.models import Aggregations, AwareDatetime, Contact, Country, Customer, CustomerStatus, State

_MAX_SHOWN = 200  # characters of a value that an error message shows
_JSON_FIELDS = {"metadata", "tax_settings"}  # any JSON: numbers in them stay floats, elsewhere they become Decimal


def _partial_decoder(names: Iterable[str], float_hook: type[Decimal | float] = float) -> msgspec.json.Decoder[Any]:
    """Return a decoder of some fields of a record. It skips the others unread, as strict decoding does."""
    struct = msgspec.defstruct("_PartialRecord", [(name, Any, msgspec.UNSET) for name in names])
    return msgspec.json.Decoder(struct, float_hook=float_hook)


_id_decoder = _partial_decoder(["id"])
_free_decoder = _partial_decoder(_JSON_FIELDS)
_exact_decoder = _partial_decoder({each.name for each in attrs.fields(Customer)} - _JSON_FIELDS, Decimal)


def decode_leniently(record: bytes | msgspec.Raw, *, path: str = "$") -> Customer:
    """Decode the JSON of one customer.

    Args:
        record: The customer's JSON.
        path: Where the record is in the body, for the error message.

    Raises:
        DecodeError: A field is missing or has a value that cannot be understood.
    """
    try:
        fields = _read_fields(_exact_decoder, record) | _read_fields(_free_decoder, record)
        return _converter.structure(fields, Customer)
    except (cattrs.BaseValidationError, *DECODE_ERRORS) as error:
        location, problem = _locate_error(error, path)
        record_id = _peek_id(record)
        customer = f" (customer {record_id})" if record_id else ""
        raise DecodeError(f"{location}: {problem}{customer}", path=location, record_id=record_id) from error


def _read_fields(decoder: msgspec.json.Decoder[Any], record: bytes | msgspec.Raw) -> dict[str, Any]:
    fields = msgspec.structs.asdict(decoder.decode(record))
    return {name: value for name, value in fields.items() if value is not msgspec.UNSET}


def _peek_id(record: bytes | msgspec.Raw) -> str | None:
    """Return the id of a record that cannot be decoded, if at least its id can."""
    try:
        value = _id_decoder.decode(record).id
    except DECODE_ERRORS:
        return None
    return value if isinstance(value, str) else None


def _locate_error(error: BaseException, path: str) -> tuple[str, str]:
    """Return the path and the description of the first problem."""
    if isinstance(error, InvalidOperation):
        return path, "number out of range"
    if not isinstance(error, cattrs.BaseValidationError):
        return path, str(error)
    first = cattrs.transform_error(error, path, lambda inner, _: _describe_error(inner))[0]
    problem, _, location = first.rpartition(" @ ")
    return location, problem


def _describe_error(error: BaseException) -> str:
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
    normalize: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> Callable[[Any, Any], Any]:
    """Return a cattrs hook that normalizes a JSON object and gives omitted fields their defaults.

    A field counts as omitted if it is null, or `""` where the field is not text.
    """
    structure = make_dict_structure_fn(cls, converter)
    optional = {each.name for each in attrs.fields(cls) if each.default is not attrs.NOTHING}
    text = {each.name for each in attrs.fields(cls) if each.type in (str | None, CustomerStatus)}

    def hook(value: Any, _: Any) -> attrs.AttrsInstance:
        if not isinstance(value, dict):
            raise ValueError(f"{_truncated(value)} is not an object")  # noqa: TRY004 (bad data, not a caller's mistake)
        record = normalize(value)
        omitted = {name for name in optional if record.get(name) is None or (record[name] == "" and name not in text)}
        return structure({name: inner for name, inner in record.items() if name not in omitted}, cls)

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
    for type_, expected in ((tuple[str, ...], "a list of text"), (dict[str, Any], "an object")):
        converter.register_structure_hook_func(partial(eq, type_), _msgspec_hook(type_, expected))
    for cls in (Country, State, Aggregations):
        converter.register_structure_hook(cls, _object_hook(converter, cls))
    converter.register_structure_hook(Contact, _object_hook(converter, Contact, normalize_contact))
    converter.register_structure_hook_func(partial(eq, tuple[Contact, ...]), _contacts_hook(converter))
    converter.register_structure_hook(Customer, _object_hook(converter, Customer, normalize_customer))
    return converter


_converter = _make_converter()
