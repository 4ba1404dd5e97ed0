"""The decoder of a session: chooses between strict and lenient decoding, and keeps the event loop responsive."""

import asyncio
from contextlib import suppress
from operator import attrgetter
from typing import cast

from attrs import define, field

from piriod_async.decoding import records, strict
from piriod_async.decoding.records import DecodedPage
from piriod_async.models import Customer
from piriod_async.pagination.raw_page import RawPage

_id_of = attrgetter("id")


@define(eq=False)
class PageDecoder:
    """Decodes the customers of at most one page per event-loop iteration.

    A page of 100 takes about a millisecond. Many responses can become ready in the same iteration; decoded back to
    back, they would delay every other task of the application.
    """

    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False)
    _decode_lock: asyncio.Lock = field(factory=asyncio.Lock, init=False)

    async def decode_keys(self, body: bytes) -> RawPage:
        """Decode the id and creation time of each record.

        Raises:
            DecodeError: The body is not a page.
        """
        try:
            return strict.decode_keys(body)
        except strict.DECODE_ERRORS:
            async with self._lock_of_running_loop():
                return await records.decode_keys(body)

    async def decode_page(self, body: bytes) -> RawPage:
        """Decode the customers of a response whose consumer waits for them: they are its keys.

        Raises:
            DecodeError: The body is not a page.
        """
        await self._take_turn()
        with suppress(*strict.DECODE_ERRORS):
            return strict.decode_page(body)
        return await self.decode_keys(body)

    async def decode_customers(self, page: RawPage, *, by_created: bool, reported: set[int]) -> DecodedPage:
        """Decode the customers that a page adds to a listing.

        Args:
            page: The page; its keys are those of the customers that it adds.
            by_created: Whether a customer needs a creation time to have a place in the listing.
            reported: The `unplaced_ids` of earlier pages; those of this page are added.
        """
        if not page.unplaced_ids and (not page.keys or isinstance(page.keys[0], Customer)):
            return DecodedPage(cast("tuple[Customer, ...]", tuple(page.keys)))  # decoded at once
        await self._take_turn()
        if not page.unplaced_ids:
            with suppress(*strict.DECODE_ERRORS):
                customers = strict.decode_customers(page.raw)
                by_id = dict(zip(map(_id_of, customers), customers, strict=True))
                return DecodedPage(tuple(map(by_id.__getitem__, map(_id_of, page.keys))))
        return await records.decode_records(page, by_created=by_created, reported=reported)

    async def _take_turn(self) -> None:
        """Wait until no other page has been decoded in this iteration of the event loop."""
        lock = self._lock_of_running_loop()
        await lock.acquire()
        asyncio.get_running_loop().call_soon(lock.release)  # in the next iteration, without delaying this page

    def _lock_of_running_loop(self) -> asyncio.Lock:
        """Return a lock for the running event loop. A session may be used on several loops; a lock may not."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._decode_lock = loop, asyncio.Lock()
        return self._decode_lock
