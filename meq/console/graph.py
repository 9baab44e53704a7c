"""Draws a state machine's definition as a graph, with the states and ways marked in it that executions took.

The colours are those of `static/graph.css`, for whichever page shows the graph.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from meq.console.layout import COLUMN_GAP, PADDING, TITLE, Drawing, Node, lay_out
from meq.text import safe

_CORNER, _CORNER_OF_A_CHOICE = 7, 17
_SIGNS = {"failed": "✕ ", "caught": "! ", "retried": "↻ ", "running": "… "}
_HEADS = {"arrow": (9, "head"), "arrow-gone": (13, "head gone"), "arrow-back": (13, "head gone back")}
"""The heads of arrows: how large each is, and its classes."""


@dataclass(frozen=True)
class State:
    """A state that was come by: what it is marked as (`Step.mark`), a count beside its name, and all that in words."""

    mark: str
    count: str = ""
    told: str = ""


@dataclass(frozen=True)
class Way:
    """A way that was gone: how thick it is drawn, and what there is to say of it."""

    width: float = 2
    told: str = ""


def svg(
    definition: Mapping[str, Any], states: Mapping[str, State], ways: Mapping[tuple[str, str], Way], label: str
) -> str:
    """Return the graph as SVG, with the states and ways that were taken; the label says in words what it shows."""
    drawing = lay_out(definition, {name: f"{_name(name, state)} {state.count}" for name, state in states.items()})
    width, height = drawing.width + 2 * PADDING, drawing.height + 2 * PADDING
    heads = "".join(
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="{size}" markerHeight="{size}" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path class="{kind}" d="M0 0 8 4 0 8z"/></marker>'
        for name, (size, kind) in _HEADS.items()
    )
    body = "".join(_drawn(drawing, PADDING, PADDING, states, ways))
    return (
        f'<svg class="graph" role="img" aria-label="{escape(label)}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}"><defs>{heads}</defs>{body}</svg>'
    )


def _drawn(
    drawing: Drawing, left: float, top: float, states: Mapping[str, State], ways: Mapping[tuple[str, str], Way]
) -> Iterator[str]:
    edges = [(ways.get((route[0].name, route[-1].name)), route, back, caught) for route, back, caught in drawing.edges]
    for way, route, leads_back, caught in sorted(edges, key=lambda edge: edge[0] is not None):
        kind = " ".join(["edge", *["back"] * leads_back, *["catch"] * caught, *["gone"] * (way is not None)])
        yield _edge(route, left, top, kind, way)
    for node in drawing.nodes.values():
        yield from _box(node, left, top, states, ways)


def _box(
    node: Node, left: float, top: float, states: Mapping[str, State], ways: Mapping[tuple[str, str], Way]
) -> Iterator[str]:
    state = states.get(node.name, State("never"))
    x, y = left + node.x, top + node.y
    count = f' <tspan class="count">{escape(state.count)}</tspan>' if state.count else ""
    yield (
        f'<g class="{"container" if node.inner else "state"} {state.mark}">{_title(state.told)}'
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{node.width:.1f}" height="{node.height:.1f}" '
        f'rx="{_CORNER_OF_A_CHOICE if node.is_choice else _CORNER}"/>'
        f'<text x="{x + node.width / 2:.1f}" y="{y + (17 if node.inner else node.height / 2 + 4.5):.1f}">'
        f"{escape(_name(node.name, state))}{count}</text></g>"
    )
    inside = x + (node.width - sum(one.width for one in node.inner) - (len(node.inner) - 1) * COLUMN_GAP) / 2
    for one in node.inner:
        yield from _drawn(one, inside, y + TITLE, states, ways)
        inside += one.width + COLUMN_GAP


def _name(name: str, state: State) -> str:
    return f"{_SIGNS.get(state.mark, '')}{safe(name)}"


def _title(told: str) -> str:
    return f"<title>{escape(told)}</title>" if told else ""


def _edge(route: Sequence[Node], left: float, top: float, kind: str, way: Way | None) -> str:
    """Return an edge as a line that bends where it passes a row."""
    first, last = route[0], route[-1]
    upwards = last.row <= first.row
    begin = (first.middle, first.y if upwards else first.y + first.height)
    end = (last.middle, last.y + last.height if upwards else last.y)
    path, (x, y) = f"M{left + begin[0]:.1f} {top + begin[1]:.1f}", begin
    for bend in route[1:-1]:
        enters, leaves = (bend.y + bend.height, bend.y) if upwards else (bend.y, bend.y + bend.height)
        path += f"{_curve(left + x, top + y, left + bend.middle, top + enters)}V{top + leaves:.1f}"
        x, y = bend.middle, leaves
    path += _curve(left + x, top + y, left + end[0], top + end[1])
    if way is None:
        return f'<path class="{kind}" d="{path}" stroke-width="1.3" marker-end="url(#arrow)"/>'
    head = "arrow-back" if upwards else "arrow-gone"
    return (
        f'<path class="{kind}" d="{path}" stroke-width="{way.width:.1f}" marker-end="url(#{head})">'
        f"{_title(way.told)}</path>"
    )


def _curve(x0: float, y0: float, x1: float, y1: float) -> str:
    half = (y1 - y0) / 2
    return f"C{x0:.1f} {y0 + half:.1f} {x1:.1f} {y1 - half:.1f} {x1:.1f} {y1:.1f}"
