"""How soon the first customer comes, and how many requests are sent for a reader that stops early.

    python -m benchmarks.scenarios.early_stop

A reader stops without leaving the listing, so that everything begun for it is sent. The session is warm.
"""

import argparse
import asyncio
import time
from contextlib import aclosing
from statistics import median

from attrs import frozen

from benchmarks.clients.config import PAGE_SIZE
from benchmarks.processes import ServerProcess
from piriod_async import PiriodSession

CUSTOMERS = 20_000
LATENCIES = {"50 ms": (50, 50), "20 to 200 ms": (20, 200)}
SETTLING_TIME = 8  # round trips until nothing more is sent
ROW = "{:26} {:>14} {:>10} {:>10} {:>20}"


@frozen
class Reader:
    """One that reads some customers, and waits after each page."""

    customers: int
    seconds_per_page: float = 0.0


READERS = {
    "the first customer": Reader(1),
    "2 pages": Reader(PAGE_SIZE + 1),
    "5 pages": Reader(4 * PAGE_SIZE + 1),
    "5 pages, 50 ms each": Reader(4 * PAGE_SIZE + 1, 0.05),
    "5 pages, 300 ms each": Reader(4 * PAGE_SIZE + 1, 0.3),
}


async def measure(url: str, reader: Reader, latency: tuple[int, int]) -> tuple[float, int, int]:
    """Return the seconds until the first customer, and the requests sent when the reader stops, and in the end."""
    async with PiriodSession("t0ken", "acc_0", base_url=url) as piriod:
        await piriod.customers(workspace="acc_4000").collect()  # opens all connections
        sent_before, started, first = piriod.stats.requests, time.perf_counter(), 0.0
        workspace = f"acc_{CUSTOMERS}_{latency[0]}_{latency[1]}"
        async with aclosing(aiter(piriod.customers(workspace=workspace))) as customers:
            for number in range(reader.customers):
                if number and number % PAGE_SIZE == 0:
                    await asyncio.sleep(reader.seconds_per_page)
                await anext(customers)
                first = first or time.perf_counter() - started
            sent = piriod.stats.requests - sent_before
            await asyncio.sleep(SETTLING_TIME * latency[1] / 1000)
            return first, sent, piriod.stats.requests - sent_before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    print(ROW.format("reader, medians", "latency", "at stop", "requests", "first customer, ms"))
    with ServerProcess("static_server", str(CUSTOMERS)) as server:
        for label, latency in LATENCIES.items():
            for name, reader in READERS.items():
                rounds = [asyncio.run(measure(server.url, reader, latency)) for _ in range(options.rounds)]
                first, sent, requests = map(median, zip(*rounds, strict=True))
                print(ROW.format(name, label, f"{sent:g}", f"{requests:g}", f"{1000 * first:.1f}"), flush=True)


if __name__ == "__main__":
    main()
