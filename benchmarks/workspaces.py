"""A thousand workspaces through one session, some of them failing: is every customer of the others there, once?

python benchmarks/workspaces.py
"""

import argparse
import asyncio
import math
import random
import resource
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from attrs import define, field

from benchmarks.served import served
from piriod_async import PermissionDeniedError, PiriodSession, ServerError
from piriod_async.testing.mock_server import MockServer

LARGEST = 5_000
LARGE, SMALL = "acc_large", "acc_small"  # the first two: 500 pages, and one page


@define
class Plan:
    """Who has how many customers, and who fails."""

    sizes: dict[str, int]
    forbidden: set[str]
    broken: set[str]

    @classmethod
    def of(cls, workspaces: int, seed: int = 7) -> "Plan":
        rng = random.Random(seed)
        sizes = {LARGE: 50_000, SMALL: 100}
        for n in range(workspaces - 2):
            sizes[f"acc_{n:04}"] = int(math.exp(rng.uniform(0, math.log(LARGEST + 1)))) - 1  # log-uniform
        names = rng.sample(list(sizes)[2:], workspaces // 20)
        return cls(sizes, set(names[: workspaces * 3 // 100]), set(names[workspaces * 3 // 100 :]))

    def __call__(self, server: MockServer) -> None:
        for names, status in ((self.forbidden, 403), (self.broken, 500)):
            for name in names:
                server.fail(status=status, workspace=name, times=None)


@define
class Report:
    """What came of it."""

    ids: dict[str, Counter[int]] = field(factory=dict)
    ended: dict[str, int] = field(factory=dict)
    tasks: int = 0
    pages: int = 0


async def crawl(url: str, plan: Plan, concurrency: int) -> None:
    report, started, spent = Report(), time.perf_counter(), time.process_time()
    async with PiriodSession("mock-token", base_url=url, concurrency=concurrency) as piriod:
        listing = piriod.across(plan.sizes, on_error="collect")
        async for workspace, page in listing.pages():
            report.pages += 1
            report.ended[workspace] = report.pages
            report.tasks = max(report.tasks, len(asyncio.all_tasks()))
            report.ids.setdefault(workspace, Counter()).update(hash(customer.id) for customer in page.customers)
        requests, retries = piriod.stats.requests, piriod.stats.retries
    seconds, cpu = time.perf_counter() - started, time.process_time() - spent

    healthy = plan.sizes.keys() - plan.forbidden - plan.broken
    wrong = [
        name
        for name in healthy
        if len(report.ids[name]) != plan.sizes[name] or report.ids[name].total() != plan.sizes[name]
    ]
    assert {
        name for name, error in listing.errors.items() if isinstance(error, PermissionDeniedError)
    } == plan.forbidden
    assert {name for name, error in listing.errors.items() if isinstance(error, ServerError)} == plan.broken
    assert len(listing.errors) == len(plan.forbidden) + len(plan.broken)
    customers = sum(plan.sizes[name] for name in healthy)
    print(
        f"{len(plan.sizes)} workspaces, {customers} customers of the {len(healthy)} healthy ones, {requests} requests"
    )
    print(f"not whole, or not once: {len(wrong)} workspaces {wrong[:5]}")
    print(f"failed as they should: {len(plan.forbidden)} with 403, {len(plan.broken)} with 500 ({retries} retries)")
    print(f"one page, started behind 500: ended with page {report.ended[SMALL]}; the 500 with {report.ended[LARGE]}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"at most {report.tasks} tasks; peak memory {peak} MiB, with a number for each id to check them by")
    print(f"{seconds:.0f} s, {cpu:.0f} s of CPU in the client, concurrency {concurrency}")
    if wrong:
        sys.exit(1)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspaces", type=int, default=1_000)
    parser.add_argument("--concurrency", type=int, default=16)
    options = parser.parse_args()
    plan = Plan.of(options.workspaces)
    with served(plan, customers=plan.sizes) as url:
        asyncio.run(crawl(url, plan, options.concurrency))


if __name__ == "__main__":
    main()
