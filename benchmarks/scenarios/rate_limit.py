"""Behind a rate limit such as Django REST Framework's `50/s`: how much of it is used, and how many responses are 429.

    python -m benchmarks.scenarios.rate_limit

75 seconds for each concurrency; the first 15 are left out of the figures, because the session still adapts its rate.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Sequence

from benchmarks.processes import ServerProcess
from piriod_async import Attempt, PiriodSession

WARM_UP = 15.0  # seconds
CUSTOMERS = 2_500
WORKSPACE, TOKEN = "acc_0", "t0ken"


async def crawl(url: str, limit: float, latency: Sequence[float], concurrency: int, seconds: float) -> None:
    """Crawl again and again, and print a line."""
    responses: list[tuple[float, int | None]] = []
    started = time.monotonic()

    def record(attempt: Attempt) -> None:
        responses.append((time.monotonic() - started, attempt.status))

    crawls = missing = 0
    session = PiriodSession(TOKEN, WORKSPACE, base_url=url, concurrency=concurrency, on_attempt=record)
    async with session as piriod:
        while time.monotonic() - started < WARM_UP + seconds:
            ids = {customer.id for customer in await piriod.customers(page_size=10).collect()}
            missing += CUSTOMERS - len(ids)
            crawls += 1
        final_rate = piriod.stats.rate or 0.0
    statuses = [status for moment, status in responses if WARM_UP <= moment < WARM_UP + seconds]
    throttled, succeeded = statuses.count(429) / len(statuses), statuses.count(200) / seconds
    print(
        f"limit {limit:g}/s, latency {latency[0] * 1000:g} to {latency[1] * 1000:g} ms, concurrency {concurrency:2}: "
        f"{succeeded:.1f}/s, {succeeded / limit:.0%} of the limit; {throttled:.1%} of responses are 429; "
        f"final rate {final_rate:.1f}/s; {crawls} crawls, {missing} customers missing",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=float, default=50, help="requests per second")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--latency", type=float, nargs=2, default=(0.003, 0.1), metavar="SECONDS")
    options = parser.parse_args()
    server_options = {"customers": {WORKSPACE: CUSTOMERS}, "token": TOKEN}
    server_options |= {"latency": options.latency, "rate_limit": options.limit}
    for concurrency in (8, 32):
        with ServerProcess("mock_server", json.dumps(server_options)) as server:
            asyncio.run(crawl(server.url, options.limit, options.latency, concurrency, options.seconds))


if __name__ == "__main__":
    main()
