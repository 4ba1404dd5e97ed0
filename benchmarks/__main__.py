"""Measure the clients and the database, and write `results/`: results.json, results.md and the charts.

    python -m benchmarks             # about 10 minutes
    python -m benchmarks --quick     # few rounds, short lists: three minutes

Needs the dependency group `bench`, and PostgreSQL for the database (`apt-get install postgresql`).
"""

import argparse
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.clients.generated import generate_all
from benchmarks.processes import ROOT
from benchmarks.results.charts import draw_charts
from benchmarks.results.report import render
from benchmarks.scenarios import client_costs, database_load

RESULTS = Path(__file__).parent / "results"
PARTS = ("database", "clients")
PACKAGES = (
    *("aiohttp", "attrs", "msgspec", "tenacity", "httpx", "pydantic", "openapi-python-client"),
    *("openapi-generator-cli", "django", "djangorestframework", "psycopg"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds, short lists")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="FOLDER", help="where to write the results")
    parser.add_argument("--only", choices=PARTS, help="measure one part, and keep the other's results")
    options = parser.parse_args()
    options.output.mkdir(exist_ok=True)
    file = options.output / "results.json"
    results = json.loads(file.read_text(encoding="utf-8")) if options.only else {"runs": {}}
    for part in [options.only] if options.only else PARTS:
        started, load = time.monotonic(), os.getloadavg()[0]
        results |= {"quick": options.quick, "machine": describe_machine()}
        results |= measure_database(quick=options.quick) if part == "database" else measure_clients(quick=options.quick)
        minutes = (time.monotonic() - started) / 60
        run = f"{git_describe()}, {minutes:.1f} minutes, {load:.2f} and {os.getloadavg()[0]:.2f}"
        results["runs"][f"{part}: commit, duration, load before and after"] = run
        file.write_text(to_json(results), encoding="utf-8")
    (options.output / "results.md").write_text(render(results), encoding="utf-8")
    draw_charts(results, options.output)
    print(render(results))


def measure_database(*, quick: bool) -> dict[str, Any]:
    return {"database": database_load.measure(database_load.QUICK if quick else database_load.FULL)}


def measure_clients(*, quick: bool) -> dict[str, Any]:
    missing = generate_all()
    scale = client_costs.QUICK if quick else client_costs.FULL
    return {
        "customers": scale.customers,
        "missing": missing,
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "clients": client_costs.measure(scale, missing),
    }


def describe_machine() -> dict[str, str]:
    cpus = [line for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if "model name" in line]
    return {
        "processor": f"{os.cpu_count()} of {cpus[0].partition(': ')[2] if cpus else platform.processor()}",
        "system": platform.platform(),
        "Python": platform.python_version(),
    }


def git_describe() -> str:
    done = subprocess.run(["git", "describe", "--always"], capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout.strip() or "unknown"


def to_json(results: Any) -> str:
    """Indented, with six digits, and the rounds of a measurement on one line."""
    rounded = json.loads(json.dumps(results), parse_float=lambda text: float(f"{float(text):.6g}"))
    text = json.dumps(rounded, indent=1, ensure_ascii=False)
    return re.sub(r"\[[^][{}]*\]", lambda match: " ".join(match[0].split()), text) + "\n"


if __name__ == "__main__":
    main()
