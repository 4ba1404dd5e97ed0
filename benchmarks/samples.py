"""Where ours spends what it costs above the floor: sampled by py-spy, garbage collection apart.

Samples are taken with the collector off, for it runs wherever something is made; what it costs is the difference
between crawls with it and without.
"""

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.clients import FLOOR, OURS
from benchmarks.processes import ClientProcess, ServerProcess
from benchmarks.target import Target

RATE = 400  # samples a second
LIBRARIES = ("aiohttp", "asyncio", "piriod_async")


def measure(target: Target, server: ServerProcess, rounds: int, sampled: int) -> dict[str, Any]:
    """CPU µs of one request: in all, of the garbage collector, and by function, of ours and the floor."""
    sampler = shutil.which("py-spy", path=Path(sys.executable).parent)
    if sampler is None:
        return {"skipped": "py-spy is not installed: pip install -e '.[bench]'"}
    with ClientProcess(OURS) as ours, ClientProcess(FLOOR) as floor:
        costs: dict[str, dict[bool, list[float]]] = {name: {True: [], False: []} for name in (OURS, FLOOR)}
        for _ in range(rounds + 1):
            for name, client in ((OURS, ours), (FLOOR, floor)):
                for collect in (True, False):
                    costs[name][collect].append(_cost(client, target, server, collect=collect))
    figures = {}
    for name, cost in costs.items():
        on, off = (median(cost[collect][1:]) for collect in (True, False))  # the first is for warmth
        figures[name] = {"all": on, "garbage": on - off, "functions": _functions(sampler, name, target, sampled, off)}
    return figures


def _cost(client: ClientProcess, target: Target, server: ServerProcess, *, collect: bool) -> float:
    server.tally()
    cpu = client.crawl(target, collect=collect).cpu
    requests: int = server.tally()["requests"]
    return 1e6 * cpu / requests


def _functions(sampler: str, name: str, target: Target, crawls: int, whole: float) -> dict[str, float]:
    """Share out what a request costs by where the samples fell, innermost function first."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "samples"
        command = [sampler, "record", "--rate", str(RATE), "--format", "raw", "--output", str(path), "--"]
        with ClientProcess(name, beneath=command) as client:
            for _ in range(crawls):
                client.crawl(target, collect=False)
        counted: Counter[str] = Counter()
        for line in path.read_text(encoding="utf-8").splitlines():
            stack, _, count = line.rpartition(" ")
            if "run (benchmarks/clients.py" in stack and "importlib" not in stack:
                counted[stack.rpartition(";")[2].rpartition(":")[0].replace(" (", ", ")] += int(count)
    total = counted.total()
    return {function: whole * count / total for function, count in counted.most_common()}


def rooms(figures: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Of ours and of the floor, by module of ours, library, or what else it is."""
    found: dict[str, tuple[float, float]] = {}
    for index, name in enumerate((OURS, FLOOR)):
        spent: Counter[str] = Counter()
        for function, cost in figures[name]["functions"].items():
            spent[_room(function.rpartition(", ")[2])] += cost
        spent["garbage collection"] = figures[name]["garbage"]
        for room, cost in spent.items():
            pair = list(found.get(room, (0.0, 0.0)))
            pair[index] = cost
            found[room] = (pair[0], pair[1])
    return dict(sorted(found.items(), key=lambda item: item[1][1] - item[1][0]))


def _room(path: str) -> str:
    library = path.partition("/")[0]
    if path in ("piriod_async/decode.py", "piriod_async/models.py") or library == "benchmarks":
        return "decoding, and freeing what was decoded"  # the floor decodes in its own function
    return path if library == "piriod_async" else library if library in LIBRARIES else "other libraries"
