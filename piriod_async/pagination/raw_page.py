"""A response body, plus the id and creation time of each record.

Pagination needs no more than that. Customers are decoded one page at a time, when the consumer gets to them: pages that
are prefetched stay bytes until then, because decoded ones would be traversed by the garbage collector again and again.
Only the first response of a listing, and the one that is read backwards, are decoded at once: their keys are customers.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from attrs import evolve, field, frozen

from piriod_async.response_info import ResponseInfo


class RecordKey(Protocol):
    """The part of a customer that pagination needs."""

    @property
    def id(self) -> str:
        """Customer id."""
        ...

    @property
    def created(self) -> datetime | None:
        """Creation time; None if the server omitted it."""
        ...


@frozen(kw_only=True, eq=False)
class RawPage:
    """One response.

    Attributes:
        keys: Keys of the customers in the response, or of those among them that are new to the listing, in order.
        count: Number of customers that match, as the server counted them.
        has_next: Whether the response links to a next page. The link is never followed, but it is evidence.
        unplaced_ids: Identify the records in the response that have no key: those without an id, and in a listing by
            `created` those without a `created`. They are rows of the list all the same.
        is_backwards: Whether the records in `raw` are in the opposite order of the listing.
        raw: The response body.
        response: The rest of the response.
    """

    keys: Sequence[RecordKey] = field(repr=False)
    count: int
    has_next: bool = False
    unplaced_ids: Sequence[int] = ()
    is_backwards: bool = False
    raw: bytes = field(repr=False)
    response: ResponseInfo | None = field(default=None, repr=False)

    @property
    def rows(self) -> int:
        """Number of records in the response."""
        return len(self.keys) + len(self.unplaced_ids)

    @property
    def is_complete(self) -> bool:
        """Whether nothing says that the response was cut off: neither its count nor a link to a next page."""
        return not self.has_next and self.count <= self.rows

    def deduplicated(self) -> "RawPage":
        """Return the page with each customer once: a filter that joins tables may repeat one in a response."""
        return evolve(self, keys=tuple({key.id: key for key in self.keys}.values()))

    def dated(self) -> "RawPage":
        """Return the page with only the keys that have a `created`; the others have no place in a listing by it."""
        dated = [key for key in self.keys if key.created]
        undated = [hash(key.id) for key in self.keys if not key.created]
        return evolve(self, keys=dated, unplaced_ids=[*self.unplaced_ids, *undated]) if undated else self
