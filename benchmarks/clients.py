"""The clients by name, each in a process of its own that reads jobs from standard input and answers with figures.

python -m benchmarks.clients ours
"""

import asyncio
import gc
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.generate import GENERATED
from benchmarks.target import Client, Target

OURS = "ours"
FLOOR = "aiohttp + msgspec (the floor)"
WINDOW = "plain bounded window"
# name in the tables: module, function, the generated package it needs
CLIENTS: dict[str, tuple[str, str, str | None]] = {
    OURS: ("ours", "ours", None),
    FLOOR: ("ours", "aiohttp_msgspec", None),
    "aiohttp, bytes only": ("ours", "aiohttp_bytes", None),
    WINDOW: ("ours", "plain_window", None),
    "httpx + pydantic": ("peers", "httpx_pydantic", None),
    "openapi-python-client": ("peers", "python_client", "python_client"),
    "openapi-generator, asyncio": ("peers", "generator_client", "generator_client"),
    "httpx + pydantic, one by one": ("peers", "httpx_pydantic_one", None),
    "openapi-python-client, one by one": ("peers", "python_client_one", "python_client"),
    "openapi-generator, asyncio, one by one": ("peers", "generator_client_one", "generator_client"),
    "requests, dicts": ("peers", "requests_loop", None),
}


class Job(msgspec.Struct):
    """What to read, whether to watch the event loop meanwhile, and whether garbage is collected."""

    target: Target
    watch: bool = False
    collect: bool = True


class Figures(msgspec.Struct):
    """What a crawl cost: seconds, MiB, and where the loop was watched, µs."""

    customers: int
    wall: float
    cpu: float
    peak: float
    holds: dict[str, float] = {}


def load(name: str) -> Client:
    sys.path.append(str(GENERATED))
    module, function, _ = CLIENTS[name]
    client: Client = getattr(import_module(f"benchmarks.{module}"), function)
    return client


def run(client: Client, job: Job) -> Figures:
    """Crawl once, on a loop of its own."""
    gc.collect()
    (gc.enable if job.collect else gc.disable)()
    wall, cpu = time.perf_counter(), time.process_time()
    if job.watch:
        from benchmarks.hold import watched  # noqa: PLC0415

        customers, holds = watched(client, job.target)
    else:
        customers, holds = asyncio.run(_await(client(job.target))), {}
    return Figures(customers, time.perf_counter() - wall, time.process_time() - cpu, peak(), holds)


async def _await(crawl: Any) -> int:
    customers: int = await crawl
    return customers


def peak() -> float:
    """The most memory this process has held, MiB. (`ru_maxrss` would have the parent's in it.)"""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main(name: str) -> None:
    client = load(name)
    decoder, encoder = msgspec.json.Decoder(Job), msgspec.json.Encoder()
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(encoder.encode(run(client, decoder.decode(line))) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1])
