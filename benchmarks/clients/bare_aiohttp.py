"""aiohttp and msgspec with nothing between them: the least that a client with typed records can cost."""

import asyncio
from collections.abc import Callable
from math import ceil

from aiohttp import ClientSession

from benchmarks.clients.config import PAGE_SIZE, ClientConfig
from benchmarks.clients.records import decode_count, decode_page


async def decode_all(config: ClientConfig) -> int:
    """Decode each page on arrival, in any order."""
    customers = 0

    def count(body: bytes) -> None:
        nonlocal customers
        customers += len(decode_page(body).results)

    await for_each_page(config, count)
    return customers


async def download_all(config: ClientConfig) -> int:
    """Read bytes and drop them: what HTTP alone costs."""
    return await for_each_page(config, lambda _: None)


async def for_each_page(config: ClientConfig, consume: Callable[[bytes], None]) -> int:
    """Pass each page's body to a function, and return the number of customers that the server counts."""
    async with ClientSession(headers=config.headers) as http:

        async def fetch(page: int) -> bytes:
            async with http.get(f"{config.base_url}/customers/", params=config.params(page)) as response:
                return await response.read()

        async def work() -> None:
            for page in pages:
                consume(await fetch(page))

        first = await fetch(1)
        consume(first)
        count = decode_count(first).count
        pages = iter(range(2, ceil(count / PAGE_SIZE) + 1))
        await asyncio.gather(*(work() for _ in range(config.concurrency)))
    return count
