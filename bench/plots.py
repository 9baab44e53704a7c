"""Two pictures of a run: calls per event, and growth."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.calls import of_the_original
from bench.results import FOLDER

mpl.rcParams["svg.hashsalt"] = "mark-event-queue"


def draw(results: Mapping[str, Any]) -> list[str]:
    """Draw both as SVG; return their names."""
    drawn = {"bench-calls.svg": _calls(results["calls"]), "bench-growth.svg": _growth(results["growth"])}
    for name, figure in drawn.items():
        figure.savefig(FOLDER / name)
    return [f"{FOLDER.name}/{name}" for name in drawn]


def _calls(counted: Sequence[Mapping[str, Any]]) -> Figure:
    batches = [one for one in counted if one["events"] > 1]
    labels = [f"{one['marks']} marks\n{one['clients']} clients" for one in batches]
    places = range(len(batches))
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.add_subplot()
    bars = {
        "floor": [one["floor"] / one["events"] for one in batches],
        "this design": [one["calls"] / one["events"] for one in batches],
        "original pattern": [of_the_original(1, one["clients"]) for one in batches],
    }
    for position, (name, heights) in enumerate(bars.items()):
        axes.bar([place + (position - 1) * 0.27 for place in places], heights, 0.25, label=name)
    axes.set_xticks(list(places), labels, fontsize=8)
    axes.set_yscale("log")
    axes.set_ylabel("calls of AWS per event (log)")
    axes.set_title("Calls per event, batches of 100 events")
    axes.legend()
    return figure


def _growth(points: Sequence[Mapping[str, Any]]) -> Figure:
    figure = Figure(figsize=(10, 8), layout="constrained")
    panels = (
        ("batch", "events", "events in the batch"),
        ("clients", "clients", "clients"),
        ("event", "event_bytes", "bytes of an event"),
    )
    values = (
        ("calls", "calls"),
        ("seconds", "seconds (local engine)"),
        ("bytes_through_states", "bytes through states"),
    )
    grid = figure.subplots(len(values), len(panels), sharex="col")
    for column, (varied, abscissa, label) in enumerate(panels):
        chosen = [point for point in points if point["varied"] == varied]
        for row, (ordinate, name) in enumerate(values):
            axes = grid[row][column]
            axes.plot([point[abscissa] for point in chosen], [point[ordinate] for point in chosen], marker="o")
            axes.set_ylim(bottom=0)
            axes.set_ylabel(name)
        if varied == "event":
            grid[0][column].set_xscale("log")
        grid[-1][column].set_xlabel(label)
    figure.suptitle("Growth: one invocation of the converter each")
    return figure
