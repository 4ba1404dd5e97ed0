"""Time as the crawl goes by it: how `created` is printed, ranges of it, and how far along it a reading is."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import dropwhile, takewhile

from attrs import define, field, frozen

from piriod_async.errors import IncompleteListError
from piriod_async.pagination.raw_page import Row

_MICROSECOND = timedelta(microseconds=1)
_MILLISECOND = timedelta(milliseconds=1)
_SECOND = timedelta(seconds=1)


def lower(created: datetime) -> datetime:
    """Return an instant at or before every one that is printed so (the seventh digit is rounded)."""
    return _moved(created, -_MICROSECOND)


def upper(created: datetime) -> datetime:
    """Return an instant at or after every one that is printed so: its last zeros may stand for digits not printed."""
    if created.microsecond == 0:
        return _moved(created, _SECOND)
    return _moved(created, _MILLISECOND if created.microsecond % 1000 == 0 else _MICROSECOND)


def _moved(instant: datetime, by: timedelta) -> datetime:
    try:
        return instant + by
    except OverflowError:  # the calendar's first or last
        return instant


@frozen
class Span:
    """A range of `created`, both ends inclusive; None is open."""

    gte: datetime | None = None
    lte: datetime | None = None

    def __and__(self, other: "Span") -> "Span":
        gtes = [gte for gte in (self.gte, other.gte) if gte]
        ltes = [lte for lte in (self.lte, other.lte) if lte]
        return Span(max(gtes, default=None), min(ltes, default=None))

    @property
    def empty(self) -> bool:
        """Whether nothing can lie in it."""
        return bool(self.gte and self.lte and self.gte > self.lte)


@define
class Mark:
    """How far a reading has come: all before `created` is had, and of that instant the rows with these `ids`."""

    descending: bool
    created: datetime | None = None
    ids: set[str] = field(factory=set)

    def fresh(self, rows: Iterable[Row]) -> tuple[Row, ...]:
        """Return the rows that are past the mark, each once, and move it past them. They must be in order."""
        rest = dropwhile(lambda row: self.passed(require_created(row)), rows)
        fresh = tuple({each.id: each for each in rest if each.id not in self.ids}.values())
        self.move(fresh)
        return fresh

    def leads_on(self, rows: Sequence[Row]) -> bool:
        """Return whether one of the rows, which are in order, is past the mark."""
        return any(each.id not in self.ids and not self.passed(require_created(each)) for each in reversed(rows))

    def move(self, rows: Sequence[Row]) -> None:
        """Move past rows that are in order, the last of them not before the mark."""
        if not rows:
            return
        last = require_created(rows[-1])
        ids = {row.id for row in takewhile(lambda each: each.created == last, reversed(rows))}
        self.created, self.ids = last, ids | self.ids if last == self.created else ids

    def copy(self) -> "Mark":
        """Return a mark at the same place, that moves on its own."""
        return Mark(self.descending, self.created, set(self.ids))

    def passed(self, created: datetime) -> bool:
        """Return whether an instant lies behind the mark."""
        return self.created is not None and (created > self.created if self.descending else created < self.created)

    def onwards(self) -> Span:
        """Return what is left to read, from the mark's own instant on."""
        if self.created is None:
            return Span()
        return Span(lte=upper(self.created)) if self.descending else Span(gte=lower(self.created))


def require_created(row: Row) -> datetime:
    """Return when a customer was created; it is what the crawl goes by."""
    if row.created is None:
        raise IncompleteListError(f"customer {row.id} has no `created` to crawl by: list with ordering=None")
    return row.created
