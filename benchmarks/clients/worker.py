"""One client in a process of its own: reads jobs from standard input, a JSON object a line, and prints measurements.

python -m benchmarks.clients.worker piriod-async
"""

import asyncio
import gc
import sys
import time
from pathlib import Path

import msgspec

from benchmarks.clients import load
from benchmarks.clients.config import Client, ClientConfig


class Job(msgspec.Struct):
    """One crawl, with the garbage collector on or off."""

    config: ClientConfig
    collect_garbage: bool = True


class Measurement(msgspec.Struct):
    """The cost of one crawl.

    Attributes:
        customers: Customers it returned.
        wall: Seconds.
        cpu: Seconds of CPU time of the process, user and system.
        peak: The most memory that the process has held so far, MiB.
    """

    customers: int
    wall: float
    cpu: float
    peak: float


def run(client: Client, job: Job) -> Measurement:
    """Crawl once, on a new event loop."""

    async def crawl() -> int:
        return await client(job.config)

    gc.collect()
    (gc.enable if job.collect_garbage else gc.disable)()
    wall, cpu = time.perf_counter(), time.process_time()
    customers = asyncio.run(crawl())
    return Measurement(customers, time.perf_counter() - wall, time.process_time() - cpu, peak_memory())


def peak_memory() -> float:
    """The most memory that this process has held, MiB. (`ru_maxrss` would include the parent's, inherited by fork.)"""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main(name: str) -> None:
    client, decoder = load(name), msgspec.json.Decoder(Job)
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(msgspec.json.encode(run(client, decoder.decode(line))) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1])
