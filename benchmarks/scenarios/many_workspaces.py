"""A thousand workspaces through one session, some of which fail: do all others arrive completely, and once?

python -m benchmarks.scenarios.many_workspaces
"""

import argparse
import asyncio
import json
import math
import random
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping

from benchmarks.processes import ServerProcess
from piriod_async import APIStatusError, PiriodSession

TOKEN = "t0ken"
LARGE, SMALL = "acc_large", "acc_small"  # the first two: 500 pages, and one page
MAX_CUSTOMERS = 5_000  # of the others


def generate_workspaces(number: int, seed: int = 7) -> tuple[dict[str, int], dict[str, int]]:
    """Return customers by workspace, log-uniform, and the statuses of those that fail: 3 % with 403, 2 % with 500."""
    rng = random.Random(seed)
    sizes = {LARGE: 50_000, SMALL: 100}
    for n in range(number - 2):
        sizes[f"acc_{n:04}"] = int(math.exp(rng.uniform(0, math.log(MAX_CUSTOMERS + 1)))) - 1
    names = rng.sample(list(sizes)[2:], number // 20)
    forbidden = number * 3 // 100
    return sizes, dict.fromkeys(names[:forbidden], 403) | dict.fromkeys(names[forbidden:], 500)


async def crawl(url: str, sizes: Mapping[str, int], failing: Mapping[str, int], concurrency: int) -> None:
    """Crawl all workspaces, check what came and what failed, and print it."""
    hashes: defaultdict[str, Counter[int]] = defaultdict(Counter)  # of ids, which are too long to keep
    last_page: dict[str, int] = {}
    pages = tasks = 0
    wall, cpu = time.perf_counter(), time.process_time()
    async with PiriodSession(TOKEN, base_url=url, concurrency=concurrency) as piriod:
        listing = piriod.across(sizes, on_error="collect")
        async for workspace, page in listing.pages():
            pages += 1
            last_page[workspace] = pages
            tasks = max(tasks, len(asyncio.all_tasks()))
            hashes[workspace].update(hash(customer.id) for customer in page.customers)
        requests, retries = piriod.stats.requests, piriod.stats.retries
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu

    statuses = {name: error.status for name, error in listing.errors.items() if isinstance(error, APIStatusError)}
    assert statuses == failing, f"expected {failing}, failed with {listing.errors}"
    healthy = sizes.keys() - failing.keys()
    wrong = [name for name in healthy if not len(hashes[name]) == hashes[name].total() == sizes[name]]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{len(sizes)} workspaces, {sum(sizes[name] for name in healthy)} customers in the {len(healthy)} healthy ones"
    )
    print(f"incomplete or repeated: {len(wrong)} workspaces {wrong[:5]}; failed as they should: {len(failing)}")
    print(f"the one-page workspace, second in line, ended with page {last_page[SMALL]} of {pages}")
    print(f"at most {tasks} tasks; peak memory {peak} MiB, a hash of each id included")
    print(f"{requests} requests, {retries} retries, {wall:.0f} s, {cpu:.0f} s of CPU, concurrency {concurrency}")
    if wrong:
        sys.exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspaces", type=int, default=1_000)
    parser.add_argument("--concurrency", type=int, default=16)
    options = parser.parse_args()
    sizes, failing = generate_workspaces(options.workspaces)
    server_options = {"customers": sizes, "failing": failing, "token": TOKEN}
    with ServerProcess("mock_server", json.dumps(server_options)) as server:
        asyncio.run(crawl(server.url, sizes, failing, options.concurrency))


if __name__ == "__main__":
    main()
