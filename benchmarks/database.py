"""What a crawl costs the database behind the framework, as the list grows."""

import json
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import mean, median
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

from attrs import frozen

from benchmarks.plan import Planned, planned
from benchmarks.postgres import WORKSPACE, Cluster, MissingError, cluster
from benchmarks.processes import ClientProcess, ServerProcess, get
from benchmarks.target import PAGE_SIZE, Target

TOKEN = "5eed" * 10  # as tests/reference/server.py has it
DEPTHS = (0.0, 0.1, 0.5, 0.99)
BATCH = 10  # requests between two looks at the database's clock
CRAWLS = {"ours": "ours", "plain": "plain bounded window"}


@frozen
class Scale:
    """How much is asked.

    Attributes:
        whole: Sizes whose lists are crawled from one end to the other.
        sampled: The size of which only samples are asked.
        ordinary: How many ordinary requests of ours are sampled.
        deep: How many requests of the plain crawl are sampled at each depth.
    """

    whole: Sequence[int]
    sampled: int
    ordinary: int
    deep: int


def measure(scale: Scale) -> dict[str, Any]:
    """The figures for every size, or why there are none."""
    try:
        with cluster() as postgres:
            sizes = {str(size): _size(postgres, size, scale) for size in (*scale.whole, scale.sampled)}
            return {"version": postgres.version, "sizes": sizes}
    except MissingError as error:
        return {"skipped": str(error)}


def _size(postgres: Cluster, size: int, scale: Scale) -> dict[str, Any]:
    name = f"customers_{size}"
    postgres.create(name)
    with ServerProcess("framework", REFERENCE_DATABASE=json.dumps(postgres.django(name))) as server:
        postgres.fill(name, size)
        sampler = Sampler(postgres, name, Target(server.url, WORKSPACE, TOKEN))
        figures = {"ours": sampler.ours(scale.ordinary), "plain": sampler.plain(size, scale.deep)}
        if size in scale.whole:
            for crawl, client in CRAWLS.items():
                figures[crawl] |= sampler.whole(client)
        return figures


@frozen
class Sampler:
    """Asks one server, and its database what that cost. Seconds everywhere."""

    postgres: Cluster
    name: str
    target: Target

    def ours(self, ordinary: int) -> dict[str, Any]:
        """All wide requests of a crawl, a sample of the others, and the sum for all of them."""
        plan = planned(self.postgres.created(self.name))
        wide = [each for each in plan if each.wide]
        others = [each for each in plan if not each.wide]
        sample = random.Random(7).sample(others, min(ordinary, len(others)))
        self._ask(sample[:BATCH])  # the connection, the cache
        wide_total = self._ask(wide)
        each = median(self._ask(batch) / len(batch) for batch in _batches(sample))
        return {
            "requests": len(plan),
            "wide requests": len(wide),
            "wide, all": wide_total,
            "ordinary, each": each,
            "computed": wide_total + each * len(others),
        }

    def plain(self, size: int, deep: int) -> dict[str, Any]:
        """Requests of the plain crawl at some depths, and the sum for all if it grows evenly between them."""
        pages = math.ceil(size / PAGE_SIZE)
        at = {}
        for depth in DEPTHS:
            first = 1 + int(depth * (pages - 1))
            params = self.target.params(first)
            at[depth] = median(self._send([list(params.items())]) for _ in range(deep))
        means = (mean((at[low], at[high])) * (high - low) for low, high in pairwise(DEPTHS))
        return {"requests": pages, "depths": {str(depth): seconds for depth, seconds in at.items()}} | {
            "computed": pages * sum(means) / DEPTHS[-1]
        }

    def whole(self, client: str) -> dict[str, float]:
        """A crawl from one end to the other."""
        with ClientProcess(client) as process:
            self.postgres.forget(self.name)
            figures = process.crawl(self.target)
            return {"measured": self.postgres.spent(self.name), "wall": figures.wall, "customers": figures.customers}

    def _ask(self, requests: Iterable[Planned]) -> float:
        return self._send([each.params for each in requests])

    def _send(self, queries: Sequence[Sequence[tuple[str, Any]]]) -> float:
        """Send requests one after the other, and return what they cost the database together."""
        self.postgres.forget(self.name)
        for query in queries:
            try:
                get(f"{self.target.url}/customers/?{urlencode(query)}", self.target.headers)
            except HTTPError as error:  # an anchor may be past the end; that costs a COUNT
                if error.code != 404:
                    raise
        return self.postgres.spent(self.name)


def _batches(requests: Sequence[Planned]) -> Iterable[Sequence[Planned]]:
    return (requests[start : start + BATCH] for start in range(0, len(requests), BATCH))


def growth(small: Mapping[str, Any], large: Mapping[str, Any]) -> float:
    """How many times as much a whole crawl of the larger list costs; both computed, for like is held against like."""
    times: float = large["computed"] / small["computed"]
    return times
