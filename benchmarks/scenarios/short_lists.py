"""A thousand workspaces of 20 to 200 customers: requests, CPU and wall time beside a gather written by hand.

python -m benchmarks.scenarios.short_lists
"""

import argparse
from collections import defaultdict
from contextlib import ExitStack
from statistics import median

from benchmarks.clients import SHORT_LISTS
from benchmarks.clients.config import ClientConfig
from benchmarks.clients.short_lists import MAX_CUSTOMERS
from benchmarks.processes import ClientProcess, ServerProcess

CONCURRENCY = 16
ROW = "{:22} {:>8} {:>16} {:>10} {:>10}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspaces", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print(ROW.format("latency, client", "requests", "us/customer", "CPU ratio", "time ratio"))
    with ExitStack() as stack:
        server = stack.enter_context(ServerProcess("static_server", str(MAX_CUSTOMERS)))
        clients = {name: stack.enter_context(ClientProcess(name)) for name in SHORT_LISTS}
        for latency in ("", "_50"):
            config = ClientConfig(server.url, f"acc_{options.workspaces}{latency}", concurrency=CONCURRENCY)
            cpu, wall = defaultdict(list), defaultdict(list)
            requests: dict[str, int] = {}
            customers = set()
            for _ in range(options.rounds + 1):  # the first one warms up
                for name, client in clients.items():
                    server.take_counters()
                    crawl = client.crawl(config)
                    requests[name] = server.take_counters()["requests"]
                    customers.add(crawl.customers)
                    cpu[name].append(crawl.cpu)
                    wall[name].append(crawl.wall)
            (number,) = customers  # all the same
            for name in clients:
                ratios = [
                    median(
                        ours / theirs for ours, theirs in zip(times[name][1:], times["gather by hand"][1:], strict=True)
                    )
                    for times in (cpu, wall)
                ]
                micros = 1e6 * median(cpu[name][1:]) / number
                label = f"{latency.strip('_') or 0} ms, {name}"
                print(ROW.format(label, requests[name], f"{micros:.1f}", *(f"{ratio:.2f}x" for ratio in ratios)))


if __name__ == "__main__":
    main()
