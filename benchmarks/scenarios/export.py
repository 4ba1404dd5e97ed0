"""Exports of a long list to files: time, memory, and whether a `kill -9` costs anything.

    python -m benchmarks.scenarios.export --customers 100000 --kills 3

Needs the extras `cli` and `arrow`.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from attrs import frozen

from benchmarks.processes import ServerProcess

WORKSPACE, TOKEN = "acc_0", "t0ken"
ROW = "{:8} {:28} {:>7} {:>12} {:>9} {:>9} {:>12}"
PARQUET_EQUAL = """
import sys
from pyarrow import parquet
one, other = map(parquet.read_table, sys.argv[1:])
sys.exit(one != other)
"""


@frozen
class Exporter:
    """Exports with the command line to files of one format in a folder."""

    suffix: str
    folder: Path
    env: dict[str, str]

    def compare(self, customers: int, kills: int, rng: random.Random) -> None:
        """Export undisturbed, then again with kills at random moments, and compare the files."""
        undisturbed, killed = self.folder / f"undisturbed.{self.suffix}", self.folder / f"killed.{self.suffix}"
        self.run("undisturbed", undisturbed)
        for number, moment in enumerate(sorted(rng.randrange(customers) for _ in range(kills)), 1):
            self.run(f"kill {number} after {moment:,}", killed, kill_after=moment)
        self.run("resumed to the end", killed)
        print(f"{self.suffix:8} equal: {equal(undisturbed, killed)}", flush=True)

    def run(self, label: str, file: Path, kill_after: int | None = None) -> None:
        """Export to a file, or kill the export once it has saved so many customers; print a row."""
        started = time.monotonic()
        command = [sys.executable, "-m", "piriod_async", "customers", "-o", str(file), "--resume"]
        process = subprocess.Popen(command, env=self.env)
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if kill_after is not None and saved_customers(file) >= kill_after:
                process.kill()
            time.sleep(0.01)
        process.returncode = os.waitstatus_to_exitcode(status)
        written = file if file.exists() else file.with_name(f"{file.name}.part")
        row = (
            *(self.suffix, label, process.returncode),
            "all" if written == file else f"{saved_customers(file):,}",
            f"{time.monotonic() - started:.1f}",
            f"{usage.ru_maxrss / 1024:.0f}",
            f"{written.stat().st_size:,}",
        )
        print(ROW.format(*row), flush=True)


def saved_customers(file: Path) -> int:
    """How many customers the export's saved state covers."""
    try:
        state = json.loads(file.with_name(f"{file.name}.part.state").read_bytes())
    except FileNotFoundError:
        return 0
    return sum(state["customers"].values())


def equal(one: Path, other: Path) -> bool:
    """Compare Parquet as tables, all else as bytes.

    Tables are read in another process: this one's memory would count as that of the exports it forks.
    """
    if one.suffix == ".parquet":
        return subprocess.run([sys.executable, "-c", PARQUET_EQUAL, one, other], check=False).returncode == 0
    return subprocess.run(["cmp", "-s", one, other], check=False).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=3, help="times that an export is killed and resumed")
    parser.add_argument("--formats", default="parquet,csv,jsonl")
    parser.add_argument("--seed", type=int, default=1, help="for the moments of the kills")
    options = parser.parse_args()
    server_options = {"customers": {WORKSPACE: options.customers}, "token": TOKEN}
    with ServerProcess("mock_server", json.dumps(server_options)) as server, tempfile.TemporaryDirectory() as folder:
        env = os.environ | {"PIRIOD_TOKEN": TOKEN, "PIRIOD_WORKSPACE": WORKSPACE, "PIRIOD_BASE_URL": server.url}
        count = [sys.executable, "-m", "piriod_async", "customers", "--count"]
        subprocess.run(count, env=env, check=True)  # the server generates its customers now
        print(ROW.format("format", "export", "exit", "saved", "seconds", "peak MB", "bytes"))
        for suffix in options.formats.split(","):
            exporter = Exporter(suffix, Path(folder), env)
            exporter.compare(options.customers, options.kills, random.Random(options.seed))


if __name__ == "__main__":
    main()
