"""Behind a limit such as REST Framework's `50/s`: how much of it is used, how many 429s, is anybody missing?

    python benchmarks/throttled.py

A minute and a quarter for each concurrency; the first quarter is for finding the pace.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.served import served
from piriod_async import Attempt, PiriodSession
from piriod_async.testing.mock_server import MockServer

SETTLING = 15.0  # seconds
CUSTOMERS = 2_500


def limit(server: MockServer, rate: float) -> None:
    server.rate_limit(rate)


async def crawl(url: str, rate: float, latency: Sequence[float], concurrency: int, seconds: float) -> None:
    answers: list[tuple[float, int | None]] = []
    started = time.monotonic()

    def note(attempt: Attempt) -> None:
        answers.append((time.monotonic() - started, attempt.status))

    crawls = missing = 0
    async with PiriodSession("mock-token", "acc_0", base_url=url, concurrency=concurrency, on_attempt=note) as piriod:
        while time.monotonic() - started < SETTLING + seconds:
            ids = {customer.id for customer in await piriod.customers(page_size=10).collect()}
            missing += CUSTOMERS - len(ids)
            crawls += 1
        pace = piriod.stats.rate or 0.0
    statuses = [status for moment, status in answers if SETTLING <= moment < SETTLING + seconds]
    refused, good = statuses.count(429) / len(statuses), statuses.count(200) / seconds
    print(
        f"limit {rate:g}/s, latency {latency[0] * 1000:g} to {latency[1] * 1000:g} ms, concurrency {concurrency:2}: "
        f"{good:.1f}/s, {good / rate:.0%} of what is allowed; {refused:.1%} of responses are 429; "
        f"pace in the end {pace:.1f}/s; {crawls} crawls, {missing} customers missing",
        flush=True,
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--latency", type=float, nargs=2, default=(0.003, 0.1), metavar="SECONDS")
    options = parser.parse_args()
    for concurrency in (8, 32):
        server = {"customers": {"acc_0": CUSTOMERS}, "latency": tuple(options.latency)}
        with served(partial(limit, rate=options.rate), **server) as url:
            asyncio.run(crawl(url, options.rate, options.latency, concurrency, options.seconds))


if __name__ == "__main__":
    main()
