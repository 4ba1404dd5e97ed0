"""The charts of the README: CPU by client, database time by list size."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.clients import BY_HAND, PIRIOD
from benchmarks.results.statistics import cpu_per_customer

mpl.use("svg")
from matplotlib import pyplot as plt

COLOURS = {PIRIOD: "#2563eb"}
GREY = "#9ca3af"
STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "piriod-async", "font.size": 9, "axes.spines.top": False,
         "axes.spines.right": False}  # fmt: skip


def draw_charts(results: Mapping[str, Any], folder: Path) -> None:
    """Write the charts as SVG."""
    with mpl.rc_context(STYLE):
        _draw_cpu(results, folder / "cpu.svg")
        if "sizes" in results["database"]:
            _draw_database(results["database"]["sizes"], folder / "database.svg")


def _draw_cpu(results: Mapping[str, Any], path: Path) -> None:
    costs = {name: cpu_per_customer(results, name) for name in results["clients"]["latencies"]["none"]}
    names = sorted(costs, key=lambda name: -costs[name])
    figure, axes = plt.subplots(figsize=(7, 0.3 * len(names) + 0.7))
    bars = axes.barh(names, [costs[name] for name in names], color=[COLOURS.get(name, GREY) for name in names])
    axes.bar_label(bars, fmt="%.1f", padding=3)
    axes.set_title("CPU time per customer, µs", loc="left")
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    _save(figure, path)


def _draw_database(sizes: Mapping[str, Any], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(7, 3))
    for client in (BY_HAND, PIRIOD):
        colour = COLOURS.get(client, GREY)
        points = [(int(size), figures[client]["computed"]) for size, figures in sizes.items()]
        axes.plot(*zip(*points, strict=True), "o-", color=colour)
        axes.annotate(client, points[-1], xytext=(6, -3), textcoords="offset points", color=colour)
    axes.set(xscale="log", yscale="log", xlabel="customers")
    axes.set_title("Database time of a complete crawl, seconds (computed from samples)", loc="left")
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
