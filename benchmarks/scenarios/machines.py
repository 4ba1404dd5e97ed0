"""Many workspaces, written as a Parquet dataset: by one process, and by the workers of a Dask cluster on this machine.

    python -m benchmarks.scenarios.machines

The workspaces of four tokens, from a server that answers after 20 ms: how long do one process, and 1, 2 and 4 workers
take; does a worker that is killed in the middle change the result; how much memory does a worker need? Then, behind a
limit for each token: how much of the limits is used?
"""

import argparse
import asyncio
import hashlib
import os
import resource
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from distributed import Client, LocalCluster

from benchmarks.processes import ServerProcess
from piriod_async import CustomerListing, PiriodSession
from piriod_async.export import write_parquet
from piriod_async.integrations.dask import DatasetReport, customers_to_parquet

TOKENS = tuple(f"BENCHMARK_TOKEN_{n}" for n in range(4))
WORKERS = (1, 2, 4)
LATENCY = "20_20"  # milliseconds
LIMITED_CUSTOMERS, LIMITED_PAGE = 1_000, 20  # of a workspace behind a limit: small pages, so that the CPU is no limit


def plan_workspaces(number: int) -> dict[str, list[str]]:
    """Return ids by token: 1, 3, 5, … customers, so that 1,000 workspaces have a million."""
    ids = [f"acc_{2 * n + 1}_{LATENCY}" for n in range(number)]
    return {token: ids[n :: len(TOKENS)] for n, token in enumerate(TOKENS)}


@contextmanager
def cluster(workers: int) -> Iterator[Client]:
    """Workers with an event loop each, in processes of their own."""
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as local,
        Client(local) as client,
    ):
        yield client


def peak_memory() -> int:
    """The most memory that the process held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def digest(folder: Path) -> str:
    """Return a digest of all ids and values, by workspace."""
    total = hashlib.sha256()
    for file in sorted(folder.glob("*/customers.parquet")):
        table = pq.read_table(file, partitioning=None).replace_schema_metadata().combine_chunks()
        total.update(file.parent.name.encode())
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        total.update(sink.getvalue())
    return total.hexdigest()


def count_ids(folder: Path) -> int:
    """Return how many different customers the workspaces have."""
    files = folder.glob("*/customers.parquet")
    return sum(len(set(pq.read_table(file, partitioning=None, columns=["id"])["id"].to_pylist())) for file in files)


async def write_in_one_process(url: str, ids: dict[str, list[str]], folder: Path) -> None:
    async def write(listing: CustomerListing) -> None:
        partition = folder / f"workspace={listing.workspace}"
        await asyncio.to_thread(partition.mkdir)
        await write_parquet(listing, partition / "customers.parquet")

    async with PiriodSession("t0ken", base_url=url) as piriod:
        workspaces = [workspace for some in ids.values() for workspace in some]
        await piriod.across(workspaces).for_each(write)


def kill_a_worker(client: Client, folder: Path, files: int) -> None:
    """Kill a worker once there are so many files."""
    while len(list(folder.glob("*/customers.parquet"))) < files:
        time.sleep(0.05)
    os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)


def measure_workers(ids: dict[str, list[str]], folder: Path, workers: int) -> str:
    """Write the dataset, print a line, and return the digest."""
    with cluster(workers) as client:
        tenth = {token: some[::10] for token, some in ids.items()}
        customers_to_parquet(tenth, folder / "warm-up", client=client)
        early = max(client.run(peak_memory).values())
        report = customers_to_parquet(ids, folder / str(workers), client=client)
        memory = max(client.run(peak_memory).values())
    show(f"{workers} workers", report, f"peak memory of a worker {early} MiB after a tenth, {memory} MiB at the end")
    return digest(folder / str(workers))


def measure_kill(ids: dict[str, list[str]], folder: Path) -> str:
    """Write the dataset while a worker is killed, print a line, and return the digest."""
    target = folder / "killed"
    with cluster(2) as client:
        files = sum(map(len, ids.values())) // 2
        killer = threading.Thread(target=kill_a_worker, args=(client, target, files))
        killer.start()
        report = customers_to_parquet(ids, target, client=client)
        killer.join()
    show("2 workers, one killed", report, f"{count_ids(target):,} different customers")
    return digest(target)


def measure_limit(folder: Path, limit: float, seconds: float, workers: int) -> None:
    """Read for about so long behind a limit for each token, and print the share of the limits that was used."""
    number = int(limit * seconds / (LIMITED_CUSTOMERS // LIMITED_PAGE))
    ids = {token: [f"acc_{LIMITED_CUSTOMERS}_{LATENCY}_{n}{token[-1]}" for n in range(number)] for token in TOKENS}
    with cluster(workers) as client:
        target = folder / f"limited-{workers}"
        report = customers_to_parquet(ids, target, client=client, requests_per_second=limit, page_size=LIMITED_PAGE)
    share = (report.requests - report.throttled) / report.seconds / (limit * len(TOKENS))
    throttled = report.throttled / report.requests
    show(f"{workers} workers, limits", report, f"{share:.0%} of the sum of the limits, {throttled:.2%} are 429")


def show(name: str, report: DatasetReport, more: str) -> None:
    assert not report.errors
    print(f"{name}: {report}; {more}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspaces", type=int, default=1_000)
    parser.add_argument("--limit", type=int, default=50, help="requests per second for each token")
    parser.add_argument("--seconds", type=float, default=30, help="duration behind the limits")
    options = parser.parse_args()
    ids = plan_workspaces(options.workspaces)
    largest = str(max(2 * options.workspaces, LIMITED_CUSTOMERS))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ.update({token: f"t0ken-{n}" for n, token in enumerate(TOKENS)})
        with serving(largest) as server:
            started = time.monotonic()
            (folder / "alone").mkdir()
            asyncio.run(write_in_one_process(server.url, ids, folder / "alone"))
            customers = options.workspaces**2
            print(f"one process: {customers:,} customers in {time.monotonic() - started:.1f} s", flush=True)
            digests = {"one process": digest(folder / "alone")}
            digests |= {f"{workers} workers": measure_workers(ids, folder, workers) for workers in WORKERS}
            digests["killed"] = measure_kill(ids, folder)
        print(f"the results are {'the same' if len(set(digests.values())) == 1 else f'different: {digests}'}")
        with serving(largest, str(options.limit)):
            for workers in WORKERS:
                measure_limit(folder, options.limit, options.seconds, workers)


@contextmanager
def serving(*arguments: str) -> Iterator[ServerProcess]:
    """Serve, and point the workers there."""
    with ServerProcess("static_server", *arguments) as server:
        os.environ["PIRIOD_BASE_URL"] = server.url
        yield server


if __name__ == "__main__":
    main()
