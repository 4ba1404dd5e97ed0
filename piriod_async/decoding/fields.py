"""The fields of one record as plain JSON values, as far as they are JSON."""

import logging
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Any

import attrs
import msgspec

from piriod_async.decoding.splitting import split_object
from piriod_async.decoding.strict import DECODE_ERRORS, DecodedKey
from piriod_async.errors import MAX_SHOWN_ID
from piriod_async.models import JSON_FIELDS, MAX_EXPONENT, Customer, RecordId
from piriod_async.plain_text import shorten

logger = logging.getLogger("piriod_async")
_EXACT_FIELDS = {each.name for each in attrs.fields(Customer)}.difference(JSON_FIELDS)
# an escaped pair of surrogates and any other escape, to step over them; else half a pair
_ESCAPES = re.compile(rb"(\\u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|\\[^u])|\\u[dD][89a-fA-F]\w\w", re.DOTALL)


class FieldError(Exception):
    """The JSON of a field cannot be decoded.

    Attributes:
        name: The field.
        error: The reason.
    """

    def __init__(self, name: str, error: Exception) -> None:
        super().__init__(name, error)
        self.name, self.error = name, error


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
_free_decoder = _partial_decoder(JSON_FIELDS, _any_number)
_exact_decoder = _partial_decoder(_EXACT_FIELDS, Decimal)
_value_decoders: dict[str, msgspec.json.Decoder[Any]] = {
    **dict.fromkeys(JSON_FIELDS, msgspec.json.Decoder(Any, float_hook=_any_number)),
    **dict.fromkeys(_EXACT_FIELDS, msgspec.json.Decoder(Any, float_hook=Decimal)),
}


def read_key(record: bytes | msgspec.Raw) -> DecodedKey | None:
    """Return the id and creation time of a record, of which the rest may be invalid; None if it has no id."""
    fields = peek_key(bytes(record))
    with suppress(msgspec.ValidationError):
        return msgspec.convert(fields, DecodedKey)
    with suppress(msgspec.ValidationError):
        return DecodedKey(id=msgspec.convert(fields.get("id"), RecordId))
    return None


def peek_key(record: bytes) -> dict[str, Any]:
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


def read_fields(record: bytes, path: str) -> dict[str, Any]:
    """Return the fields that a customer has.

    Args:
        record: The record's JSON.
        path: Where the record is in the body, for the log.

    Raises:
        FieldError: A field is not JSON.
        ValueError: The record is not an object. Or another of `DECODE_ERRORS`.
    """
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
            raise FieldError(name, error) from error
    if repaired:
        customer = shorten(fields.get("id"), MAX_SHOWN_ID)
        logger.warning("%s: half a surrogate pair became U+FFFD (customer %s)", path, customer)
    return fields
