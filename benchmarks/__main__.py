"""All of it: `python -m benchmarks`, or `--quick` for a look in under two minutes.

Needs the extra `bench`, and for the database PostgreSQL (`apt-get install postgresql`). Writes `results.md`,
`results.json` and the pictures.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks import database, measure
from benchmarks.pictures import draw
from benchmarks.report import report

HERE = Path(__file__).parent
PARTS = ("database", "clients")
PACKAGES = (
    *("aiohttp", "attrs", "msgspec", "tenacity", "httpx", "pydantic", "requests", "openapi-python-client"),
    *("openapi-generator-cli", "django", "djangorestframework", "psycopg"),
)
FULL = measure.Scale(
    customers=20_000,
    rounds=21,
    delayed_rounds=3,
    slow_rounds=1,
    hold_rounds=3,
    import_rounds=5,
    sampled=30,
)
QUICK = measure.Scale(
    customers=10_000,
    rounds=2,
    delayed_rounds=1,
    slow_rounds=0,
    hold_rounds=1,
    import_rounds=1,
    sampled=2,
)
FULL_DATABASE = database.Scale(whole=(10_000, 100_000), sampled=1_000_000, ordinary=200, deep=5)
QUICK_DATABASE = database.Scale(whole=(1_000, 4_000), sampled=40_000, ordinary=10, deep=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds, short lists")
    parser.add_argument("--into", type=Path, default=HERE, metavar="FOLDER", help="where the results go")
    parser.add_argument("--only", choices=PARTS, help="measure this part, and keep the other's figures")
    options = parser.parse_args()
    options.into.mkdir(exist_ok=True)
    kept = options.into / "results.json"
    results = json.loads(kept.read_text(encoding="utf-8")) if options.only else {}
    for part in [options.only] if options.only else PARTS:
        results |= run(part, quick=options.quick)
        kept.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    text = report(results)
    (options.into / "results.md").write_text(text, encoding="utf-8")
    draw(results, options.into)
    print(text)


def run(part: str, *, quick: bool) -> dict[str, Any]:
    """Measure one part; its figures, and beside them what they were measured on."""
    started, load = time.monotonic(), os.getloadavg()
    figures: dict[str, Any] = {"quick": quick}
    if part == "database":
        figures |= {"database": database.measure(QUICK_DATABASE if quick else FULL_DATABASE)}
    else:
        missing = measure.prepare()
        scale = QUICK if quick else FULL
        figures |= {
            "customers": scale.customers,
            "missing": missing | {"the vendor's Node SDK": "it is not on npm"},
            "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
            "clients": measure.measure(scale, missing),
        }
    minutes = (time.monotonic() - started) / 60
    took = {f"{part}: minutes, load before and after": f"{minutes:.1f}, {load[0]:.2f}, {os.getloadavg()[0]:.2f}"}
    return figures | {"machine": machine(), f"took {part}": took}


def machine() -> dict[str, str]:
    """What it ran on."""
    cpus = [line for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if "model name" in line]
    return {
        "processor": f"{os.cpu_count()} of {cpus[0].partition(': ')[2] if cpus else platform.processor()}",
        "system": platform.platform(),
        "Python": platform.python_version(),
        "commit": commit(),
    }


def commit() -> str:
    """What was measured."""
    done = subprocess.run(["git", "describe", "--always"], capture_output=True, text=True, check=False, cwd=HERE)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
