"""Pagination by page number: each customer once, and an error if the list changed."""

import math

import pytest

from piriod_async.errors import IncompleteListError
from piriod_async.pagination.by_page_number import PageNumberPaginator
from piriod_async.pagination.time_range import TimeRange
from tests.support.moving_list import MovingList


def paginate(customers, page_size=10):
    return PageNumberPaginator(lambda number: customers.fetch(number, page_size, TimeRange()), lambda: 8)


async def read_into(ids, pages):
    async for page in pages:
        ids.extend(key.id for key in page.keys)


@pytest.mark.parametrize("length", [0, 1, 10, 11, 45])
@pytest.mark.parametrize("max_page_size", [100, 7])
async def test_complete(length, max_page_size):
    """All pages are read once, of the size that the server gives; the first of several again at the end."""
    customers, ids = MovingList.created_at(range(length), max_page_size=max_page_size), []
    await read_into(ids, paginate(customers))
    assert ids == [f"c{n}" for n in range(length)]
    pages = max(1, math.ceil(length / min(max_page_size, 10)))
    assert len(customers.requests) == pages + (pages > 1)


async def test_duplicate():
    """A customer that a filter over joined tables repeats on one page is delivered once, without an error."""
    customers, ids = MovingList.created_at(range(45)), []
    customers.customers.insert(25, customers.customers[25])
    await read_into(ids, paginate(customers))
    assert ids == [f"c{n}" for n in range(45)]


@pytest.mark.parametrize("change", ["create", "delete"])
async def test_list_changes(change):
    """If the list changed after the first page, everything received is delivered, and then an error is raised."""
    customers, ids = MovingList.created_at(range(45)), []

    async def fetch(number):
        page = await customers.fetch(number, 10, TimeRange())
        if number == 1 and change == "create":
            customers.change("create")
        elif number == 1:
            del customers.customers[0]
        return page

    received = 46 if change == "create" else 44
    message = f"the list changed while it was read by page number: received {received} customers, the server counted 45"
    with pytest.raises(IncompleteListError, match=message):
        await read_into(ids, PageNumberPaginator(fetch, lambda: 8))
    skipped_and_new = {"create": {"n0"}, "delete": {"c10"}}
    assert len(ids) == len(set(ids)) == received
    assert set(ids) ^ {f"c{n}" for n in range(45)} == skipped_and_new[change]


async def test_list_shrinks():
    """Pages that no longer exist are skipped, and the error is raised."""
    customers, ids = MovingList.created_at(range(45)), []

    async def fetch(number):
        page = await customers.fetch(number, 10, TimeRange())
        del customers.customers[15:]
        return page

    with pytest.raises(IncompleteListError, match="received 15 customers, the server counted 45"):
        await read_into(ids, PageNumberPaginator(fetch, lambda: 8))
    assert ids == [f"c{n}" for n in range(15)]
