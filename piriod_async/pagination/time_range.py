"""Ranges of `created`, and how far a printed timestamp may be from the stored one."""

from datetime import datetime, timedelta

from attrs import frozen

_MICROSECOND = timedelta(microseconds=1)
_MILLISECOND = timedelta(milliseconds=1)
_SECOND = timedelta(seconds=1)


def earliest(created: datetime) -> datetime:
    """Return a bound at or below every stored time that is printed like this (the seventh digit is rounded)."""
    return _shift(created, -_MICROSECOND)


def latest(created: datetime) -> datetime:
    """Return a bound at or above every stored time that is printed like this: trailing zeros may be omitted digits."""
    if created.microsecond == 0:
        return _shift(created, _SECOND)
    return _shift(created, _MILLISECOND if created.microsecond % 1000 == 0 else _MICROSECOND)


def _shift(created: datetime, delta: timedelta) -> datetime:
    try:
        return created + delta
    except OverflowError:  # the first or last moment of the calendar
        return created


@frozen
class TimeRange:
    """A range of `created`. Both ends are inclusive; None is open."""

    gte: datetime | None = None
    lte: datetime | None = None

    def __and__(self, other: "TimeRange") -> "TimeRange":
        gtes = [gte for gte in (self.gte, other.gte) if gte]
        ltes = [lte for lte in (self.lte, other.lte) if lte]
        return TimeRange(max(gtes, default=None), min(ltes, default=None))

    @property
    def empty(self) -> bool:
        """Whether the range contains no instant."""
        return bool(self.gte and self.lte and self.gte > self.lte)

    def excludes(self, created: datetime) -> bool:
        """Return whether a printed timestamp is outside of the range, however its omitted digits may read."""
        return bool(
            (self.gte and created < self.gte and latest(created) < self.gte)
            or (self.lte and created > self.lte and earliest(created) > self.lte)
        )
