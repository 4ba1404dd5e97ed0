"""The results as Markdown: a table for each question, and one of the goals."""
# ruff: noqa: RUF001  (the sign means times)

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import ceil
from statistics import median
from typing import Any

from benchmarks.clients import BARE, BY_HAND, PIRIOD
from benchmarks.clients.config import PAGE_SIZE
from benchmarks.results.goals import goals
from benchmarks.results.statistics import cpu_per_customer, growth, ratio


def render(results: Mapping[str, Any]) -> str:
    """All sections."""
    clients = results["clients"]
    sections = (
        _head(results),
        _cpu(results),
        _wall(clients["latencies"], results["customers"]),
        _memory(clients["memory"]),
        _event_loop(clients["event loop"]),
        _profile(clients["profile"]),
        _imports(clients["imports"]),
        _database(results["database"]),
        ["## Goals\n", *_table(["goal", "measured", "limit", "met"], (goal.cells for goal in goals(results)))],
    )
    return "\n".join(line for section in sections for line in section)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A Markdown table: text in its first column, numbers in the others."""
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "--:|" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _head(results: Mapping[str, Any]) -> Iterator[str]:
    yield f"# Results\n\nPrinted by `python -m benchmarks{' --quick' if results['quick'] else ''}`.\n"
    yield (
        "Each client runs in its own process, the server in another; clients take turns within a round. Compare CPU "
        "time (of the client's process, user and system): the machine is shared, so wall times mean something only "
        "beside others of the same run. Ratios are medians of the rounds' ratios.\n"
    )
    yield from _table(["machine", ""], (results["machine"] | results["runs"]).items())
    yield " · ".join(f"{name} {version}" for name, version in results["versions"].items()) + "\n"
    for name, reason in results["missing"].items():
        yield f"Without {name}: {reason}\n"


def _cpu(results: Mapping[str, Any]) -> Iterator[str]:
    clients = results["clients"]["latencies"]["none"]
    rounds = len(clients[PIRIOD]["cpu"])
    yield f"## CPU time\n\n{results['customers']:,} customers, pages of {PAGE_SIZE}; {rounds} rounds.\n"
    yield from _table(
        ["client", "µs per customer", f"× {BY_HAND}", f"× {BARE}", f"× {PIRIOD}", "requests"],
        (
            [
                name,
                f"{cpu_per_customer(results, name):.1f}",
                *(f"{ratio(figures['cpu'], clients[other]['cpu']):.2f}" for other in (BY_HAND, BARE, PIRIOD)),
                f"{median(figures['requests']):.0f}",
            ]
            for name, figures in clients.items()
        ),
    )


def _wall(latencies: Mapping[str, Any], customers: int) -> Iterator[str]:
    round_trips = 1 + ceil((ceil(customers / PAGE_SIZE) - 1) / 8)
    yield (
        "## Wall time\n\nSeconds, by the latency of each response; for 50 ms also in round trips "
        f"({round_trips} are the fewest, with eight requests at a time), and for 20 to 200 ms as a multiple of the sum "
        "of all delays / 8.\n"
    )
    none, constant, varied = latencies.values()
    yield from _table(
        ["client", *latencies, "50 ms: round trips", "20 to 200 ms: × sum of delays / 8"],
        (
            [
                name,
                *(f"{median(latency[name]['wall']):.2f}" for latency in latencies.values()),
                f"{median(constant[name]['wall']) / 0.05:.1f}",
                f"{8 * ratio(varied[name]['wall'], varied[name]['delay']):.2f}",
            ]
            for name in none
        ),
    )


def _memory(memory: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    yield "## Memory\n\nThe most that a fresh process held while it read the list, interpreter and imports included.\n"
    small, large = memory[PIRIOD]
    yield from _table(
        ["client", f"{int(small):,} customers", f"{int(large):,} customers", "ratio"],
        (
            [name, f"{peaks[small]:.1f} MiB", f"{peaks[large]:.1f} MiB", f"{peaks[large] / peaks[small]:.2f}"]
            for name, peaks in memory.items()
        ),
    )


def _event_loop(clients: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "## The event loop\n\nHow long one callback, and all callbacks of one iteration of the loop, block it while 16 "
        "requests are pending: µs of CPU time of the thread. Decoding is one page by msgspec alone.\n"
    )
    yield from _table(
        ["client", *clients[PIRIOD], "p99 × decoding"],
        (
            [
                name,
                *(f"{median(times):,.0f}" for times in columns.values()),
                f"{ratio(columns['p99'], columns['decoding']):.2f}",
            ]
            for name, columns in clients.items()
        ),
    )


def _profile(profile: Mapping[str, Any]) -> Iterator[str]:
    ours, bare = profile[PIRIOD], profile[BARE]
    yield "## Where the CPU time goes\n"
    if "skipped" in ours:
        yield f"Skipped: {ours['skipped']}\n"
        return
    yield (
        f"CPU µs of one request: {ours['total']:.0f} with {PIRIOD}, {bare['total']:.0f} with {BARE}. Sampled by py-spy "
        "with the garbage collector off; its cost is the difference to crawls with it on. Freeing a consumed page "
        f"counts where it is dropped: in `iteration.py` with {PIRIOD}, in decoding with {BARE}.\n"
    )
    modules = {
        module: (ours["modules"].get(module, 0.0), bare["modules"].get(module, 0.0))
        for module in ours["modules"] | bare["modules"]
    }
    yield from _table(
        ["where", PIRIOD, BARE, "difference"],
        (
            [module, f"{mine:.0f}", f"{other:.0f}", f"{mine - other:.0f}"]
            for module, (mine, other) in sorted(modules.items(), key=lambda item: item[1][1] - item[1][0])
        ),
    )
    yield "Functions of the package, without what they call:\n"
    yield from _table(["function", "µs"], ([f"`{name}`", f"{cost:.0f}"] for name, cost in ours["functions"].items()))


def _imports(imports: Mapping[str, Sequence[float]]) -> Iterator[str]:
    yield "## Import\n\nCPU milliseconds in a fresh interpreter.\n"
    yield from _table(["import", "ms"], ([name, f"{median(times):.0f}"] for name, times in imports.items()))


def _database(database: Mapping[str, Any]) -> Iterator[str]:
    yield "## The database\n"
    if "skipped" in database:
        yield f"Skipped: {database['skipped']}\n"
        return
    yield (
        f"`tests/contract/reference` on {database['version']}, with an index on (workspace, test_mode, created). "
        "Planning and execution, from `pg_stat_statements`. A request is wide if the server has to count or skip more "
        "than one segment of the list, else ordinary. Computed sums add up, for piriod-async, all wide requests and a "
        "sample of the ordinary ones; for page numbers, samples at four depths, linear between them.\n"
    )
    sizes = {int(size): figures for size, figures in database["sizes"].items()}
    yield from _table(
        [PIRIOD, "requests", "wide", "ordinary, each", "wide, all", "computed", "measured"],
        (
            [
                f"{size:,} customers",
                *(f"{figures[PIRIOD][key]:,}" for key in ("requests", "wide requests")),
                f"{1e3 * figures[PIRIOD]['ordinary']:.2f} ms",
                *(_seconds(figures[PIRIOD].get(key)) for key in ("wide", "computed", "measured")),
            ]
            for size, figures in sizes.items()
        ),
    )
    depths = next(iter(sizes.values()))[BY_HAND]["depths"]
    yield from _table(
        [
            f"{BY_HAND}, page numbers",
            "requests",
            *(f"at {float(depth):.0%}" for depth in depths),
            "computed",
            "measured",
        ],
        (
            [
                f"{size:,} customers",
                f"{figures[BY_HAND]['requests']:,}",
                *(f"{1e3 * seconds:.1f} ms" for seconds in figures[BY_HAND]["depths"].values()),
                *(_seconds(figures[BY_HAND].get(key)) for key in ("computed", "measured")),
            ]
            for size, figures in sizes.items()
        ),
    )
    largest = max(sizes)
    times = growth(sizes[largest][PIRIOD], sizes[largest][BY_HAND])
    yield f"At {largest:,} customers, page numbers cost the database {times:.0f} times as much (computed).\n"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f} s"
