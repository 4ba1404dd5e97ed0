"""Time that a crawl costs PostgreSQL, behind Django REST Framework, as the list grows."""

import json
import math
import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import mean, median
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from attrs import frozen

from benchmarks.clients import BY_HAND, PIRIOD
from benchmarks.clients.config import PAGE_SIZE, ClientConfig
from benchmarks.processes import ClientProcess, ServerProcess
from benchmarks.scenarios.request_plan import PlannedRequest, plan_requests
from benchmarks.servers.postgres import MEASURED_SETTINGS, WORKSPACE, CustomerDatabase
from tests.support.postgres import Cluster, NotInstalledError, run_postgres

TOKEN = "5eed" * 10  # as in tests/contract/reference/server.py
DEPTHS = (0.0, 0.1, 0.5, 0.99)
BATCH = 10  # requests for each reading of the database's statistics


@frozen
class Scale:
    """How much is measured."""

    crawled: Sequence[int]  # list sizes that are crawled completely
    sampled: int  # list size of which only sampled requests are sent
    ordinary: int  # ordinary requests of piriod-async to sample
    per_depth: int  # requests by page number to sample at each depth


FULL = Scale(crawled=(10_000, 100_000), sampled=1_000_000, ordinary=200, per_depth=5)
QUICK = Scale(crawled=(1_000, 4_000), sampled=40_000, ordinary=10, per_depth=1)


def measure(scale: Scale) -> dict[str, Any]:
    """Figures for each list size, or the reason why they are missing."""
    try:
        with run_postgres(MEASURED_SETTINGS) as postgres:
            sizes = {str(size): _measure_size(postgres, size, scale) for size in (*scale.crawled, scale.sampled)}
            return {"version": postgres.version, "sizes": sizes}
    except NotInstalledError as error:
        return {"skipped": str(error)}


def _measure_size(postgres: Cluster, size: int, scale: Scale) -> dict[str, Any]:
    database = CustomerDatabase.create(postgres, f"customers_{size}")
    with ServerProcess("reference_server", REFERENCE_DATABASE=json.dumps(database.django)) as server:
        database.fill(size)
        sampler = Sampler(database, ClientConfig(server.url, WORKSPACE, TOKEN))
        figures = {PIRIOD: sampler.by_created(scale.ordinary), BY_HAND: sampler.by_page_number(size, scale.per_depth)}
        if size in scale.crawled:
            for client in figures:
                figures[client] |= sampler.crawl(client)
        return figures


@frozen
class Sampler:
    """Sends requests, and reads what they cost the database. All times are seconds."""

    database: CustomerDatabase
    config: ClientConfig

    def by_created(self, ordinary: int) -> dict[str, Any]:
        """piriod-async: all its wide requests, a sample of the others, and the sum extrapolated from both."""
        plan = plan_requests(self.database.created())
        wide = [request for request in plan if request.is_wide]
        others = [request for request in plan if not request.is_wide]
        sample = random.Random(7).sample(others, min(ordinary, len(others)))
        self._send(sample[:BATCH])  # opens the connection, warms the cache
        wide_seconds = self._send(wide)
        batches = [sample[start : start + BATCH] for start in range(0, len(sample), BATCH)]
        per_request = median(self._send(batch) / len(batch) for batch in batches)
        return {
            "requests": len(plan),
            "wide requests": len(wide),
            "wide": wide_seconds,
            "ordinary": per_request,
            "computed": wide_seconds + per_request * len(others),
        }

    def by_page_number(self, size: int, per_depth: int) -> dict[str, Any]:
        """Page numbers: samples at some depths, and the sum if the cost is linear between them."""
        pages = math.ceil(size / PAGE_SIZE)
        seconds = {}
        for depth in DEPTHS:
            params = list(self.config.params(1 + int(depth * (pages - 1))).items())
            seconds[depth] = median(self._measure([params]) for _ in range(per_depth))
        means = (mean((seconds[low], seconds[high])) * (high - low) for low, high in pairwise(DEPTHS))
        return {
            "requests": pages,
            "depths": {str(depth): value for depth, value in seconds.items()},
            "computed": pages * sum(means) / DEPTHS[-1],
        }

    def crawl(self, client: str) -> dict[str, float]:
        """A complete crawl by a client."""
        with ClientProcess(client) as process:
            self.database.reset_statistics()
            wall = process.crawl(self.config).wall
            return {"measured": self.database.statement_seconds(), "wall": wall}

    def _send(self, requests: Iterable[PlannedRequest]) -> float:
        return self._measure([request.params for request in requests])

    def _measure(self, queries: Sequence[Sequence[tuple[str, Any]]]) -> float:
        """Send requests one after the other; return what they cost the database together."""
        self.database.reset_statistics()
        for query in queries:
            url = f"{self.config.base_url}/customers/?{urlencode(query)}"
            try:
                with urlopen(Request(url, headers=self.config.headers), timeout=300) as response:
                    response.read()
            except HTTPError as error:  # an anchor may be past the end, which costs a COUNT
                if error.code != 404:
                    raise
        return self.database.statement_seconds()
