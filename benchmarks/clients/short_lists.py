"""Many workspaces of one or two pages, as most accounts have: piriod-async, and a gather written by hand."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from math import ceil
from random import Random

from aiohttp import ClientSession
from attrs import evolve

from benchmarks.clients.config import PAGE_SIZE, ClientConfig
from benchmarks.clients.records import CustomerPage, decode_page
from piriod_async import PiriodSession

MIN_CUSTOMERS, MAX_CUSTOMERS = 20, 200


def workspaces(config: ClientConfig) -> Iterator[str]:
    """Yield workspace ids. `acc_1000_50` is a thousand workspaces on a server that answers after 50 ms."""
    number, *latency = config.workspace.removeprefix("acc_").split("_")
    random = Random(7)
    for index in range(int(number)):
        size = random.randint(MIN_CUSTOMERS, MAX_CUSTOMERS)
        yield "_".join(["acc", str(size), *(latency or "0") * 2, str(index)])


async def read_across(config: ClientConfig) -> int:
    """`piriod.across`, and the customers one by one."""
    customers = 0
    session = PiriodSession(config.token, base_url=config.base_url, concurrency=config.concurrency, timeout=300.0)
    async with session as piriod, aclosing(aiter(piriod.across(workspaces(config)))) as listing:
        async for _ in listing:
            customers += 1
    return customers


async def read_by_hand(config: ClientConfig) -> int:
    """A task for each request that may be pending; each reads one workspace after the other, and decodes its pages."""
    customers = 0
    names = workspaces(config)

    async with ClientSession() as http:

        async def fetch(workspace: str, number: int) -> CustomerPage:
            headers = evolve(config, workspace=workspace).headers
            async with http.get(
                f"{config.base_url}/customers/", params=config.params(number), headers=headers
            ) as response:
                response.raise_for_status()
                return decode_page(await response.read())

        async def work() -> None:
            nonlocal customers
            for workspace in names:
                page = await fetch(workspace, 1)
                customers += len(page.results)
                for number in range(2, ceil(page.count / PAGE_SIZE) + 1):
                    page = await fetch(workspace, number)
                    customers += len(page.results)

        await asyncio.gather(*(work() for _ in range(config.concurrency)))
    return customers
