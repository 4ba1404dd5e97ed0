"""Pages by number, for orderings that cannot be asked by range."""

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial

from attrs import evolve

from piriod_async.errors import IncompleteListError, NotFoundError
from piriod_async.pagination.prefetch import Result, Slot, run_ordered
from piriod_async.pagination.raw_page import RawPage


async def iter_page_numbers(
    fetch: Callable[[int], Awaitable[RawPage]], *, page_size: int, ahead: Callable[[], int]
) -> AsyncGenerator[RawPage, None]:
    """Yield every page by its number, each customer once.

    Page numbers slide when the list changes, and nothing tells which customers slid past. So whenever it is seen to
    have changed, all that came is delivered, and then the crawl fails.

    Args:
        fetch: Asks for the page of a number, from 1.
        page_size: Customers asked for with one request.
        ahead: Says how many pages may be under way or waiting to be consumed.

    Raises:
        IncompleteListError: The list changed while it was read. Orderings by `created` do not have this weakness.
    """
    first = await fetch(1)
    yield first.each_once()
    size = len(first.rows)
    if first.count <= size:
        return
    seen = {row.id for row in first.rows}
    named_twice, moved = size - len(seen), False
    # a server may clamp page_size: the length of what came back is what it goes by
    numbers = range(2, math.ceil(first.count / (size or page_size)) + 1)
    async with aclosing(run_ordered((Slot(partial(_page, fetch, number)) for number in numbers), ahead)) as pages:
        async for page in pages:
            once = page.each_once().rows
            fresh = tuple(row for row in once if row.id not in seen)
            seen.update(row.id for row in fresh)
            named_twice += len(page.rows) - len(once)
            moved |= page.count != first.count or len(fresh) < len(once)
            yield evolve(page, rows=fresh)
    if moved or len(seen) + named_twice != first.count:
        raise IncompleteListError(
            f"the list changed while it was read by page number: {len(seen)} customers came, {first.count} were "
            'counted. List again, or with ordering="created", which stands changes'
        )


async def _page(fetch: Callable[[int], Awaitable[RawPage]], number: int) -> Result[RawPage]:
    try:
        return Result([await fetch(number)])
    except NotFoundError:  # the list became shorter: its end came before this page
        return Result([])
