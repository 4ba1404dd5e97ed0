"""Ranges of `created`, and how far a printed timestamp may be from the stored one."""

from datetime import UTC, datetime, timedelta

import pytest

from piriod_async.pagination.time_range import earliest, latest

NOON = datetime(2031, 5, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("microsecond", "widening"), [(0, 1_000_000), (1_000, 1_000), (120_000, 1_000), (1, 1), (123_456, 1), (1_001, 1)]
)
def test_precision(microsecond: int, widening: int) -> None:
    """A printed instant may stand for any instant with the same digits: trailing zeros may not have been printed."""
    created = NOON.replace(microsecond=microsecond)
    assert latest(created) - created == timedelta(microseconds=widening)
    assert created - earliest(created) == timedelta(microseconds=1)


def test_ends_of_the_calendar() -> None:
    """The first and the last instant of the calendar are not widened."""
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert earliest(first) == first
    assert latest(last) == last
