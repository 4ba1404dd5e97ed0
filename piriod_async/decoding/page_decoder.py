"""The decoder of a session: chooses between strict and lenient decoding, and keeps the event loop responsive."""

import asyncio
from contextlib import suppress

import msgspec
from attrs import define, field

from piriod_async.decoding import strict
from piriod_async.decoding.lenient import decode_leniently
from piriod_async.errors import DecodeError
from piriod_async.models import Customer
from piriod_async.pagination.raw_page import RawPage


@define(eq=False)
class PageDecoder:
    """Decodes the customers of at most one page per event-loop iteration.

    A page of 100 takes about a millisecond. Many responses can become ready in the same iteration; decoded back to
    back, they would delay every other task of the application.
    """

    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False)
    _decode_lock: asyncio.Lock = field(factory=asyncio.Lock, init=False)

    async def decode_keys(self, body: bytes) -> RawPage:
        """Decode the id and creation time of each record; the full customers too, if strict decoding fails.

        Raises:
            DecodeError: The body is not a page (`retryable`), or a customer cannot be decoded.
        """
        try:
            return strict.decode_keys(body)
        except strict.DECODE_ERRORS:
            async with self._lock_of_running_loop():
                page, customers = await _decode_one_by_one(body)
        return RawPage(keys=customers, count=page.count, has_next=page.has_next, raw=body, customers=customers)

    async def decode_customers(self, page: RawPage) -> tuple[Customer, ...]:
        """Decode all customers of a page.

        Raises:
            DecodeError: A customer cannot be decoded.
        """
        if page.customers is not None:
            return page.customers
        lock = self._lock_of_running_loop()
        await lock.acquire()
        asyncio.get_running_loop().call_soon(lock.release)  # in the next iteration, without delaying this page
        with suppress(*strict.DECODE_ERRORS):
            return strict.decode_customers(page.raw)
        try:
            _, customers = await _decode_one_by_one(page.raw)
        except DecodeError as error:
            error.attempts = 1  # this response is not requested again
            raise
        return customers

    def _lock_of_running_loop(self) -> asyncio.Lock:
        """Return a lock for the running event loop. A session may be used on several loops; a lock may not."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._decode_lock = loop, asyncio.Lock()
        return self._decode_lock


async def _decode_one_by_one(body: bytes) -> tuple[strict.Envelope[msgspec.Raw], tuple[Customer, ...]]:
    """Return a page, and its customers, of which some do not conform.

    Only those are decoded leniently. That is ten times slower, so the event loop runs after each of them.
    """
    try:
        page = strict.split_page(body)
    except strict.DECODE_ERRORS as error:
        start = body[:60].decode(errors="replace")
        raise DecodeError(f"the body is not a page of customers: {error} ({start!r}…)", retryable=True) from error
    customers = []
    for index, record in enumerate(page.results):
        try:
            customers.append(strict.decode_customer(record))
        except strict.DECODE_ERRORS:
            customers.append(decode_leniently(record, path=f"results[{index}]"))
            await asyncio.sleep(0)
    return page, tuple(customers)
