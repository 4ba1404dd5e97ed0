"""Whether a listing by `created` delivered as many customers as the server counted."""

from attrs import define, field

from piriod_async.pagination.cursor import Cursor, require_created
from piriod_async.pagination.raw_page import RawPage


@define
class CountCheck:
    """Compares the customers that a listing delivered with what the server counted.

    A count and the rows of a response are of two moments, and the list may change while it is read. So if the same
    request is counted differently at the end, a difference of a few customers is no contradiction.

    Attributes:
        start: Where the listing started; the customers before it are counted but not delivered.
        count: Customers in the listing's range, as its first response counted them.
    """

    start: Cursor
    count: int
    _delivered: int = field(default=0, init=False)
    _delivered_before: set[str] = field(factory=set, init=False)
    _unplaced_ids: set[int] = field(factory=set, init=False)
    _has_repeats: bool = field(default=False, init=False)

    @property
    def delivered(self) -> int:
        """Customers of the range that were delivered, now or before the start, and records without a key."""
        return self._delivered + len(self._delivered_before) + len(self._unplaced_ids)

    @property
    def is_met(self) -> bool:
        """Whether no customer is missing by the first count; true if customers are counted repeatedly."""
        return self._has_repeats or self.delivered >= self.count

    def record_page(self, page: RawPage, delivered: int) -> None:
        """Note how many customers of a response were delivered."""
        self._delivered += delivered
        self._unplaced_ids.update(page.unplaced_ids)
        if delivered == len(page.keys):
            return
        self._has_repeats |= len({key.id for key in page.keys}) < len(page.keys)
        if self.start.created:
            self._delivered_before.update(
                key.id
                for key in page.keys
                if key.id in self.start.seen_ids or self.start.is_behind(require_created(key))
            )

    def allows(self, count: int) -> bool:
        """Return whether a count at the end is no contradiction: the list shrank, or a few customers came and went."""
        tolerance = 2 + count // 100 if count != self.count else 0
        return self.delivered >= count - tolerance
