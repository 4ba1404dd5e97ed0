"""The plain concurrent crawl: what a client does that trusts page numbers. It skips and repeats customers of a list
that moves, so it shows that a test of completeness can fail.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def plain_crawl(
    fetch: Callable[[int], Awaitable[tuple[int, Sequence[T]]]], *, page_size: int = 100, concurrency: int = 8
) -> list[T]:
    """Read page 1 for the count, then the other pages concurrently.

    Args:
        fetch: Returns the count and the records of a page, given its number; `(0, [])` if the page does not exist.
        page_size: Records per page.
        concurrency: Maximum number of pending requests.
    """
    slots = asyncio.Semaphore(concurrency)

    async def fetch_records(number: int) -> Sequence[T]:
        async with slots:
            _, records = await fetch(number)
            return records

    count, first = await fetch(1)
    rest = await asyncio.gather(*map(fetch_records, range(2, math.ceil(count / page_size) + 1)))
    return [record for records in (first, *rest) for record in records]
