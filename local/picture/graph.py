"""The states of the delivering machine as a graph: how many executions went through each, and which ways they took."""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from local.picture.facts import Run

_NODE, _GAP, _INDENT, _WIDTH = 24, 9, 12, 214
_ROOM_FOR_WAYS = 92
_THICKEST = 4.0


class _Node(NamedTuple):
    name: str
    kind: str
    depth: int
    size: int
    """How many rows it takes, with all that is inside it."""


class _Passed(NamedTuple):
    """How many executions went through a state, how many times in all, and the errors it ended in."""

    runs: int
    entries: int
    errors: Counter[str]


def graph(definition: Mapping[str, Any], runs: Sequence[Run]) -> str:
    """Return the graph as an SVG: states in the order of the definition, those of a Map inside it."""
    nodes = _nodes(definition, 0)
    rows = {node.name: number for number, node in enumerate(nodes)}
    through = Counter(name for run in runs for name in run.path.names)
    entries = Counter(visit.name for run in runs for visit in run.path.visits)
    errors: dict[str, Counter[str]] = {}
    for run in runs:
        for name, error in run.path.errors.items():
            errors.setdefault(name, Counter())[error] += 1
    ways = Counter(way for run in runs for way in run.path.ways if {*way} <= rows.keys())
    most = max(ways.values(), default=1)
    places = {node.name: (4 + node.depth * _INDENT, 4 + number * (_NODE + _GAP)) for number, node in enumerate(nodes)}
    drawn = [_around(node, *places[node.name]) for node in nodes if node.size > 1]
    drawn += [_way(places, rows, way, count, most) for way, count in sorted(ways.items())]
    for node in nodes:
        passed = _Passed(through[node.name], entries[node.name], errors.get(node.name, Counter()))
        drawn.append(_state(node, *places[node.name], passed))
    height = 8 + len(nodes) * (_NODE + _GAP)
    width = 4 + _WIDTH + _INDENT * max((node.depth for node in nodes), default=0) + _ROOM_FOR_WAYS
    label = f"The states of the delivering machine, and how many of {len(runs)} executions went through each"
    return (
        f'<svg class="graph" width="{width}" height="{height}" role="img" aria-label="{label}">'
        '<defs><marker id="tip" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="6" markerHeight="6" '
        'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L6 3L0 6z"/></marker></defs>'
        f"{''.join(drawn)}</svg>"
    )


def _nodes(machine: Mapping[str, Any], depth: int) -> list[_Node]:
    found = []
    for name, state in machine["States"].items():
        inside = _nodes(state["ItemProcessor"], depth + 1) if "ItemProcessor" in state else []
        found += [_Node(name, state["Type"], depth, 1 + len(inside)), *inside]
    return found


def _around(node: _Node, x: int, y: int) -> str:
    """Return the frame around a Map and what is inside it."""
    height = node.size * (_NODE + _GAP) - _GAP + 6
    return f'<rect class="inside" x="{x - 3}" y="{y - 3}" width="{_WIDTH + 18}" height="{height}" rx="5"/>'


def _state(node: _Node, x: int, y: int, passed: _Passed) -> str:
    runs, entries, errors = passed
    width, corner = _WIDTH - node.depth * 2, 11 if node.kind == "Choice" else 4
    kinds = [node.kind.lower(), *(["untaken"] if not runs else []), *(["failed"] if errors else [])]
    times = f", {entries} times in all" if entries > runs else ""
    failed = "".join(f"; {error} in {count}" for error, count in errors.items())
    title = f"{node.name}: {runs} executions{times}{failed}"
    count = f"✕ {sum(errors.values())} of {runs}" if errors else str(runs or "")
    return (
        f'<g class="state {" ".join(kinds)}"><title>{escape(title)}</title>'
        f'<rect x="{x}" y="{y}" width="{width}" height="{_NODE}" rx="{corner}"/>'
        f'<text x="{x + 8}" y="{y + 16}">{escape(node.name)}</text>'
        f'<text class="count" x="{x + width - 8}" y="{y + 16}">{count}</text></g>'
    )


def _way(
    places: Mapping[str, tuple[int, int]],
    rows: Mapping[str, int],
    way: tuple[str, str],
    count: int,
    most: int,
) -> str:
    (x, y), (to_x, to_y) = places[way[0]], places[way[1]]
    rows_on = rows[way[1]] - rows[way[0]]
    width = 1 + (_THICKEST - 1) * count / most
    if rows_on == 1:
        middle = max(x, to_x) + 22
        line = f"M{middle} {y + _NODE}V{to_y}"
    else:
        start, end = x + _WIDTH - (x - 4) // _INDENT * 2, to_x + _WIDTH - (to_x - 4) // _INDENT * 2
        out = max(start, end) + min(12 + 4 * abs(rows_on), _ROOM_FOR_WAYS - 10)
        line = f"M{start} {y + 15}C{out} {y + 15} {out} {to_y + 9} {end} {to_y + 9}"
    title = escape(f"{way[0]} → {way[1]}: {count} executions")
    return (
        f'<g class="way{" back" if rows_on < 0 else ""}"><title>{title}</title>'
        f'<path d="{line}" stroke-width="{width:.1f}" marker-end="url(#tip)"/></g>'
    )
