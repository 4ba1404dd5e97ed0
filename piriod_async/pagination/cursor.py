"""How far a listing by `created` has been read."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import dropwhile, takewhile

from attrs import define, field

from piriod_async.errors import IncompleteListError
from piriod_async.pagination.raw_page import RecordKey
from piriod_async.pagination.time_range import TimeRange, earliest, latest


@define
class Cursor:
    """A position in the order of `created`: everything before it has been read.

    Attributes:
        descending: Whether the newest customers come first.
        created: Creation time of the last customer read; None at the start.
        seen_ids: Ids of the customers of that very instant that have been read.
    """

    descending: bool
    created: datetime | None = None
    seen_ids: set[str] = field(factory=set)

    def take_new(self, keys: Iterable[RecordKey]) -> tuple[RecordKey, ...]:
        """Return the keys after the cursor, without duplicates, and advance past them. They must be in order."""
        ahead = dropwhile(lambda key: self.is_behind(require_created(key)), keys)
        new = tuple({key.id: key for key in ahead if key.id not in self.seen_ids}.values())
        self.advance(new)
        return new

    def has_new(self, keys: Sequence[RecordKey]) -> bool:
        """Return whether any of the keys, which must be in order, is after the cursor."""
        return any(key.id not in self.seen_ids and not self.is_behind(require_created(key)) for key in reversed(keys))

    def advance(self, keys: Sequence[RecordKey]) -> None:
        """Move past keys that are in order and do not end before the cursor."""
        if not keys:
            return
        last = require_created(keys[-1])
        ids = {key.id for key in takewhile(lambda key: key.created == last, reversed(keys))}
        self.created, self.seen_ids = last, ids | self.seen_ids if last == self.created else ids

    def copy(self) -> "Cursor":
        """Return an independent cursor at the same position."""
        return Cursor(self.descending, self.created, set(self.seen_ids))

    def is_behind(self, created: datetime) -> bool:
        """Return whether an instant is before the cursor, so that all of its customers have been read."""
        return self.created is not None and (created > self.created if self.descending else created < self.created)

    def remaining(self) -> TimeRange:
        """Return the range that is left to read. It includes the cursor's own instant."""
        if self.created is None:
            return TimeRange()
        return TimeRange(lte=latest(self.created)) if self.descending else TimeRange(gte=earliest(self.created))


def require_created(key: RecordKey) -> datetime:
    """Return the creation time of a customer.

    Raises:
        IncompleteListError: The server omitted it, so the list cannot be read by `created`.
    """
    if key.created is None:
        raise IncompleteListError(f"customer {key.id} has no `created` to paginate by: list with ordering=None")
    return key.created
