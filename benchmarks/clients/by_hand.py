"""A client as a good engineer writes it by hand: pages by number, prefetched, decoded when the consumer gets to them.

It keeps the order and bounds memory. It does not retry, pace requests or check responses, and it loses customers when
the list changes while it is read.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import islice
from math import ceil

from aiohttp import ClientSession

from benchmarks.clients.config import PAGE_SIZE, ClientConfig
from benchmarks.clients.records import Customer, decode_count, decode_page


async def iter_customers(http: ClientSession, config: ClientConfig) -> AsyncGenerator[Customer, None]:
    """Yield all customers by `created`. The window holds tasks that return bytes: undecoded pages are cheap to keep."""

    async def fetch(page: int) -> bytes:
        async with http.get(f"{config.base_url}/customers/", params=config.params(page)) as response:
            response.raise_for_status()
            return await response.read()

    body = await fetch(1)
    pages = ceil(decode_count(body).count / PAGE_SIZE)
    fetches = (asyncio.create_task(fetch(page)) for page in range(2, pages + 1))
    window = deque(islice(fetches, config.concurrency))
    try:
        while body:
            for customer in decode_page(body).results:
                yield customer
            body = await window.popleft() if window else b""
            window.extend(islice(fetches, 1))
    finally:
        for task in window:
            task.cancel()
        await asyncio.gather(*window, return_exceptions=True)


async def read_all(config: ClientConfig) -> int:
    """Count the customers, one by one."""
    customers = 0
    async with ClientSession(headers=config.headers) as http, aclosing(iter_customers(http, config)) as listing:
        async for _ in listing:
            customers += 1
    return customers
