"""The figures as Markdown: a table for each question, and one of the targets."""
# ruff: noqa: RUF001  (the sign means times)

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import log
from typing import Any

from benchmarks import samples
from benchmarks.clients import FLOOR, OURS
from benchmarks.database import DEPTHS, growth
from benchmarks.measure import FEW, MANY, above_floor, ideal_trips, middle, ratio
from benchmarks.targets import ratio_within, verdicts


def report(results: Mapping[str, Any]) -> str:
    return "\n".join([*_head(results), *_clients(results), *_database(results["database"]), *_targets(results)])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A Markdown table; its first column is text, the others are figures."""
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "--:|" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _head(results: Mapping[str, Any]) -> Iterator[str]:
    quick = ", quick" if results["quick"] else ""
    yield f"# Figures\n\nPrinted by `python -m benchmarks{' --quick' if quick else ''}`{quick and ' (few rounds)'}.\n"
    yield (
        "Each client runs in a process of its own, the server in another, and they take turns round by round. The "
        "machine is busy with other people's work as well: CPU time (of the client's process, user and system) is what "
        "to go by, wall times only beside another of the same run. Ratios are the median of the rounds' ratios.\n"
    )
    took = results["took database"] | results["took clients"]
    yield from table(["machine", ""], (results["machine"] | took).items())
    yield " · ".join(f"{name} {version}" for name, version in results["versions"].items()) + "\n"
    for name, reason in results["missing"].items():
        yield f"Without {name}: {reason}\n"


def _clients(results: Mapping[str, Any]) -> Iterator[str]:
    clients, customers = results["clients"], results["customers"]
    still = clients["delays"]["0"]
    yield f"## CPU time\n\n{customers:,} customers, pages of 100; {len(still[OURS])} rounds.\n"
    yield from table(
        ["client", "µs per customer", "× the floor", "× ours", "requests", "µs per request above the floor"],
        (
            [
                name,
                f"{1e6 * middle(rounds, 'cpu') / customers:.1f}",
                f"{ratio(rounds, still[FLOOR]):.2f}",
                f"{ratio(rounds, still[OURS]):.2f}",
                f"{middle(rounds, 'requests'):.0f}",
                f"{above_floor(still, name):.0f}",
            ]
            for name, rounds in still.items()
        ),
    )
    yield "## Customers per second\n\nWith this delay of each answer.\n"
    delays = clients["delays"]
    yield from table(
        ["client", *delays],
        (
            [name, *(f"{customers / middle(delays[delay][name], 'wall'):,.0f}" if delays[delay].get(name) else ""
                     for delay in delays)]
            for name in still
        ),
    )  # fmt: skip
    yield "## Wall time\n"
    yield (
        "In round trips of 50 ms, and in times of what could not be faster: the sum of all delays, eight at a time. "
        f"{ideal_trips(customers)} trips are ideal for eight at a time.\n"
    )
    constant, varied = delays["50 ms"], delays["20 to 200 ms"]
    yield from table(
        ["client", "50 ms: seconds", "round trips", "20 to 200 ms: seconds", "× sum of delays / 8"],
        (
            [
                name,
                f"{middle(constant[name], 'wall'):.2f}",
                f"{middle(constant[name], 'wall') / 0.05:.1f}",
                f"{middle(varied[name], 'wall'):.2f}" if varied.get(name) else "",
                f"{8 * ratio_within(varied[name], 'wall', 'delay'):.2f}" if varied.get(name) else "",
            ]
            for name in still
            if constant.get(name)
        ),
    )
    yield "## Memory\n\nThe most a fresh process held while it streamed the list, interpreter and imports included.\n"
    yield from table(
        ["client", f"{FEW:,} customers", f"{MANY:,} customers", "ratio"],
        (
            [name, *(f"{peak:.1f} MiB" for peak in peaks.values()), f"{peaks[str(MANY)] / peaks[str(FEW)]:.2f}"]
            for name, peaks in clients["memory"].items()
        ),
    )
    yield (
        "## The event loop\n\nHow long one callback, and one turn of the loop, holds it: µs of the thread's CPU time, "
        "garbage frozen. Beside it the decoding of one page by msgspec alone.\n"
    )
    columns = ["p50", "p99", "longest", "turn p99", "longest turn", "decoding"]
    yield from table(
        ["client", *columns, "p99 × decoding"],
        (
            [
                name,
                *(f"{middle(each, column):.0f}" for column in columns),
                f"{ratio_within(each, 'p99', 'decoding'):.2f}",
            ]
            for name, each in clients["hold"].items()
        ),
    )
    yield from _profile(clients["profile"])
    yield "## Import\n\nCPU milliseconds in a fresh interpreter.\n"
    yield from table(
        ["import", "ms"], ([name, f"{sorted(each)[len(each) // 2]:.0f}"] for name, each in clients["imports"].items())
    )


def _profile(profile: Mapping[str, Any]) -> Iterator[str]:
    yield "## What ours spends above the floor\n"
    if "skipped" in profile:
        yield f"Skipped: {profile['skipped']}\n"
        return
    yield (
        f"CPU µs of one request: {profile[OURS]['all']:.0f} of ours, {profile[FLOOR]['all']:.0f} of the floor. Sampled "
        "by py-spy with the garbage collector off; what that costs is the difference to crawls with it on. Much of "
        "`listing.py` is freeing the page that was consumed, which the floor does where it decodes.\n"
    )
    rooms = samples.rooms(profile)
    yield from table(
        ["where", "ours", "the floor", "difference"],
        ([room, f"{ours:.0f}", f"{floor:.0f}", f"{ours - floor:.0f}"] for room, (ours, floor) in rooms.items()),
    )
    mine = {name: cost for name, cost in profile[OURS]["functions"].items() if "piriod_async/" in name}
    yield "Our own functions, the dearest first, without what they call:\n"
    yield from table(["function", "µs"], ([f"`{name}`", f"{cost:.0f}"] for name, cost in list(mine.items())[:20]))


def _database(database: Mapping[str, Any]) -> Iterator[str]:
    yield "## The database\n"
    if "skipped" in database:
        yield f"Skipped: {database['skipped']}\n"
        return
    yield (
        f"`tests/reference` on {database['version']}, an index on (workspace, test_mode, created); planning and "
        "execution by `pg_stat_statements`. Ordinary is a request of ours that counts and skips within a part of the "
        "list, wide one that does so beyond. *Computed* sums are all wide requests and a sample of the ordinary; of "
        "the plain crawl, samples at four depths with straight lines between.\n"
    )
    sizes = {int(size): figures for size, figures in database["sizes"].items()}
    yield from table(
        ["customers", "requests", "wide", "ordinary, each", "wide, all", "whole crawl, computed", "measured"],
        (
            [
                f"{size:,}, {OURS}",
                f"{ours['requests']:,}",
                f"{ours['wide requests']:,}",
                f"{1e3 * ours['ordinary, each']:.2f} ms",
                f"{ours['wide, all']:.2f} s",
                f"{ours['computed']:.2f} s",
                _measured(ours),
            ]
            for size, ours in ((size, figures["ours"]) for size, figures in sizes.items())
        ),
    )
    yield from table(
        ["customers", "requests", *(f"at {depth:.0%}" for depth in DEPTHS), "whole crawl, computed", "measured"],
        (
            [
                f"{size:,}, plain",
                f"{plain['requests']:,}",
                *(f"{1e3 * seconds:.1f} ms" for seconds in plain["depths"].values()),
                f"{plain['computed']:.1f} s",
                _measured(plain),
            ]
            for size, plain in ((size, figures["plain"]) for size, figures in sizes.items())
        ),
    )
    small, middling, large = sorted(sizes)
    yield (
        "The power of the list's size that a whole crawl's cost grows with (1 is in proportion, 2 is the square), by "
        "the computed sums:\n"
    )
    yield from table(
        ["crawl", f"{small:,} to {middling:,}", f"{middling:,} to {large:,}"],
        (
            [
                crawl,
                _power(sizes[small][crawl], sizes[middling][crawl], middling / small),
                _power(sizes[middling][crawl], sizes[large][crawl], large / middling),
            ]
            for crawl in ("ours", "plain")
        ),
    )
    times = growth(sizes[large]["ours"], sizes[large]["plain"])
    yield f"At {large:,} customers the plain crawl costs the database {times:.0f} times what ours does (computed).\n"


def _power(small: Mapping[str, Any], large: Mapping[str, Any], times: float) -> str:
    return f"{log(growth(small, large), times):.2f}"


def _measured(crawl: Mapping[str, Any]) -> str:
    return f"{crawl['measured']:.2f} s" if "measured" in crawl else ""


def _targets(results: Mapping[str, Any]) -> Iterator[str]:
    yield "## Targets\n"
    yield from table(
        ["target", "measured", "at most", "met"],
        (
            [
                each.target,
                each.shown(each.measured),
                each.shown(each.limit),
                "yes" if each.met else "**no**",
            ]
            for each in verdicts(results)
        ),
    )
