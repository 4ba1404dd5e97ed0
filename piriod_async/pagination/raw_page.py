"""What a crawl goes by: of each response, who is in it and since when.

The customers themselves are decoded when their turn has come, one page after the other. Pages that wait for theirs are
bytes meanwhile: hundreds of objects a page would live long enough to be walked by the garbage collector again and
again, which costs more than all that this library does for a page.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from attrs import evolve, field, frozen

from piriod_async.models import Customer


class Row(Protocol):
    """A customer, as far as its place in the list goes."""

    @property
    def id(self) -> str:
        """Who it is."""
        ...

    @property
    def created(self) -> datetime | None:
        """Where it stands."""
        ...


@frozen(kw_only=True, eq=False)
class RawPage:
    """One response.

    Attributes:
        rows (Sequence[Row]): The customers in it, or those of them that it adds to the listing, in order.
        count (int): How many there are, as the server counted them.
        raw (bytes): The body.
        customers (tuple[Customer, ...] | None): All customers in the body, if they had to be decoded for the outline.
    """

    rows: Sequence[Row]
    count: int
    raw: bytes = field(repr=False)
    customers: tuple[Customer, ...] | None = field(default=None, repr=False)

    def each_once(self) -> "RawPage":
        """Return it with each customer once: a filter that joins tables may name one several times in a response."""
        return evolve(self, rows=tuple({row.id: row for row in self.rows}.values()))
