"""How many living, untouched customers a copy loses while the list changes: the mirror, and dlt's REST source.

    python -m benchmarks.scenarios.mirror_removals --loads 8

Every other request something changes: a customer is created, edited or deleted. Needs the extra `test`.
"""

import argparse
import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import dlt
from attrs import define
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.sources.rest_api import rest_api_resources

from piriod_async.integrations.dlt import customers as piriod_customers
from piriod_async.mirror import Mirror
from piriod_async.testing import MockServer, Mutations

Load: TypeAlias = Callable[[], set[str]]
"""Brings a copy up to date, and returns the ids of the customers in it, or raises a `LoadFailedError`."""
REPLACE, SCD2 = "replace", {"disposition": "merge", "strategy": "scd2"}
CURRENT = {"replace": "SELECT id FROM customers", "scd2": "SELECT id FROM customers WHERE _dlt_valid_to IS NULL"}
COLUMNS = ("copy", "loads", "failed", "wrong", "wrongly removed", "gone but kept", "changes", "requests")
ROW = "{:28} {:>5} {:>6} {:>5} {:>15} {:>13} {:>7} {:>8}"


class LoadFailedError(Exception):
    """A load failed, and changed nothing."""


def load_mirror(server: MockServer, folder: Path) -> Load:
    """Our mirror, in SQLite."""
    file = folder / "mirror.db"

    async def sync() -> None:
        async with server.session() as piriod, Mirror(file) as mirror:
            await mirror.sync(piriod.customers())

    def load() -> set[str]:
        asyncio.run(sync())
        connection = sqlite3.connect(file)
        try:
            return {id_ for (id_,) in connection.execute("SELECT id FROM customers")}
        finally:
            connection.close()

    return load


def load_dlt(make_resource: Callable[[MockServer], Any], disposition: Any) -> Callable[[MockServer, Path], Load]:
    """A dlt resource, in DuckDB."""

    def loader(server: MockServer, folder: Path) -> Load:
        destination = dlt.destinations.duckdb(str(folder / "dlt.duckdb"))
        pipeline = dlt.pipeline("customers", pipelines_dir=str(folder), destination=destination, dataset_name="piriod")

        def load() -> set[str]:
            try:
                pipeline.run(make_resource(server), write_disposition=disposition)
            except PipelineStepFailed as error:
                raise LoadFailedError from error
            with pipeline.sql_client() as client:
                rows = client.execute_sql(CURRENT["replace" if disposition == REPLACE else "scd2"])
            return {id_ for (id_,) in rows or ()}

        return load

    return loader


def rest_source(server: MockServer) -> Any:
    """The list as its documentation has dlt's REST source read it: in order, page after page."""
    headers = {"Authorization": f"Token {server.token}", "x-simple-workspace": server.workspace}
    endpoint = {
        "path": "customers/",
        "params": {"ordering": "created", "page_size": 100},
        "data_selector": "results",
        "paginator": {"type": "json_link", "next_url_path": "next"},
    }
    return rest_api_resources(
        {
            "client": {"base_url": f"{server.url}/", "headers": headers},
            "resources": [{"name": "customers", "primary_key": "id", "endpoint": endpoint}],  # type: ignore[list-item]
        }
    )


def our_resource(server: MockServer) -> Any:
    return piriod_customers(server.session())


LOADERS = {
    "piriod-async, Mirror": load_mirror,
    "piriod-async in dlt, replace": load_dlt(our_resource, REPLACE),
    "piriod-async in dlt, scd2": load_dlt(our_resource, SCD2),
    "dlt REST source, replace": load_dlt(rest_source, REPLACE),
    "dlt REST source, scd2": load_dlt(rest_source, SCD2),
}


@define
class Tally:
    """The customers that some loads lost, or kept wrongly, among those who did not change meanwhile.

    Attributes:
        loads: Number of loads.
        failed: Loads that failed: the last page was gone when they asked for it.
        wrong: Loads after which the copy lacked a living customer, or had one who was gone before the load.
        removed: Living customers that the copy lacked.
        kept: Customers gone before the load that the copy had.
        changes: Changes of the list during the loads that succeeded.
        requests: Requests of these.
    """

    loads: int = 0
    failed: int = 0
    wrong: int = 0
    removed: int = 0
    kept: int = 0
    changes: int = 0
    requests: int = 0

    def add(self, server: MockServer, load: Load) -> None:
        """Load, and compare the copy with the list."""
        server.changes.clear()
        server.requests.clear()
        before = {customer["id"] for customer in server.customers()}
        self.loads += 1
        try:
            copy = load()
        except LoadFailedError:
            self.failed += 1
            return
        touched = {change.id for change in server.changes}
        removed, kept = before - touched - copy, copy - before - touched
        self.wrong += bool(removed or kept)
        self.removed += len(removed)
        self.kept += len(kept)
        self.changes += len(server.changes)
        self.requests += len(server.requests)


def measure(tally: Tally, name: str, seed: int, *, loads: int, customers: int, rate: float) -> None:
    """Load a moving list several times into one copy."""
    moving = MockServer(customers, seed=seed, mutations=Mutations(rate=rate))
    with moving as server, tempfile.TemporaryDirectory() as folder:
        load = LOADERS[name](server, Path(folder))
        for _ in range(loads):
            tally.add(server, load)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loads", type=int, default=8, help="loads of each copy, of each list")
    parser.add_argument("--lists", type=int, default=2, help="moving lists, each loaded into copies of its own")
    parser.add_argument("--customers", type=int, default=2_000)
    parser.add_argument("--rate", type=float, default=0.5, help="changes before each response")
    options = parser.parse_args()
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}
    print(ROW.format(*COLUMNS))
    for name in LOADERS:
        tally = Tally()
        for seed in range(options.lists):
            measure(tally, name, seed, loads=options.loads, customers=options.customers, rate=options.rate)
        requests = f"{tally.requests / (tally.loads - tally.failed):.0f}"
        row = (name, tally.loads, tally.failed, tally.wrong, tally.removed, tally.kept, tally.changes, requests)
        print(ROW.format(*row), flush=True)


if __name__ == "__main__":
    main()
