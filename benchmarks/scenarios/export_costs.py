"""CPU time of an export beside that of the crawl, in each format, and of what people write by hand.

    python -m benchmarks.scenarios.export_costs --customers 20000 --rounds 15

Needs the extra `arrow` and the dependency group `bench`.
"""

import argparse
from collections import defaultdict
from contextlib import ExitStack
from statistics import median

from benchmarks.clients import BYTES_ONLY, EXPORTS, PIRIOD
from benchmarks.clients.config import ClientConfig
from benchmarks.processes import ClientProcess, ServerProcess

LIMITS = {"JSON lines": 8, "CSV": 25, "Arrow": 12, "Parquet": 18}  # CPU us per customer, beside the crawl
ROW = "{:24} {:>10} {:>18} {:>8}"


def measure(customers: int, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each crawl and export, round by round; the clients take turns within a round."""
    figures: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        server = stack.enter_context(ServerProcess("static_server", str(customers)))
        clients = {name: stack.enter_context(ClientProcess(name)) for name in (PIRIOD, BYTES_ONLY, *EXPORTS)}
        for client in clients.values():
            client.crawl(ClientConfig(server.url, "acc_1000"))
        for _ in range(rounds):
            for name, client in clients.items():
                crawl = client.crawl(ClientConfig(server.url, f"acc_{customers}"))
                if crawl.customers != customers:
                    raise AssertionError(f"{name} exported {crawl.customers} customers, expected {customers}")
                figures[name].append(crawl.cpu)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    figures = measure(options.customers, options.rounds)
    print(ROW.format("us per customer", "CPU", "beside the crawl", "limit"))
    for name, seconds in figures.items():
        crawl = figures[PIRIOD if name in LIMITS or name == PIRIOD else BYTES_ONLY]
        beside = median(export - without for export, without in zip(seconds, crawl, strict=True))
        total, beside = (1e6 * value / options.customers for value in (median(seconds), beside))
        print(ROW.format(name, f"{total:.1f}", f"{beside:.1f}", LIMITS.get(name, "")))


if __name__ == "__main__":
    main()
