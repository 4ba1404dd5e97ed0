"""Cost of a sync of the mirror, on SQLite and PostgreSQL, beside a crawl that keeps nothing.

    python -m benchmarks.scenarios.mirror_costs --customers 20000 200000

A static server serves the list; each sync has a process of its own. The time of PostgreSQL's server is a column of its
own. Needs the extra `test`; without PostgreSQL (`apt-get install postgresql`), its part is left out.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import msgspec
import psycopg
from attrs import frozen

from benchmarks.clients.mirror_worker import SyncCost
from benchmarks.processes import Process, ServerProcess
from piriod_async.mirror import Mirror
from piriod_async.testing import MockServer
from tests.support.postgres import Cluster, NotInstalledError, run_postgres

COLUMNS = ("database", "sync", "µs CPU", "x crawl", "µs server", "s", "MiB", "MB disk", "B/customer", "requests")
ROW = "{:10} {:9} {:>6} {:>7} {:>9} {:>5} {:>5} {:>7} {:>10} {:>8}  {}"


@frozen
class Database:
    """Where a mirror is.

    Attributes:
        name: Of the program.
        address: As `Mirror` takes it; None to crawl without a mirror.
        disk: Returns how many bytes it takes.
        server_seconds: Returns how many seconds of CPU time its server has taken.
    """

    name: str
    address: str | None
    disk: Callable[[], int] = int
    server_seconds: Callable[[], float] = float


@contextmanager
def sqlite_database() -> Iterator[Database]:
    """A file, with its log."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "customers.db"
        yield Database("SQLite", str(file), lambda: sum(each.stat().st_size for each in file.parent.iterdir()))


@contextmanager
def postgres_database(cluster: Cluster) -> Iterator[Database]:
    """A database, without what an empty one takes."""

    def disk() -> int:
        with psycopg.connect(address) as connection:
            row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        return row[0] if row else 0

    def server_seconds() -> float:
        """Of the connections that have ended, that is."""
        pid = (cluster.folder / "data" / "postmaster.pid").read_text(encoding="ascii").split()[0]
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    with cluster.temporary_database() as address:
        empty = disk()
        yield Database("PostgreSQL", address, lambda: disk() - empty, server_seconds)


@frozen
class Measurement:
    """Syncs of a list of one size into one database.

    Attributes:
        server: The static server.
        customers: Length of the list.
        database: Where the mirror is.
        rounds: How often what changes nothing is repeated.
    """

    server: ServerProcess
    customers: int
    database: Database
    rounds: int

    def print_all(self) -> None:
        """Measure the first sync, unchanged ones, and one of a list of which 1 % changed."""
        self.print_row("first", 1)
        self.print_row("unchanged", self.rounds)
        self.server.change()
        self.print_row("changed", 1)

    def print_row(self, label: str, rounds: int) -> None:
        """Sync some times, each after a crawl without a mirror, and print the medians."""
        costs, ratios = [], []
        server_seconds = self.database.server_seconds()
        for _ in range(rounds):
            crawl = self._run()
            costs.append(self._run(self.database.address) if self.database.address else crawl)
            ratios.append(costs[-1].cpu / crawl.cpu)
        server_seconds = (self.database.server_seconds() - server_seconds) / rounds
        cpu, disk = median(cost.cpu for cost in costs), self.database.disk()
        row = (
            *(self.database.name, label, f"{cpu / self.customers * 1e6:.0f}", f"{median(ratios):.2f}"),
            *(f"{server_seconds / self.customers * 1e6:.0f}", f"{median(cost.wall for cost in costs):.1f}"),
            *(f"{max(cost.peak for cost in costs):.0f}", f"{disk / 1e6:.1f}", f"{disk / self.customers:.0f}"),
            *(costs[-1].requests, costs[-1].result),
        )
        print(ROW.format(*row), flush=True)

    def _run(self, *address: str) -> SyncCost:
        with Process("clients.mirror_worker", self.server.url, f"acc_{self.customers}", *address) as process:
            return msgspec.json.decode(process.read_line(), type=SyncCost)


async def print_quick(database: Database, customers: int, changed: int) -> None:
    """Print the outcome of a quick sync of a list in which some customers have changed."""
    with MockServer(customers) as server:
        async with server.session() as piriod, Mirror(str(database.address)) as mirror:
            await mirror.sync(piriod.customers())
            for customer in server.customers()[:: customers // changed][:changed]:
                server.update(customer["id"], name="Ñandú SpA")
            sync = await mirror.sync(piriod.customers(), quick=True)
    print(f"{database.name}: quick sync of {customers:,}, of whom {changed} changed: {sync}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--rounds", type=int, default=3, help="crawls and unchanged syncs, of which the median counts")
    options = parser.parse_args()
    with ExitStack() as stack:
        databases = [sqlite_database]
        try:
            cluster = stack.enter_context(run_postgres())
            databases.append(lambda: postgres_database(cluster))
        except NotInstalledError as error:
            print(f"PostgreSQL is left out: {error}")
        server = stack.enter_context(ServerProcess("static_server", str(max(options.customers))))
        for customers in options.customers:
            print(f"\n{customers:,} customers: µs and bytes are for each\n{ROW.format(*COLUMNS, 'result')}")
            Measurement(server, customers, Database("none", None), options.rounds).print_row("crawl", options.rounds)
            for make_database in databases:
                with make_database() as database:
                    Measurement(server, customers, database, options.rounds).print_all()
        print()
        for make_database in databases:
            with make_database() as database:
                asyncio.run(print_quick(database, customers=20_000, changed=20))


if __name__ == "__main__":
    main()
