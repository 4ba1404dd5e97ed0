"""What a moving list does to a crawl: ours, and the plain one of page numbers side by side.

    python benchmarks/moving.py --crawls 50 --kills 100

Needs the extra `test`; run it from the repository's root.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.contract.reference.server import Reference
from tests.support.moving_server import (
    MOCK_SERVERS,
    REFERENCE_QUERIES,
    CrawlReport,
    crawl_mock_server,
    crawl_reference,
    crawl_with_crash,
    ours,
    plain,
)

ROW = "{:32} {:6} {:>6} {:>7} {:>7} {:>9} {:>9} {:>9}"


def main() -> None:
    """Read the command line, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crawls", type=int, default=50, help="crawls of each server, of each kind")
    parser.add_argument("--customers", type=int, default=2_000, help="customers on each server")
    parser.add_argument("--kills", type=int, default=0, help="crawls whose server is killed, then gone on with")
    options = parser.parse_args()
    if options.crawls:
        crawl_all(options.crawls, options.customers)
    if options.kills:
        print(kill(options.kills))


def crawl_all(crawls: int, customers: int) -> None:
    """Crawl each server so many times, while it moves."""
    print(ROW.format("server", "crawl", "crawls", "wrong", "missed", "repeated", "customers", "per 100"))
    for name in MOCK_SERVERS:
        for crawl in (ours, plain):
            report(
                name, crawl, (crawl_mock_server(name, crawl, seed=seed, customers=customers) for seed in range(crawls))
            )
    reference = Reference().start()
    try:
        for name in REFERENCE_QUERIES:
            for crawl in (ours, plain):
                each = (
                    crawl_reference(name, reference, crawl, seed=seed, customers=customers) for seed in range(crawls)
                )
                report(name, crawl, each)
    finally:
        reference.stop()


def report(name: str, crawl: Callable[..., object], crawls: Iterable[Awaitable[CrawlReport]]) -> None:
    """Run crawls, each on a loop of its own, and print a line: sums, and requests per 100 customers that came."""
    verdicts = [asyncio.run(one(each)) for each in crawls]
    customers = sum(verdict.customers for verdict in verdicts)
    print(
        ROW.format(
            name,
            crawl.__name__,
            len(verdicts),
            sum(not verdict.is_correct for verdict in verdicts),
            sum(verdict.missed for verdict in verdicts),
            sum(verdict.repeated for verdict in verdicts),
            customers,
            f"{100 * sum(verdict.requests for verdict in verdicts) / customers:.2f}",
        ),
        flush=True,
    )


async def one(crawl: Awaitable[CrawlReport]) -> CrawlReport:
    """Make a coroutine of whatever can be awaited."""
    return await crawl


def kill(times: int) -> str:
    """Kill the server of so many crawls, go on with them, and say what came of it."""
    lost = again = moments = 0
    for seed in range(times):
        came, expected, before = asyncio.run(crawl_with_crash(seed))
        lost += len(set(expected) - set(came))
        again += len(came) - len(set(came))
        moments += 0 < before < len(expected)
    return f"{times} crawls killed and gone on with, {moments} of them half-way: {lost} missed, {again} repeated"


if __name__ == "__main__":
    main()
