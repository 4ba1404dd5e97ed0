"""Strict decoding: msgspec reads JSON straight into records.

It accepts what the API's contract allows and raises `DECODE_ERRORS` for anything else. The few records that do not
conform are then decoded by `lenient`.
"""

from decimal import InvalidOperation
from typing import Generic, TypeVar

import msgspec

from piriod_async.models import AwareDatetime, Customer
from piriod_async.pagination.raw_page import RawPage

T = TypeVar("T")
DECODE_ERRORS = (
    msgspec.DecodeError,
    UnicodeDecodeError,
    RecursionError,  # nested too deeply
    InvalidOperation,  # an exponent too large for a Decimal
)


class _Envelope(msgspec.Struct, Generic[T]):
    count: int
    results: list[T]


class _RecordKey(msgspec.Struct, frozen=True, gc=False):
    id: str
    created: AwareDatetime | None = None


_keys_decoder = msgspec.json.Decoder(_Envelope[_RecordKey])
_page_decoder = msgspec.json.Decoder(_Envelope[Customer])
_raw_page_decoder = msgspec.json.Decoder(_Envelope[msgspec.Raw])
_customer_decoder = msgspec.json.Decoder(Customer)


def decode_keys(body: bytes) -> RawPage:
    """Decode the id and creation time of each record of a page, and skip the other fields."""
    page = _keys_decoder.decode(body)
    return RawPage(keys=page.results, count=page.count, raw=body)


def decode_customers(body: bytes) -> tuple[Customer, ...]:
    """Decode all customers of a page."""
    return tuple(_page_decoder.decode(body).results)


def decode_customer(record: bytes | msgspec.Raw) -> Customer:
    """Decode one customer."""
    return _customer_decoder.decode(record)


def split_page(body: bytes) -> tuple[int, list[msgspec.Raw]]:
    """Return the `count` of a page and the JSON of each record."""
    page = _raw_page_decoder.decode(body)
    return page.count, page.results
