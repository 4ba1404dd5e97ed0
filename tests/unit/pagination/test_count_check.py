"""Whether as many customers were delivered as counted."""

from datetime import timedelta

import pytest

from piriod_async.pagination.count_check import CountCheck
from piriod_async.pagination.cursor import Cursor
from piriod_async.pagination.raw_page import RawPage
from tests.support.moving_list import EPOCH, Key


def page_of(*numbers):
    """Return a page of customers created a second apart."""
    keys = [Key(f"c{number}", EPOCH + timedelta(seconds=number)) for number in numbers]
    return RawPage(keys=keys, count=0, raw=b"")


def delivered(number, count):
    """Return the check of a listing that delivered a number of customers, of those counted first."""
    check = CountCheck(Cursor(descending=False), count)
    check.record_page(page_of(*range(number)), number)
    return check


@pytest.mark.parametrize(("number", "is_met"), [(9, False), (10, True), (11, True)])
def test_met(number, is_met):
    """The count is met if no fewer customers were delivered."""
    assert delivered(number, 10).is_met is is_met


@pytest.mark.parametrize(
    ("number", "first", "last", "allowed"),
    [
        (9, 10, 10, False),  # nothing says that the list changed
        (9, 10, 9, True),
        (7, 10, 9, True),
        (6, 10, 9, False),
        (985, 1_000, 996, True),
        (984, 1_000, 996, False),
        (200, 350, 200, True),  # it shrank
        (200, 350, 351, False),
    ],
)
def test_allows(number, first, last, allowed):
    """If the list is counted differently at the end, it may have changed by 2 customers and 1 %."""
    assert delivered(number, first).allows(last) is allowed


def test_repeated_customers():
    """A response that repeats customers says nothing about how many there are."""
    check = CountCheck(Cursor(descending=False), 30)
    check.record_page(page_of(1, 2, 2, 3), 3)
    assert check.is_met


@pytest.mark.parametrize("descending", [False, True])
def test_resumed(descending):
    """Customers before the start count as delivered, however many responses have them."""
    numbers = (1, 2, 3, 4, 5)[:: -1 if descending else 1]
    start = Cursor(descending)
    start.take_new(page_of(*numbers[:3]).keys)
    check = CountCheck(start, 5)
    check.record_page(page_of(*numbers[2:]), 2)
    check.record_page(page_of(*numbers[1:4]), 0)
    assert check.delivered == 2 + 2
    assert not check.is_met
    check.record_page(page_of(*numbers[:2]), 0)
    assert check.is_met
