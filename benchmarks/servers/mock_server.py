"""The package's mock server, in a process of its own, so that only the client is measured.

    python -m benchmarks.servers.mock_server '{"customers": 1000, "rate_limit": 50}'

Takes the options of `MockServer` as JSON, and two more: `rate_limit`, requests per second, and `failing`, a status for
each workspace that always fails.
"""

import asyncio
import json
import sys
from typing import Any

from piriod_async.testing import MockServer


async def main(
    *, rate_limit: float | None = None, failing: dict[str, int] | None = None, latency: Any = 0.0, **options: Any
) -> None:
    """Serve until standard input ends."""
    latency = tuple(latency) if isinstance(latency, list) else latency
    async with MockServer(**options, latency=latency) as server:
        if rate_limit:
            server.rate_limit(rate_limit)
        for workspace, status in (failing or {}).items():
            server.fail(status=status, workspace=workspace, times=None)
        print(server.url, flush=True)
        clearing = asyncio.create_task(_clear_requests(server))
        await asyncio.to_thread(sys.stdin.read)
        clearing.cancel()


async def _clear_requests(server: MockServer) -> None:
    """Keep the log of requests from growing for as long as the server runs."""
    while True:
        await asyncio.sleep(60)
        server.requests.clear()


if __name__ == "__main__":
    asyncio.run(main(**json.loads(sys.argv[1])))
