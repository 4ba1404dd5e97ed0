"""How many customers a crawl misses or repeats while the list changes: piriod-async, and plain page numbers.

    python -m benchmarks.scenarios.moving_list --crawls 50 --kills 100

Needs the extra `test`.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from tests.contract.reference.server import Reference
from tests.support.moving_server import (
    MOCK_SERVERS,
    REFERENCE_QUERIES,
    crawl_mock_server,
    crawl_reference,
    crawl_with_crash,
    ours,
    plain,
)

COLUMNS = ("server", "crawl", "crawls", "wrong", "missed", "repeated", "customers", "requests per 100")
ROW = "{:32} {:6} {:>6} {:>7} {:>7} {:>9} {:>9} {:>17}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crawls", type=int, default=50, help="crawls of each kind, of each server")
    parser.add_argument("--customers", type=int, default=2_000, help="customers on each server")
    parser.add_argument("--kills", type=int, default=0, help="crawls whose server is killed, then resumed")
    options = parser.parse_args()
    if options.crawls:
        print(ROW.format(*COLUMNS))
        for name, crawl, reports in crawl_all(options.crawls, options.customers):
            print_row(name, crawl, reports)
    if options.kills:
        print_kills(options.kills)


def crawl_all(crawls: int, customers: int) -> Iterator[tuple[str, Callable[..., Any], Iterable[Any]]]:
    """Crawl every server while it changes: the mock server, then Django REST Framework on SQLite."""
    seeds = range(crawls)
    for name in MOCK_SERVERS:
        for crawl in (ours, plain):
            yield name, crawl, (_run(crawl_mock_server(name, crawl, seed=seed, customers=customers)) for seed in seeds)
    reference = Reference().start()
    try:
        for name in REFERENCE_QUERIES:
            for crawl in (ours, plain):
                yield (
                    name,
                    crawl,
                    (_run(crawl_reference(name, reference, crawl, seed=seed, customers=customers)) for seed in seeds),
                )
    finally:
        reference.stop()


def print_row(name: str, crawl: Callable[..., Any], crawls: Iterable[Any]) -> None:
    """Print the sums over some crawls, and the requests per 100 customers that were delivered."""
    reports = list(crawls)
    wrong = sum(not report.is_correct for report in reports)
    missed, repeated, customers, requests = (
        sum(getattr(report, column) for report in reports) for column in ("missed", "repeated", "customers", "requests")
    )
    row = (name, crawl.__name__, len(reports), wrong, missed, repeated, customers, f"{100 * requests / customers:.2f}")
    print(ROW.format(*row), flush=True)


def print_kills(times: int) -> None:
    """Kill the server in the middle of crawls, resume them from their checkpoints, and print what they delivered."""
    missed = repeated = halfway = 0
    for seed in range(times):
        delivered, expected, before = _run(crawl_with_crash(seed))
        missed += len(set(expected) - set(delivered))
        repeated += len(delivered) - len(set(delivered))
        halfway += 0 < before < len(expected)
    print(f"{times} crawls killed and resumed, {halfway} of them halfway: {missed} missed, {repeated} repeated")


def _run(crawl: Awaitable[Any]) -> Any:
    async def run() -> Any:
        return await crawl

    return asyncio.run(run())


if __name__ == "__main__":
    main()
