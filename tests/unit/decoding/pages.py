"""Decode pages, as a listing does."""

from piriod_async import Customer, InvalidRecord
from piriod_async.decoding.page_decoder import PageDecoder
from piriod_async.decoding.records import DecodedPage


async def decode(body: bytes, *, by_created: bool = False) -> DecodedPage:
    """Decode all records of a page."""
    decoder = PageDecoder()
    page = await decoder.decode_keys(body)
    return await decoder.decode_customers(page, by_created=by_created, reported=set())


async def customers_of(body: bytes) -> tuple[Customer, ...]:
    """Decode a page of which all records are customers."""
    page = await decode(body)
    assert not page.invalid
    return page.customers


async def invalid_in(body: bytes) -> InvalidRecord:
    """Decode a page of five records, and return the one in the middle, which must be the only one that is invalid."""
    page = await decode(body)
    assert [customer.id for customer in page.customers] == ["cus_a", "cus_b", "cus_d", "cus_e"]
    [(position, record)] = page.invalid
    assert position == 2
    return record
