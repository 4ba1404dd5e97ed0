"""A thousand workspaces of 20 to 200 customers: requests, CPU and wall time beside a gather written by hand.

python -m benchmarks.scenarios.short_lists
"""

import argparse
from collections.abc import Mapping
from contextlib import ExitStack
from statistics import median

from benchmarks.clients import SHORT_LISTS
from benchmarks.clients.config import ClientConfig
from benchmarks.clients.short_lists import MAX_CUSTOMERS
from benchmarks.processes import ClientProcess, ServerProcess
from benchmarks.results.statistics import ratio

BY_HAND = "gather by hand"
CONCURRENCY = 16
LATENCIES = {"0 ms": "", "50 ms": "_50"}
ROW = "{:24} {:>10} {:>14} {:>10} {:>10}"


def measure(clients: Mapping[str, ClientProcess], server: ServerProcess, config: ClientConfig, rounds: int) -> None:
    """Let the clients take turns, and print a row for each."""
    crawls = {name: [client.crawl(config)] for name, client in clients.items()}  # warms up
    requests: dict[str, int] = {}
    for _ in range(rounds):
        for name, client in clients.items():
            server.take_counters()
            crawls[name].append(client.crawl(config))
            requests[name] = server.take_counters()["requests"]
    (customers,) = {crawl.customers for each in crawls.values() for crawl in each}  # all the same
    cpu = {name: [crawl.cpu for crawl in each[1:]] for name, each in crawls.items()}
    wall = {name: [crawl.wall for crawl in each[1:]] for name, each in crawls.items()}
    for name in clients:
        ratios = [f"{ratio(seconds[name], seconds[BY_HAND]):.2f}x" for seconds in (cpu, wall)]
        print(ROW.format(f"  {name}", requests[name], f"{1e6 * median(cpu[name]) / customers:.1f}", *ratios))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspaces", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print(ROW.format("latency, client", "requests", "us/customer", "CPU ratio", "time ratio"))
    with ExitStack() as stack:
        server = stack.enter_context(ServerProcess("static_server", str(MAX_CUSTOMERS)))
        clients = {name: stack.enter_context(ClientProcess(name)) for name in SHORT_LISTS}
        for name, latency in LATENCIES.items():
            print(name)
            config = ClientConfig(server.url, f"acc_{options.workspaces}{latency}", concurrency=CONCURRENCY)
            measure(clients, server, config, options.rounds)


if __name__ == "__main__":
    main()
