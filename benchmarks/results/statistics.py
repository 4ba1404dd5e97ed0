"""Statistics over the rounds of a measurement."""

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any


def ratio(numerators: Iterable[float], denominators: Iterable[float]) -> float:
    """The median of the rounds' ratios: what slows a round slows both."""
    return float(median(above / below for above, below in zip(numerators, denominators, strict=True)))


def cpu_per_customer(results: Mapping[str, Any], client: str) -> float:
    """Median CPU µs per customer, without latency."""
    return 1e6 * float(median(results["clients"]["latencies"]["none"][client]["cpu"])) / float(results["customers"])


def growth(small: Mapping[str, Any], large: Mapping[str, Any]) -> float:
    """How many times the database time of a crawl grows from one list, or client, to another (computed sums)."""
    return float(large["computed"] / small["computed"])
