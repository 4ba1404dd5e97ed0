"""piriod-async, as its README shows it."""

from benchmarks.clients.config import ClientConfig
from piriod_async import PiriodSession


async def read_all(config: ClientConfig) -> int:
    """`async for`, ordered by `created`."""
    session = PiriodSession(
        config.token, config.workspace, base_url=config.base_url, concurrency=config.concurrency, timeout=300.0
    )
    customers = 0
    async with session as piriod:
        async for _ in piriod.customers():
            customers += 1
    return customers
