"""What we set out to reach, and whether it was."""
# ruff: noqa: RUF001  (the sign means times)

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from benchmarks.clients import FLOOR, OURS, WINDOW
from benchmarks.database import growth
from benchmarks.measure import FEW, MANY, above_floor, middle, ratio


@frozen
class Verdict:
    """One target.

    Attributes:
        target: What was to be.
        measured: What is.
        limit: What it may be at most.
        unit: Of both.
    """

    target: str
    measured: float
    limit: float
    unit: str = ""

    def shown(self, value: float) -> str:
        return f"{value:,.0f} {self.unit}" if value >= 100 else f"{value:.3g} {self.unit}"

    @property
    def met(self) -> bool:
        return self.measured <= self.limit


def verdicts(results: Mapping[str, Any]) -> Iterator[Verdict]:
    clients = results["clients"]
    still = clients["delays"]["0"]
    ours = still[OURS]
    yield Verdict("CPU per customer, × aiohttp + msgspec", ratio(ours, still[FLOOR]), 1.25, "×")
    for name, limit in (
        ("httpx + pydantic", 1 / 2.5),
        ("openapi-python-client", 1 / 4),
        ("openapi-generator, asyncio", 1 / 4),
    ):
        if name in still:
            yield Verdict(f"CPU per customer, × {name}, 8 at a time", ratio(ours, still[name]), limit, "×")
    yield Verdict("CPU of one request above the floor's", above_floor(still), 120, "µs")

    constant = clients["delays"]["50 ms"]
    limit = 1.10 * middle(constant[WINDOW], "wall") + 3 * 0.05
    yield Verdict(
        "wall time at 50 ms (at most 1.10 × the window + 3 trips)", middle(constant[OURS], "wall"), limit, "s"
    )
    varied = clients["delays"]["20 to 200 ms"][OURS]
    yield Verdict(
        "wall time at 20 to 200 ms (at most 1.25 × the sum of delays / 8)",
        middle(varied, "wall"),
        1.25 * middle(varied, "delay") / 8,
        "s",
    )
    memory = clients["memory"][OURS]
    yield Verdict(f"peak memory, {MANY:,} customers × {FEW:,}", memory[str(MANY)] / memory[str(FEW)], 1.10, "×")
    hold = clients["hold"][OURS]
    yield Verdict("loop hold, p99 × one page's decoding", ratio_within(hold, "p99", "decoding"), 2, "×")
    yield from _database(results["database"])


def ratio_within(rounds: list[dict[str, float]], over: str, under: str) -> float:
    return middle([{"ratio": each[over] / each[under]} for each in rounds], "ratio")


def _database(database: Mapping[str, Any]) -> Iterator[Verdict]:
    if "skipped" in database:
        return
    sizes = {int(size): figures["ours"] for size, figures in database["sizes"].items()}
    small, middling, large = sorted(sizes)
    yield Verdict(
        f"database time of an ordinary request, {large:,} customers × {small:,}",
        sizes[large]["ordinary, each"] / sizes[small]["ordinary, each"],
        2,
        "×",
    )
    yield Verdict(
        f"database time of a whole crawl (computed), {large:,} customers × {middling:,}",
        growth(sizes[middling], sizes[large]),
        15,
        "×",
    )
