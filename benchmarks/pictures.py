"""The pictures of the README."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.clients import OURS
from benchmarks.measure import middle

mpl.use("svg")
from matplotlib import pyplot as plt

OUR_BLUE, GREY = "#2563eb", "#9ca3af"
STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "piriod-async", "font.size": 9, "axes.spines.top": False,
         "axes.spines.right": False}  # fmt: skip


def draw(results: Mapping[str, Any], folder: Path) -> None:
    with mpl.rc_context():
        mpl.rcParams.update(STYLE)
        _cpu(results, folder / "cpu.svg")
        if "sizes" in results["database"]:
            _growth(results["database"]["sizes"], folder / "database.svg")


def _cpu(results: Mapping[str, Any], path: Path) -> None:
    still = results["clients"]["delays"]["0"]
    costs = {name: 1e6 * middle(rounds, "cpu") / results["customers"] for name, rounds in still.items()}
    names = sorted(costs, key=lambda name: -costs[name])
    figure, axes = plt.subplots(figsize=(7, 0.3 * len(names) + 0.7))
    colors = [OUR_BLUE if name == OURS else GREY for name in names]
    axes.bar_label(axes.barh(names, [costs[name] for name in names], color=colors), fmt="%.1f", padding=3)
    axes.set_title("CPU time per customer, µs", loc="left")
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    _save(figure, path)


def _growth(sizes: Mapping[str, Any], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(7, 3))
    for crawl, colour in (("plain", GREY), ("ours", OUR_BLUE)):
        known = [(int(size), figures[crawl]) for size, figures in sizes.items()]
        axes.plot(*zip(*((size, each["computed"]) for size, each in known), strict=True), "o-", color=colour)
        size, last = known[-1]
        axes.annotate(crawl, (size, last["computed"]), xytext=(6, -3), textcoords="offset points", color=colour)
    axes.set(xscale="log", yscale="log", xlabel="customers")
    axes.set_title("Database time of a whole crawl, seconds (computed from samples)", loc="left")
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
