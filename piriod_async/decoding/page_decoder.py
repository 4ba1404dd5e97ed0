"""The decoder of a session: response bodies to pages, without holding up the event loop."""

import asyncio

from attrs import define, field

from piriod_async.decoding.strict import decode_keys, decode_page
from piriod_async.errors import DecodeError
from piriod_async.models import Customer
from piriod_async.pagination.raw_page import RawPage


@define(eq=False)
class PageDecoder:
    """Decodes at most one page of customers in each iteration of the event loop: sixteen may arrive in the same one."""

    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False)
    _decode_lock: asyncio.Lock = field(factory=asyncio.Lock, init=False)

    async def decode_keys(self, body: bytes) -> RawPage:
        """Decode the id and creation time of each customer of a page.

        Raises:
            DecodeError: The body is not a page (`retryable`), or a customer cannot be read.
        """
        return await decode_keys(body, self._lock())

    async def decode_customers(self, page: RawPage) -> tuple[Customer, ...]:
        """Decode every customer of a page.

        Raises:
            DecodeError: A customer cannot be read.
        """
        if page.customers is not None:
            return page.customers
        lock = self._lock()
        await lock.acquire()
        asyncio.get_running_loop().call_soon(lock.release)
        try:
            return (await decode_page(page.raw)).customers
        except DecodeError as error:
            error.attempts = 1  # this response was not requested again
            raise

    def _lock(self) -> asyncio.Lock:
        """Return the lock of the running event loop: a session may outlive a loop, and a lock belongs to one."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._decode_lock = loop, asyncio.Lock()
        return self._decode_lock
