"""Ranges of `created`, and how far a printed timestamp may be from the stored one."""

from datetime import UTC, datetime, timedelta

import pytest

from piriod_async.pagination.time_range import TimeRange, earliest, latest

NOON = datetime(2031, 5, 5, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("microsecond", "widening"), [(0, 1_000_000), (1_000, 1_000), (120_000, 1_000), (1, 1), (123_456, 1), (1_001, 1)]
)
def test_precision(microsecond, widening):
    """A printed instant may stand for any instant with the same digits: trailing zeros may not have been printed."""
    created = NOON.replace(microsecond=microsecond)
    assert latest(created) - created == timedelta(microseconds=widening)
    assert created - earliest(created) == timedelta(microseconds=1)


def test_ends_of_the_calendar():
    """The first and the last instant of the calendar are not widened."""
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert earliest(first) == first
    assert latest(last) == last


def test_intersection():
    """The intersection of two ranges has the later start and the earlier end; None is open."""
    later = NOON + TICK
    assert TimeRange(NOON, later) & TimeRange(later, NOON) == TimeRange(later, NOON)
    assert TimeRange(NOON, None) & TimeRange(None, later) == TimeRange(NOON, later)
    assert TimeRange() & TimeRange() == TimeRange()


def test_empty():
    """A range is empty if it ends before it starts; one instant is not empty."""
    assert TimeRange(NOON + TICK, NOON).empty
    assert not TimeRange(NOON, NOON).empty
    assert not TimeRange(NOON, None).empty
    assert not TimeRange(None, NOON).empty


def test_excludes():
    """A range excludes a timestamp only if none of the instants that it may stand for is inside."""
    created_range = TimeRange(NOON + timedelta(microseconds=500), NOON + timedelta(seconds=2))
    assert not created_range.excludes(NOON)  # printed to the second
    assert created_range.excludes(NOON + 499 * TICK - TICK)
    assert not created_range.excludes(NOON + 500 * TICK)
    assert not created_range.excludes(NOON + timedelta(seconds=2) + TICK)
    assert created_range.excludes(NOON + timedelta(seconds=2) + 2 * TICK)
    assert not TimeRange().excludes(NOON)
