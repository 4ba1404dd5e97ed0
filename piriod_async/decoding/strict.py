"""Strict decoding: msgspec reads JSON straight into records.

It accepts what the API's contract allows and raises `DECODE_ERRORS` for anything else. The few records that do not
conform are then decoded by `lenient`.
"""

from decimal import InvalidOperation
from typing import Generic, TypeVar

import msgspec

from piriod_async.decoding.sharing import UnfinishedCustomer, finish
from piriod_async.models import AwareDatetime, Customer, RecordId
from piriod_async.pagination.raw_page import RawPage

T = TypeVar("T")
DECODE_ERRORS = (
    msgspec.DecodeError,
    UnicodeDecodeError,
    RecursionError,  # nested too deeply
    InvalidOperation,  # an exponent too large for a Decimal
)


_NO_LINK = (b"null", b'""')


class Envelope(msgspec.Struct, Generic[T]):
    """The body of a page."""

    count: int
    results: list[T]
    next: msgspec.Raw = msgspec.Raw(_NO_LINK[0])

    @property
    def has_next(self) -> bool:
        """Whether there is a link to a next page."""
        return bytes(self.next) not in _NO_LINK


class DecodedKey(msgspec.Struct, frozen=True, gc=False):
    """The part of a customer that pagination needs."""

    id: RecordId
    created: AwareDatetime | None = None


_keys_decoder = msgspec.json.Decoder(Envelope[DecodedKey])
_key_decoder = msgspec.json.Decoder(DecodedKey)
_page_decoder = msgspec.json.Decoder(Envelope[UnfinishedCustomer])
_raw_page_decoder = msgspec.json.Decoder(Envelope[msgspec.Raw])
_customer_decoder = msgspec.json.Decoder(UnfinishedCustomer)


def decode_keys(body: bytes) -> RawPage:
    """Decode the id and creation time of each record of a page, and skip the other fields."""
    page = _keys_decoder.decode(body)
    return RawPage(keys=page.results, count=page.count, has_next=page.has_next, raw=body)


def decode_page(body: bytes) -> RawPage:
    """Decode all customers of a page, as its keys."""
    page = _page_decoder.decode(body)
    return RawPage(keys=finish(page.results), count=page.count, has_next=page.has_next, raw=body)


def decode_customers(body: bytes) -> tuple[Customer, ...]:
    """Decode all customers of a page."""
    return finish(_page_decoder.decode(body).results)


def decode_key(record: bytes | msgspec.Raw) -> DecodedKey:
    """Decode the id and creation time of one record."""
    return _key_decoder.decode(record)


def decode_customer(record: bytes | msgspec.Raw) -> Customer:
    """Decode one customer."""
    return finish([_customer_decoder.decode(record)])[0]


def split_page(body: bytes) -> Envelope[msgspec.Raw]:
    """Return a page with the JSON of each record."""
    return _raw_page_decoder.decode(body)
