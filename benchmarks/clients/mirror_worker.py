"""One sync of a mirror, or the crawl alone, in a process of its own; prints what it cost.

python -m benchmarks.clients.mirror_worker http://127.0.0.1:8000 acc_20000 customers.db
"""

import asyncio
import sys
import time

import msgspec

from benchmarks.clients.config import ClientConfig
from benchmarks.clients.worker import peak_memory
from piriod_async import PiriodSession
from piriod_async.mirror import Mirror


class SyncCost(msgspec.Struct):
    """The cost of one sync.

    Attributes:
        result: Numbers of customers added, changed, removed and unchanged.
        requests: Requests it sent.
        cpu: Seconds of CPU time of the process, user and system.
        wall: Seconds.
        peak: The most memory that the process held, MiB.
    """

    result: str
    requests: int
    cpu: float
    wall: float
    peak: float


async def run(config: ClientConfig, database: str | None) -> tuple[str, int]:
    """Sync, or only read the pages."""
    session = PiriodSession(config.token, config.workspace, base_url=config.base_url, timeout=300.0)
    async with session as piriod:
        if database is None:
            customers = sum([len(page.customers) async for page in piriod.customers().pages()])
            return f"{customers} read", piriod.stats.requests
        async with Mirror(database) as mirror:
            sync = await mirror.sync(piriod.customers())
            return f"+{sync.added} ~{sync.changed} -{sync.removed} ={sync.unchanged}", sync.requests


def main(base_url: str, workspace: str, database: str | None = None) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    result, requests = asyncio.run(run(ClientConfig(base_url, workspace), database))
    cost = SyncCost(result, requests, time.process_time() - cpu, time.perf_counter() - wall, peak_memory())
    sys.stdout.buffer.write(msgspec.json.encode(cost) + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
