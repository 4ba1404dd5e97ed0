"""The records of a page of which some do not conform: customers, and what cannot be one."""

import asyncio
from collections.abc import Iterator, Sequence

import msgspec
from attrs import field, frozen

from piriod_async.decoding import splitting, strict
from piriod_async.decoding.fields import read_key
from piriod_async.decoding.lenient import InvalidRecordError, decode_leniently
from piriod_async.errors import DecodeError
from piriod_async.invalid import InvalidRecord
from piriod_async.models import Customer
from piriod_async.pagination.raw_page import RawPage

_NO_CREATED = "missing, so the customer has no place in a listing by `created`: list with ordering=None"


@frozen
class DecodedPage:
    """The customers that a response adds, and its records that cannot be decoded.

    Attributes:
        customers: The customers, in order.
        invalid: The other records, each with the number of customers before it.
    """

    customers: tuple[Customer, ...] = field(repr=False)  # tracebacks show local variables
    invalid: Sequence[tuple[int, InvalidRecord]] = ()


def split_page(body: bytes) -> strict.Envelope[msgspec.Raw]:
    """Return a page with the JSON of each record.

    Raises:
        DecodeError: The body is not a page; the same request may succeed later.
    """
    try:
        return strict.split_page(body)
    except strict.DECODE_ERRORS as error:
        try:
            return splitting.split_page(body)
        except (*strict.DECODE_ERRORS, ValueError):
            start = body[:60].decode(errors="replace")
            raise DecodeError(f"the body is not a page of customers: {error} ({start!r}…)", retryable=True) from error


async def decode_keys(body: bytes) -> RawPage:
    """Decode the key of each record that has one.

    Decoding leniently is slow, so the event loop runs after each such record.

    Raises:
        DecodeError: The body is not a page.
    """
    page = split_page(body)
    keys, unplaced_ids = [], []
    for record in page.results:
        try:
            keys.append(strict.decode_key(record))
        except strict.DECODE_ERRORS:
            if key := read_key(record):
                keys.append(key)
            else:
                unplaced_ids.append(hash(bytes(record)))
            await asyncio.sleep(0)
    return RawPage(keys=keys, count=page.count, has_next=page.has_next, unplaced_ids=unplaced_ids, raw=body)


async def decode_records(page: RawPage, *, by_created: bool, reported: set[int]) -> DecodedPage:
    """Decode the records that a page adds to a listing, one by one.

    A record without a key has no place of its own: it comes before the next record that the page adds.

    Args:
        page: The page; its keys are those of the records that it adds.
        by_created: Whether a record needs a creation time to have a place.
        reported: The `unplaced_ids` of earlier pages; those of this page are added.
    """
    wanted = {key.id for key in page.keys}
    decoded: dict[str, Customer | InvalidRecord] = {}
    before: dict[str, list[InvalidRecord]] = {}
    unplaced: list[InvalidRecord] = []
    numbered = list(enumerate(split_page(page.raw).results))
    for index, record in reversed(numbered) if page.is_backwards else numbered:
        path = f"results[{index}]"
        key = _decode_key(record)
        if key is None or (by_created and not key.created):
            unplaced.append(await _decode_unplaced(record, path))
        elif key.id in wanted:
            decoded[key.id] = await _decode(record, path)
            before.setdefault(key.id, []).extend(_not_reported(unplaced, reported))
            unplaced = []
    customers: list[Customer] = []
    invalid: list[tuple[int, InvalidRecord]] = []
    for new in page.keys:
        for each in (*before[new.id], decoded[new.id]):
            if isinstance(each, Customer):
                customers.append(each)
            else:
                invalid.append((len(customers), each))
    invalid += [(len(customers), each) for each in _not_reported(unplaced, reported)]
    return DecodedPage(tuple(customers), invalid)


def _decode_key(record: msgspec.Raw) -> strict.DecodedKey | None:
    try:
        return strict.decode_key(record)
    except strict.DECODE_ERRORS:
        return read_key(record)


async def _decode(record: msgspec.Raw, path: str) -> Customer | InvalidRecord:
    try:
        return strict.decode_customer(record)
    except strict.DECODE_ERRORS:
        await asyncio.sleep(0)
    try:
        return decode_leniently(record, path=path)
    except InvalidRecordError as error:
        return error.record


async def _decode_unplaced(record: msgspec.Raw, path: str) -> InvalidRecord:
    outcome = await _decode(record, path)
    if isinstance(outcome, InvalidRecord):
        return outcome
    return InvalidRecord(path=f"{path}.created", record_id=outcome.id, reason=_NO_CREATED, raw=bytes(record))


def _not_reported(records: Sequence[InvalidRecord], reported: set[int]) -> Iterator[InvalidRecord]:
    """Yield each record once in a listing: pages overlap, and only keys tell which of their rows are new."""
    for record in records:
        identity = hash(record.record_id or record.raw)
        if identity not in reported:
            reported.add(identity)
            yield record
