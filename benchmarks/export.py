"""An export of many customers to files: how long, how much memory, and whether a kill -9 costs anything.

    python benchmarks/export.py --customers 100000 --kills 3

Needs the extras `cli` and `arrow`. The sandbox is a process of its own, and so is every export.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = [sys.executable, "-m", "piriod_async"]
ROW = "{:8} {:28} {:>7} {:>12} {:>9} {:>9} {:>12}"


def main() -> None:
    """Read the command line, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=3, help="times that an export is killed, and gone on with")
    parser.add_argument("--formats", default="parquet,csv,jsonl")
    parser.add_argument("--seed", type=int, default=1, help="of the moments of the kills")
    options = parser.parse_args()
    sandbox = [*COMMAND, "sandbox", "--port", "0", "--customers", str(options.customers)]
    with subprocess.Popen(sandbox, stdout=subprocess.PIPE) as served, tempfile.TemporaryDirectory() as place:
        try:
            assert served.stdout
            printed = served.stdout.readline().decode().removeprefix("export ")
            env = os.environ | dict(pair.split("=", 1) for pair in printed.split())
            subprocess.run([*COMMAND, "customers", "--count"], env=env, check=True)  # it makes them up now
            print(ROW.format("format", "export", "exit", "kept", "seconds", "peak MB", "bytes"))
            for kind in options.formats.split(","):
                moments = random.Random(options.seed)
                export(kind, Path(place), env, customers=options.customers, kills=options.kills, moments=moments)
        finally:
            served.send_signal(signal.SIGINT)


def export(kind: str, place: Path, env: dict[str, str], *, customers: int, kills: int, moments: random.Random) -> None:
    """Export undisturbed; then again, killed at random moments; and compare."""
    whole, file = place / f"whole.{kind}", place / f"killed.{kind}"
    run(kind, "undisturbed", whole, env)
    for number, least in enumerate(sorted(moments.randrange(customers) for _ in range(kills)), 1):
        run(kind, f"kill {number} at {least:,} or more", file, env, least)
    run(kind, "resumed to the end", file, env)
    print(f"{kind:8} the same as undisturbed: {same(whole, file)}", flush=True)
    whole.unlink()
    file.unlink()


def run(kind: str, name: str, file: Path, env: dict[str, str], least: int | None = None) -> None:
    """Run one export to its end, or until so many customers are kept and it is killed; and print a line."""
    started = time.monotonic()
    process = subprocess.Popen([*COMMAND, "customers", "-o", str(file), "--resume"], env=env)
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        if least is not None and kept(file) >= least:
            process.kill()
        time.sleep(0.01)
    process.returncode = os.waitstatus_to_exitcode(status)
    there = file if file.exists() else file.with_name(f"{file.name}.part")
    print(
        ROW.format(
            kind,
            name,
            process.returncode,
            f"{kept(file):,}" if there != file else "all",
            f"{time.monotonic() - started:.1f}",
            f"{usage.ru_maxrss / 1024:.0f}",
            f"{there.stat().st_size:,}",
        ),
        flush=True,
    )


def kept(file: Path) -> int:
    """Return how many customers the last commit covers."""
    try:
        return sum(json.loads(file.with_name(f"{file.name}.part.state").read_bytes())["customers"].values())
    except FileNotFoundError:
        return 0


def same(one: Path, other: Path) -> bool:
    """Compare two files: tables for Parquet, bytes for all else.

    In a process of its own: the memory of this one would count as that of the exports it starts.
    """
    read = "parquet.read_table(file)" if one.suffix == ".parquet" else "open(file, 'rb').read()"
    code = (
        f"import sys; from pyarrow import parquet; one, other = [{read} for file in sys.argv[1:]]; print(one == other)"
    )
    done = subprocess.run([sys.executable, "-c", code, one, other], capture_output=True, text=True, check=True)
    return done.stdout == "True\n"


if __name__ == "__main__":
    main()
