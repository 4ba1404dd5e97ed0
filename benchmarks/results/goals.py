"""The goals, and whether the results meet them."""
# ruff: noqa: RUF001  (the sign means times)

from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

from attrs import frozen

from benchmarks.clients import BARE, BY_HAND, PIRIOD
from benchmarks.results.statistics import growth, ratio

CPU_LIMITS = {
    BY_HAND: 1.25,
    BARE: 1.4,
    "httpx + pydantic": 0.33,
    "openapi-python-client": 0.23,
    "openapi-generator": 0.25,
}


@frozen
class Goal:
    """One goal: a measured value that must not exceed a limit, both in the same unit."""

    name: str
    measured: float
    limit: float
    unit: str = "×"

    @property
    def is_met(self) -> bool:
        return self.measured <= self.limit

    @property
    def cells(self) -> list[str]:
        """The goal as a row of a table."""
        values = (f"{value:.3g} {self.unit}" for value in (self.measured, self.limit))
        return [self.name, *values, "yes" if self.is_met else "**no**"]


def goals(results: Mapping[str, Any]) -> Iterator[Goal]:
    """The goals of everything that was measured."""
    latencies, memory = (results["clients"][part] for part in ("latencies", "memory"))
    for name, limit in CPU_LIMITS.items():
        if name in latencies["none"]:
            cpu = ratio(latencies["none"][PIRIOD]["cpu"], latencies["none"][name]["cpu"])
            yield Goal(f"CPU per customer, × {name}", cpu, limit)
    constant, varied = latencies["50 ms"], latencies["20 to 200 ms"][PIRIOD]
    yield Goal(
        "wall time at 50 ms (limit: by hand + 3 round trips)",
        median(constant[PIRIOD]["wall"]),
        median(constant[BY_HAND]["wall"]) + 3 * 0.05,
        "s",
    )
    yield Goal("wall time at 20 to 200 ms, × sum of delays / 8", 8 * ratio(varied["wall"], varied["delay"]), 1.10)
    (small, small_peak), (large, large_peak) = memory[PIRIOD].items()
    yield Goal(f"peak memory, {int(large):,} × {int(small):,} customers", large_peak / small_peak, 1.10)
    loop = results["clients"]["event loop"][PIRIOD]
    yield Goal("p99 of a callback, × the decoding of one page", ratio(loop["p99"], loop["decoding"]), 2)
    if "skipped" in results["database"]:
        return
    sizes = {int(size): figures[PIRIOD] for size, figures in results["database"]["sizes"].items()}
    short, middle, long = sorted(sizes)
    ordinary = sizes[long]["ordinary"] / sizes[short]["ordinary"]
    yield Goal(f"database time of an ordinary request, {long:,} × {short:,} customers", ordinary, 2)
    crawl = growth(sizes[middle], sizes[long])
    yield Goal(f"database time of a crawl (computed), {long:,} × {middle:,} customers", crawl, 15)
