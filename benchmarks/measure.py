"""What is measured of the clients: rounds in which each has its turn, so that a busy machine is busy for all."""

import json
import math
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from statistics import median
from typing import Any, TypeAlias

from attrs import frozen

from benchmarks import samples
from benchmarks.clients import CLIENTS, FLOOR, OURS, WINDOW
from benchmarks.generate import GENERATED, generate
from benchmarks.processes import ClientProcess, ServerProcess
from benchmarks.target import PAGE_SIZE, Target

DELAYS = {"0": "", "50 ms": "_50_50", "20 to 200 ms": "_20_200"}
FEW, MANY = 20_000, 200_000  # customers held against each other for memory
IMPORTS = {
    "piriod_async": "piriod_async",
    "aiohttp": "aiohttp",
    "aiohttp, attrs, msgspec": "aiohttp, attrs, msgspec",
    "httpx, pydantic": "httpx, pydantic",
    "openapi-python-client": "python_client.api.billing.list_customers",
    "openapi-generator, asyncio": "generator_client",
    "requests": "requests",
}
Rounds: TypeAlias = dict[str, list[dict[str, Any]]]
"""Figures of each client, round by round."""


@frozen
class Scale:
    """How much is measured.

    Attributes:
        customers: On the list that is crawled.
        rounds: Of crawls without delay.
        delayed_rounds: Of crawls with one, side by side.
        slow_rounds: Of crawls with one, one page after the other.
        hold_rounds: With the event loop watched.
        import_rounds: Of imports.
        sampled: Crawls of ours and of the floor, under a sampling profiler.
    """

    customers: int
    rounds: int
    delayed_rounds: int
    slow_rounds: int
    hold_rounds: int
    import_rounds: int
    sampled: int


def prepare() -> dict[str, str]:
    """Make the generated clients; return what is missing, and why."""
    needed = {package for _, _, package in CLIENTS.values() if package}
    return {name: reason for name in sorted(needed) if (reason := generate(name))}


def measure(scale: Scale, missing: Iterable[str]) -> dict[str, Any]:
    """All figures of all clients whose packages are there."""
    names = [name for name, (_, _, package) in CLIENTS.items() if package not in set(missing)]
    fast = [name for name in names if not _sequential(name)]
    slow = [name for name in names if _sequential(name)]
    with ServerProcess("server", str(max(MANY, scale.customers))) as server:
        target = Target(server.url, f"acc_{scale.customers}")
        delays = {}
        for delay, suffix in DELAYS.items():
            delayed = Target(server.url, f"acc_{scale.customers}{suffix}")
            if not suffix:
                delays[delay] = crawls(server, delayed, names, scale.rounds)
                continue
            delays[delay] = crawls(server, delayed, fast, scale.delayed_rounds)
            delays[delay] |= crawls(server, delayed, slow, scale.slow_rounds)
        return {
            "delays": delays,
            "memory": memory(server, [OURS, WINDOW]),
            "hold": hold(target, [OURS, FLOOR, WINDOW], scale.hold_rounds),
            "imports": imports(scale.import_rounds, missing),
            "profile": samples.measure(target, server, scale.rounds, scale.sampled),
        }


def _sequential(name: str) -> bool:
    return "one by one" in name or name.startswith("requests")


def crawls(server: ServerProcess, target: Target, names: Sequence[str], rounds: int) -> Rounds:
    """Crawl in rounds, every client warm; with each crawl what the server was asked."""
    figures: Rounds = {name: [] for name in names}
    with ExitStack() as stack:
        clients = {name: stack.enter_context(ClientProcess(name)) for name in names if rounds}
        for client in clients.values():
            client.crawl(Target(target.url, "acc_1000"))
        for _ in range(rounds):
            for name, client in clients.items():
                server.tally()
                crawl = client.crawl(target)
                asked = server.tally()
                expected = int(target.workspace.split("_")[1])
                if crawl.customers != expected:
                    raise AssertionError(f"{name}: {crawl.customers} customers of {expected}")
                figures[name].append({"cpu": crawl.cpu, "wall": crawl.wall, **asked})
    return figures


def memory(server: ServerProcess, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """The most memory that a fresh process held, MiB."""
    peaks: dict[str, dict[str, float]] = {name: {} for name in names}
    for name in names:
        for customers in (FEW, MANY):
            with ClientProcess(name) as client:
                peaks[name][str(customers)] = client.crawl(Target(server.url, f"acc_{customers}")).peak
    return peaks


def hold(target: Target, names: Sequence[str], rounds: int) -> Rounds:
    """How long callbacks hold the loop, µs."""
    figures: Rounds = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            with ClientProcess(name) as client:
                figures[name].append(client.crawl(target, watch=True).holds)
    return figures


def imports(rounds: int, missing: Iterable[str]) -> dict[str, list[float]]:
    """CPU milliseconds that a fresh interpreter takes to import something."""
    code = "import time; t = time.process_time(); import {}; print((time.process_time() - t) * 1e3)"
    gone = tuple(missing)
    figures: dict[str, list[float]] = {name: [] for name, modules in IMPORTS.items() if not modules.startswith(gone)}
    for _ in range(rounds + 1):
        for name, times in figures.items():
            command = [sys.executable, "-c", code.format(IMPORTS[name])]
            done = subprocess.run(command, capture_output=True, check=True, env={"PYTHONPATH": str(GENERATED)})
            times.append(json.loads(done.stdout))
    return {name: times[1:] for name, times in figures.items()}  # the first round wrote the .pyc files


# what the rounds say


def middle(rounds: Sequence[Mapping[str, Any]], key: str) -> float:
    return median(float(each[key]) for each in rounds)


def ratio(these: Sequence[Mapping[str, Any]], those: Sequence[Mapping[str, Any]], key: str = "cpu") -> float:
    """The median of the ratios, round by round: what slows a round slows both."""
    return median(float(this[key] / that[key]) for this, that in zip(these, those, strict=True))


def above_floor(rounds: Rounds, name: str = OURS) -> float:
    """CPU µs that one request of a client costs more than one of the floor's."""
    return median(
        1e6 * float(each["cpu"] / each["requests"] - floor["cpu"] / floor["requests"])
        for each, floor in zip(rounds[name], rounds[FLOOR], strict=True)
    )


def ideal_trips(customers: int, concurrency: int = 8) -> int:
    """Round trips that a crawl takes at least: the first page, then all others at once as far as they may."""
    return 1 + math.ceil((math.ceil(customers / PAGE_SIZE) - 1) / concurrency)
