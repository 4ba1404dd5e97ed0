"""Where a client's CPU time goes: sampled by py-spy, garbage collection apart.

Samples are taken with the garbage collector off, because it runs wherever an object happens to be made; its cost is the
difference between crawls with it and without.
"""

import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.clients.config import ClientConfig
from benchmarks.processes import ClientProcess, ServerProcess

SAMPLES_PER_SECOND = 400
LIBRARIES = ("aiohttp", "asyncio")
DECODING = "decoding, and freeing what was decoded"


def measure(name: str, config: ClientConfig, server: ServerProcess, rounds: int, profiled: int) -> dict[str, Any]:
    """CPU µs of one request: in total, by module, and by function of ours."""
    py_spy = shutil.which("py-spy", path=Path(sys.executable).parent)
    if py_spy is None:
        return {"skipped": "py-spy is not installed"}
    collected, uncollected = [], []
    with ClientProcess(name) as client:
        for _ in range(rounds + 1):
            collected.append(_cost(client, config, server, collect_garbage=True))
            uncollected.append(_cost(client, config, server, collect_garbage=False))
    total, without_garbage = median(collected[1:]), median(uncollected[1:])  # the first crawls warm up
    functions = _sample(py_spy, name, config, profiled)
    scale = without_garbage / functions.total()
    modules: Counter[str] = Counter()
    for (_, path), samples in functions.items():
        modules[_module(path)] += samples
    ours = [(f"{function}, {path}", samples) for (function, path), samples in functions.most_common()
            if path.startswith("piriod_async/")]  # fmt: skip
    return {
        "total": total,
        "modules": {module: samples * scale for module, samples in modules.most_common()}
        | {"garbage collection": total - without_garbage},
        "functions": {function: samples * scale for function, samples in ours[:20]},
    }


def _cost(client: ClientProcess, config: ClientConfig, server: ServerProcess, *, collect_garbage: bool) -> float:
    """CPU µs of one request."""
    server.take_counters()
    cpu = client.crawl(config, collect_garbage=collect_garbage).cpu
    return 1e6 * cpu / float(server.take_counters()["requests"])


def _sample(py_spy: str, name: str, config: ClientConfig, crawls: int) -> Counter[tuple[str, str]]:
    """Samples by function and file, innermost frame."""
    samples: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "samples"
        wrapper = [py_spy, "record", "--rate", str(SAMPLES_PER_SECOND), "--format", "raw", "--output", str(path), "--"]
        with ClientProcess(name, wrapper=wrapper) as client:
            for _ in range(crawls):
                client.crawl(config, collect_garbage=False)
        for line in path.read_text(encoding="utf-8").splitlines():
            stack, _, count = line.rpartition(" ")
            if "run (benchmarks/clients/worker.py" in stack and "importlib" not in stack:
                function, _, file = stack.rpartition(";")[2].partition(" (")
                samples[function, file.rpartition(":")[0]] += int(count)
    return samples


def _module(path: str) -> str:
    """The row of the table that a file's samples are counted in: a package of ours, or a library."""
    if path.startswith(("piriod_async/decoding/", "piriod_async/models.py", "benchmarks/")):
        return DECODING  # the bare client decodes in its own function
    library, _, rest = path.partition("/")
    if library == "piriod_async":
        return f"{library}/{rest.partition('/')[0]}"
    return library if library in LIBRARIES else "other libraries"
