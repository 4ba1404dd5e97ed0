"""How long a crawl blocks the event loop, which is how long everything else on that loop waits.

    python -m benchmarks.scenarios.loop_blocking

Every callback of a crawl with 16 requests pending is timed: CPU time of the thread, because on a busy machine wall time
shows mostly the neighbours. Garbage from before the crawl is frozen.
"""
# ruff: noqa: RUF001  (the sign means times)

import argparse
import asyncio
import gc
import math
import statistics
import time
from asyncio.base_events import BaseEventLoop
from asyncio.events import Handle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import msgspec
from attrs import define, field

from benchmarks.clients import BARE, BY_HAND, PIRIOD, load
from benchmarks.clients.config import ClientConfig
from benchmarks.processes import ServerProcess
from piriod_async import Customer

CLIENTS = (PIRIOD, BY_HAND, BARE)
CONCURRENCY = 16
WARM_UPS = 2


@define
class LoopMonitor:
    """Times the callbacks of the running event loop.

    Attributes:
        callbacks: CPU seconds of each.
        iterations: CPU seconds of all callbacks, in each iteration of the loop.
    """

    callbacks: list[float] = field(factory=list)
    iterations: list[float] = field(factory=list)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Wrap asyncio's own methods for as long as the block runs."""
        run, run_once = Handle._run, BaseEventLoop._run_once  # type: ignore[attr-defined]  # noqa: SLF001
        clock = time.thread_time

        def timed_run(handle: Any) -> None:
            started = clock()
            run(handle)
            self.callbacks.append(clock() - started)

        def timed_run_once(loop: Any) -> None:
            before = len(self.callbacks)
            run_once(loop)
            self.iterations.append(sum(self.callbacks[before:]))

        Handle._run, BaseEventLoop._run_once = timed_run, timed_run_once  # type: ignore  # noqa: PGH003, SLF001
        try:
            yield
        finally:
            Handle._run, BaseEventLoop._run_once = run, run_once  # type: ignore  # noqa: PGH003, SLF001


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent do not exceed."""
    return sorted(values)[max(math.ceil(len(values) * percent / 100) - 1, 0)]


def measure(name: str, base_url: str, workspace: str) -> dict[str, float]:
    """Crawl with a client, warm, and return the percentiles in µs, beside the decoding of one page."""
    client, monitor = load(name), LoopMonitor()
    config = ClientConfig(base_url, workspace, concurrency=CONCURRENCY)

    async def crawl() -> None:
        for _ in range(WARM_UPS):
            await client(config)
        gc.collect()
        gc.freeze()
        with monitor.installed():
            await client(config)
        gc.unfreeze()

    asyncio.run(crawl())
    seconds = {
        "p50": percentile(monitor.callbacks, 50),
        "p99": percentile(monitor.callbacks, 99),
        "longest": max(monitor.callbacks),
        "iteration p99": percentile(monitor.iterations, 99),
        "longest iteration": max(monitor.iterations),
        "decoding": decoding_time(config),
    }
    return {column: 1e6 * value for column, value in seconds.items()}


def decoding_time(config: ClientConfig) -> float:
    """Median CPU seconds that msgspec takes to decode one page into the package's records."""
    decoder = msgspec.json.Decoder(msgspec.defstruct("Page", [("results", tuple[Customer, ...])]))
    times = []
    for page in range(1, 51):
        url = f"{config.base_url}/customers/?{urlencode(config.params(page))}"
        with urlopen(Request(url, headers=config.headers)) as response:
            body = response.read()
        for _ in range(10):
            started = time.thread_time()
            decoder.decode(body)
            times.append(time.thread_time() - started)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=50_000)
    options = parser.parse_args()
    with ServerProcess("static_server", str(options.customers)) as server:
        for name in CLIENTS:
            times = measure(name, server.url, f"acc_{options.customers}")
            print(name, *(f"{column} {value:,.0f} µs" for column, value in times.items()), sep=", ", end=", ")
            print(f"p99 {times['p99'] / times['decoding']:.2f} × decoding")


if __name__ == "__main__":
    main()
