"""Ours, and beneath it the floors: the same libraries with nothing of ours between them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from math import ceil

import msgspec
from aiohttp import ClientSession

from benchmarks.target import PAGE_SIZE, Target
from piriod_async import Customer, PiriodSession


class Page(msgspec.Struct):
    count: int
    results: list[Customer]


DECODER = msgspec.json.Decoder(Page)


async def ours(target: Target) -> int:
    """`async for`, by `created`, as the README shows it."""
    session = PiriodSession(
        target.token, target.workspace, base_url=target.url, concurrency=target.concurrency, timeout=300.0
    )
    customers = 0
    async with session as piriod:
        async for _ in piriod.customers():
            customers += 1
    return customers


async def _read(http: ClientSession, target: Target, page: int) -> bytes:
    async with http.get(f"{target.url}/customers/", params=target.params(page)) as response:
        return await response.read()


async def aiohttp_bytes(target: Target) -> int:
    """The bytes, unread: what the network alone costs."""
    async with ClientSession(headers=target.headers) as http:
        count = DECODER.decode(await _read(http, target, 1)).count
        pages = iter(range(2, ceil(count / PAGE_SIZE) + 1))

        async def work() -> None:
            for page in pages:
                await _read(http, target, page)

        await asyncio.gather(*(work() for _ in range(target.concurrency)))
    return count


async def aiohttp_msgspec(target: Target) -> int:
    """Into our records as they come, in any order, without a check: the floor."""
    async with ClientSession(headers=target.headers) as http:
        first = DECODER.decode(await _read(http, target, 1))
        pages = iter(range(2, ceil(first.count / PAGE_SIZE) + 1))
        customers = len(first.results)

        async def work() -> None:
            nonlocal customers
            for page in pages:
                body = await _read(http, target, page)
                customers += len(DECODER.decode(body).results)

        await asyncio.gather(*(work() for _ in range(target.concurrency)))
    return customers


async def plain_window(target: Target) -> int:
    """The plain bounded window: page numbers in order, four pages of look-ahead for each request under way."""
    customers = 0
    async with ClientSession(headers=target.headers) as http:
        async for page in _windowed(http, target):
            for _ in page.results:
                customers += 1
    return customers


async def _windowed(http: ClientSession, target: Target) -> AsyncIterator[Page]:
    slots = asyncio.Semaphore(target.concurrency)

    async def ask(number: int) -> Page:
        async with slots:
            body = await _read(http, target, number)
        return DECODER.decode(body)

    first = await ask(1)
    yield first
    numbers = iter(range(2, ceil(first.count / PAGE_SIZE) + 1))
    ahead: deque[asyncio.Task[Page]] = deque()
    while True:
        while len(ahead) < 4 * target.concurrency and (number := next(numbers, None)):
            ahead.append(asyncio.create_task(ask(number)))
        if not ahead:
            return
        yield await ahead.popleft()
