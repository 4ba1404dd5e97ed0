"""Pages by number: as many as counts and links say, and none that cannot exist."""

from contextlib import aclosing

import pytest
from attrs import evolve

from piriod_async.errors import ServerError
from piriod_async.pagination.numbered_pages import NumberedPages
from piriod_async.pagination.prefetch import OrderedPrefetch
from piriod_async.pagination.time_range import TimeRange
from tests.support.moving_list import MovingList


def serve(length, *, count=None, requested=lambda number: number, **altered):
    """Return a list, and pages of ten of it: of other numbers than requested, or altered."""
    customers = MovingList.created_at(range(length), links="rows")
    if count is not None:
        customers.count_as = lambda _: count

    async def fetch(number):
        return evolve(await customers.fetch(requested(number), 10, TimeRange()), **altered)

    return customers, NumberedPages(fetch)


async def read_all(customers, pages, expected=None, prefetch_limit=4):
    """Read page 1, then the others; return the ids and the numbers requested after the first."""
    first = await pages.fetch(1)
    jobs = pages.jobs_after(first, first.count if expected is None else expected)
    async with aclosing(OrderedPrefetch(jobs, lambda: prefetch_limit)) as rest:
        ids = [key.id for page in [first, *[page async for page in rest]] for key in page.keys]
    return ids, [request[0] for request in customers.requests[1:]]


@pytest.mark.parametrize("count", [45, 40, 12, 7, 0, -1])
async def test_count_too_small(count):
    """Links lead to the pages that the count leaves out."""
    ids, numbers = await read_all(*serve(45, count=count))
    assert ids == [f"c{n}" for n in range(45)]
    assert numbers == [2, 3, 4, 5]


@pytest.mark.parametrize("count", [60, 1_000, 10**9])
async def test_count_too_large(count):
    """After the last page, only those are requested that were pending already."""
    ids, numbers = await read_all(*serve(45, count=count))
    assert ids == [f"c{n}" for n in range(45)]
    assert numbers == list(range(2, 2 + len(numbers)))
    assert len(numbers) <= 4 + 3


async def test_expected():
    """Fewer customers to expect than counted plan fewer pages."""
    ids, numbers = await read_all(*serve(45, count=1_000), expected=45)
    assert (len(ids), numbers) == (45, [2, 3, 4, 5])


@pytest.mark.parametrize("count", [45, 1_000])
async def test_no_links(count):
    """Without links, pages are requested one at a time, as long as they exist and the count says so."""
    ids, numbers = await read_all(*serve(45, count=count, has_next=False))
    assert ids == [f"c{n}" for n in range(45)]
    assert numbers == ([2, 3, 4, 5] if count == 45 else [2, 3, 4, 5, 6])


async def test_repeated_page():
    """A server that ignores page numbers and links to the next page each time is not followed for ever."""
    _, requested = await read_all(*serve(45, count=10, requested=lambda _: 1))
    assert len(requested) == 2


async def test_missing_page():
    """A missing page is None, and later ones are not requested; earlier ones are."""
    customers, pages = serve(45)
    assert await pages.read(6) is None
    assert await pages.read(7) is None
    assert len(customers.requests) == 1
    page = await pages.read(5)
    assert page
    assert [key.id for key in page.keys] == ["c40", "c41", "c42", "c43", "c44"]


async def test_error():
    """Errors other than 404 are raised."""

    async def fetch(_):
        raise ServerError("", status=500)

    with pytest.raises(ServerError):
        await NumberedPages(fetch).read(2)
