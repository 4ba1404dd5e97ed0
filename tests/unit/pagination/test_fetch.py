"""Fetching a page: the server did as it was asked."""

import re
from datetime import timedelta

import pytest

from piriod_async.errors import IncompleteListError
from piriod_async.pagination.fetch import check_server_behaviour, fetch_checked
from piriod_async.pagination.raw_page import RawPage
from piriod_async.pagination.time_range import TimeRange
from tests.support.moving_list import EPOCH, Key, MovingList

SECOND = timedelta(seconds=1)


def page_of(*seconds):
    keys = [Key(f"c{index}", EPOCH + second * SECOND) for index, second in enumerate(seconds)]
    return RawPage(keys=keys, count=len(keys), raw=b"")


@pytest.mark.parametrize("descending", [False, True])
def test_ordering(descending):
    """A page must be in order; ties are in order."""
    in_order, reversed_ = page_of(1, 2, 2, 3), page_of(3, 2, 2, 1)
    if descending:
        in_order, reversed_ = reversed_, in_order
    check_server_behaviour(in_order, TimeRange(), descending=descending)
    message = re.escape("the server does not order by `created` (customer c1, 2026-01-01T00:00:02+00:00): list with")
    with pytest.raises(IncompleteListError, match=message):
        check_server_behaviour(reversed_, TimeRange(), descending=descending)


@pytest.mark.parametrize(
    ("created_range", "outside"), [(TimeRange(gte=EPOCH + 5 * SECOND), 1), (TimeRange(lte=EPOCH), 3)]
)
def test_range(created_range, outside):
    """A page must be in the requested range, as far as printed timestamps tell."""
    check_server_behaviour(page_of(), created_range, descending=False)
    message = f"does not filter by `created` .customer c0, 2026-01-01T00:00:0{outside}"
    with pytest.raises(IncompleteListError, match=message):
        check_server_behaviour(page_of(outside), created_range, descending=False)


async def test_checked():
    """`fetch_checked` returns the page that the server gave, or raises."""
    customers = MovingList.created_at(range(30))
    page = await fetch_checked(customers.fetch, 2, 10, TimeRange(), descending=False)
    assert [key.id for key in page.keys] == [f"c{n}" for n in range(10, 20)]
    customers.ignores_ordering = True
    with pytest.raises(IncompleteListError):
        await fetch_checked(customers.fetch, 2, 10, TimeRange(), descending=False)
