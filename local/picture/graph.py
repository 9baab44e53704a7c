"""The states of the delivering machine as a graph: how many executions went through each, and which ways they took."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from local.picture.facts import Run
from meq.console.graph import State, Way, svg
from meq.text import many

_THICKEST = 4.0


def graph(definition: Mapping[str, Any], runs: Sequence[Run]) -> str:
    """Return the graph as an SVG, empty without a definition: ways are the thicker the more executions took them."""
    if not definition["States"]:
        return ""
    through = Counter(name for run in runs for name in run.path.names)
    entries = Counter(visit.name for run in runs for visit in run.path.visits)
    errors: dict[str, Counter[str]] = {}
    for run in runs:
        for name, error in run.path.errors.items():
            errors.setdefault(name, Counter())[error] += 1
    states = {name: _state(name, count, entries[name], errors.get(name, Counter())) for name, count in through.items()}
    gone = Counter(way for run in runs for way in run.path.ways)
    most = max(gone.values(), default=1)
    ways = {
        (a, b): Way(1 + (_THICKEST - 1) * count / most, f"{a} → {b}: {many(count, 'execution')}")
        for (a, b), count in gone.items()
    }
    label = f"The states of the delivering machine, and how many of {len(runs)} executions went through each"
    return svg(definition, states, ways, label)


def _state(name: str, runs: int, entries: int, errors: Counter[str]) -> State:
    times = f", {entries} times in all" if entries > runs else ""
    failed = "".join(f"; {error} in {count}" for error, count in errors.items())
    told = f"{name}: {many(runs, 'execution')}{times}{failed}"
    return State("failed", f"{errors.total()} of {runs}", told) if errors else State("passed", str(runs), told)
