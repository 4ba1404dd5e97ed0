"""Whether a listing by `created` delivered as many customers as the server counted."""

from attrs import define, field

from piriod_async.pagination.cursor import Cursor, require_created
from piriod_async.pagination.raw_page import RawPage


@define
class CountCheck:
    """Compares the customers that a listing delivered with what the server counted.

    A count and the rows of a response are of two moments, and the list may change while it is read. So a difference is
    a contradiction only if it is larger than the changes that other counts showed can explain.

    Attributes:
        start: Where the listing started; the customers before it are counted but not delivered.
        count: Customers in the listing's range, as its first response counted them.
    """

    start: Cursor
    count: int
    _lowest: int = field(init=False)
    _highest: int = field(init=False)
    _delivered: int = field(default=0, init=False)
    _delivered_before: set[str] = field(factory=set, init=False)
    _has_repeats: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._lowest = self._highest = self.count

    @property
    def delivered(self) -> int:
        """Customers of the range that were delivered, now or before the start."""
        return self._delivered + len(self._delivered_before)

    @property
    def is_met(self) -> bool:
        """Whether no customer is missing by the first count; true if customers are counted repeatedly."""
        return self._has_repeats or self.delivered >= self.count

    def record_count(self, count: int) -> None:
        """Note another count of the same range."""
        self._lowest, self._highest = min(self._lowest, count), max(self._highest, count)

    def record_page(self, page: RawPage, delivered: int) -> None:
        """Note how many customers of a response were delivered."""
        self._delivered += delivered
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
        """Return whether a count at the end is no contradiction: the list shrank, or changed by a few customers."""
        self.record_count(count)
        tolerance = min(3 * (self._highest - self._lowest), 2 + count // 100)
        return self.delivered >= count - tolerance
