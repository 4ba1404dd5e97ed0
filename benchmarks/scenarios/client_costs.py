"""CPU, wall time, memory and import time of each client, on a list that does not change.

Clients take turns within a round, so that a busy machine is busy for all of them.
"""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from typing import Any, TypeAlias

from attrs import frozen

from benchmarks.clients import BARE, BY_HAND, CLIENTS, PIRIOD
from benchmarks.clients.config import ClientConfig
from benchmarks.clients.generated import GENERATED
from benchmarks.processes import ROOT, ClientProcess, ServerProcess
from benchmarks.scenarios import cpu_profile, loop_blocking

LATENCIES = {"none": "", "50 ms": "_50_50", "20 to 200 ms": "_20_200"}  # label: suffix of the workspace
SMALL_LIST, LARGE_LIST = 20_000, 200_000  # customers, for memory
IMPORTS = {
    "piriod_async.session": "piriod_async.session",
    "aiohttp, attrs, msgspec": "aiohttp, attrs, msgspec",
    "httpx, pydantic": "httpx, pydantic",
    "openapi-python-client": "python_client.api.billing.get_customers",
    "openapi-generator": "generator_client",
}
Rounds: TypeAlias = dict[str, dict[str, list[float]]]
"""For each client, each measured quantity, round by round."""


@frozen
class Scale:
    """How much is measured."""

    customers: int  # length of the list
    rounds: int  # crawls of each client without latency
    latency_rounds: int  # and with latency
    loop_rounds: int  # and with the event loop monitored
    import_rounds: int
    profiled: int  # crawls under the profiler


FULL = Scale(customers=20_000, rounds=21, latency_rounds=3, loop_rounds=3, import_rounds=5, profiled=30)
QUICK = Scale(customers=10_000, rounds=2, latency_rounds=1, loop_rounds=1, import_rounds=1, profiled=2)


def measure(scale: Scale, missing: Collection[str]) -> dict[str, Any]:
    """Measure all clients but the missing ones."""
    names = [name for name in CLIENTS if name not in missing]
    with ServerProcess("static_server", str(max(LARGE_LIST, scale.customers))) as server:
        config = ClientConfig(server.url, f"acc_{scale.customers}")
        return {
            "latencies": {
                latency: _crawls(
                    server, f"{config.workspace}{suffix}", names, scale.latency_rounds if suffix else scale.rounds
                )
                for latency, suffix in LATENCIES.items()
            },
            "memory": {name: _peak_memory(server, name) for name in (PIRIOD, BY_HAND)},
            "event loop": _event_loop(server, scale),
            "imports": _imports(scale.import_rounds, missing),
            "profile": {
                name: cpu_profile.measure(name, config, server, scale.rounds, scale.profiled) for name in (PIRIOD, BARE)
            },
        }


def _crawls(server: ServerProcess, workspace: str, names: Sequence[str], rounds: int) -> Rounds:
    """Crawl in rounds with warm clients: seconds, and the server's request counters."""
    figures: Rounds = {name: defaultdict(list) for name in names}
    expected = int(workspace.split("_")[1])
    with ExitStack() as stack:
        clients = {name: stack.enter_context(ClientProcess(name)) for name in names}
        for client in clients.values():
            client.crawl(ClientConfig(server.url, "acc_1000"))
        for _ in range(rounds):
            for name, client in clients.items():
                server.take_counters()
                crawl = client.crawl(ClientConfig(server.url, workspace))
                if crawl.customers != expected:
                    raise AssertionError(f"{name} returned {crawl.customers} customers, expected {expected}")
                for quantity, value in {"cpu": crawl.cpu, "wall": crawl.wall, **server.take_counters()}.items():
                    figures[name][quantity].append(value)
    return figures


def _peak_memory(server: ServerProcess, name: str) -> dict[str, float]:
    """The most memory that a fresh process held, MiB, by the length of the list."""
    peaks = {}
    for customers in (SMALL_LIST, LARGE_LIST):
        with ClientProcess(name) as client:
            peaks[str(customers)] = client.crawl(ClientConfig(server.url, f"acc_{customers}")).peak
    return peaks


def _event_loop(server: ServerProcess, scale: Scale) -> Rounds:
    """How long callbacks block the event loop, µs."""
    figures: Rounds = {name: defaultdict(list) for name in loop_blocking.CLIENTS}
    for _ in range(scale.loop_rounds):
        for name, columns in figures.items():
            for column, value in loop_blocking.measure(name, server.url, f"acc_{scale.customers}").items():
                columns[column].append(value)
    return figures


def _imports(rounds: int, missing: Collection[str]) -> dict[str, list[float]]:
    """CPU milliseconds that an import takes in a fresh interpreter."""
    code = "import time; t = time.process_time(); import {}; print((time.process_time() - t) * 1e3)"
    figures: dict[str, list[float]] = {name: [] for name in IMPORTS if name not in missing}
    for _ in range(rounds + 1):
        for name, times in figures.items():
            command = [sys.executable, "-c", code.format(IMPORTS[name])]
            done = subprocess.run(command, capture_output=True, check=True, env={"PYTHONPATH": f"{ROOT}:{GENERATED}"})
            times.append(json.loads(done.stdout))
    return {name: times[1:] for name, times in figures.items()}  # the first round wrote the .pyc files
