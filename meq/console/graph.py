"""Draws a state machine's definition as a graph, with the path of an execution in it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from typing import Any

from meq.console.runs import Step
from meq.text import safe

_HEIGHT, _ROW_GAP, _COLUMN_GAP, _PADDING, _TITLE = 34.0, 42.0, 22.0, 16.0, 26.0
_LETTER, _SIDES, _BEND = 7.1, 44.0, 15.0
_SWEEPS = 6

_Definition = Mapping[str, Any]


@dataclass
class Node:
    """A state, or where an edge passes a row on its way; what is drawn in it, if it is a Map or Parallel."""

    name: str
    row: int
    width: float
    height: float
    inner: list["Drawing"] = field(default_factory=list)
    x: float = 0
    y: float = 0

    @property
    def middle(self) -> float:
        """Where its middle is."""
        return self.x + self.width / 2


@dataclass
class Drawing:
    """Where everything of a state machine is, or of what a Map runs."""

    nodes: dict[str, Node]
    edges: list[tuple[list[Node], bool, bool]]
    """The nodes that an edge passes; whether it leads back; whether it is that of a Catch."""
    width: float
    height: float


def svg(definition: _Definition, steps: Sequence[Step], ways: Collection[tuple[str, str]]) -> str:
    """Return the graph as SVG, steps and ways of an execution marked in it; colours are the stylesheet's."""
    drawing = lay_out(definition)
    by_name = {step.name: step for step in steps}
    width, height = drawing.width + 2 * _PADDING, drawing.height + 2 * _PADDING
    arrow = (
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="head" d="M0 0 8 4 0 8z"/></marker>'
        '<marker id="arrow-gone" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="head gone" d="M0 0 8 4 0 8z"/></marker></defs>'
    )
    body = "".join(_drawn(drawing, _PADDING, _PADDING, by_name, ways))
    return (
        f'<svg class="graph" role="img" aria-labelledby="graph-title" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}"><title id="graph-title">The states of the machine and the path '
        f"through them; the table below says the same in words.</title>{arrow}{body}</svg>"
    )


def lay_out(definition: _Definition) -> Drawing:
    """Return where the states of a definition are: in rows by how far they are from the start, edges downwards."""
    states: Mapping[str, _Definition] = definition["States"]
    edges = [(name, to, caught) for name, state in states.items() for to, caught in _ways(state) if to in states]
    back = _leading_back(definition["StartAt"], edges)
    rows = _rows(list(states), [(a, b) for a, b, _ in edges if (a, b) not in back])
    nodes = {name: _node(name, state, rows[name]) for name, state in states.items()}
    grid: list[list[Node]] = [[] for _ in range(max(rows.values()) + 1)]
    for node in nodes.values():
        grid[node.row].append(node)
    routes = [(_route(nodes[a], nodes[b], grid), (a, b) in back, caught) for a, b, caught in _without_twins(edges)]
    _sort(grid, [route for route, _, _ in routes])
    width, height = _place(grid, [route for route, _, _ in routes])
    return Drawing(nodes, routes, width, height)


def _ways(state: _Definition) -> Iterator[tuple[str, bool]]:
    """Yield where a state may lead, and whether by a Catch."""
    for choice in state.get("Choices", []):
        yield choice["Next"], False
    for name in ("Default", "Next"):
        if name in state:
            yield state[name], False
    for catch in state.get("Catch", []):
        yield catch["Next"], True


def _without_twins(edges: Sequence[tuple[str, str, bool]]) -> list[tuple[str, str, bool]]:
    found: dict[tuple[str, str], bool] = {}
    for a, b, caught in edges:
        found[a, b] = found.get((a, b), True) and caught
    return [(a, b, caught) for (a, b), caught in found.items()]


def _leading_back(start: str, edges: Sequence[tuple[str, str, bool]]) -> set[tuple[str, str]]:
    """Return the edges that lead to a state on the way to where they begin: those of loops."""
    following: dict[str, list[str]] = {}
    for a, b, _ in edges:
        following.setdefault(a, []).append(b)
    back: set[tuple[str, str]] = set()
    done: set[str] = set()

    def walk(name: str, way: tuple[str, ...]) -> None:
        for to in following.get(name, []):
            if to in way or to == name:
                back.add((name, to))
            elif to not in done:
                walk(to, (*way, to))
        done.add(name)

    walk(start, (start,))
    return back


def _rows(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return the row of each state: one below the lowest of those that lead to it."""
    rows = dict.fromkeys(names, 0)
    for _ in names:
        for a, b in edges:
            rows[b] = max(rows[b], rows[a] + 1)
    return rows


def _node(name: str, state: _Definition, row: int) -> Node:
    within = [state[key] for key in ("ItemProcessor", "Iterator") if key in state] or state.get("Branches", [])
    inner = [lay_out(one) for one in within]
    width = max(len(name) * _LETTER + _SIDES, 92)
    if not inner:
        return Node(name, row, width, _HEIGHT)
    inside = sum(one.width for one in inner) + (len(inner) - 1) * _COLUMN_GAP
    height = max(one.height for one in inner) + _TITLE + _PADDING
    return Node(name, row, max(width, inside + 2 * _PADDING), height, inner)


def _route(a: Node, b: Node, grid: list[list[Node]]) -> list[Node]:
    """Return what an edge passes: in each row between its ends a place of its own, so that it crosses no state."""
    step = 1 if b.row > a.row else -1
    between = range(a.row + step, b.row, step) if a.row != b.row else range(0)
    bends = [Node("", row, _BEND, 0) for row in between]
    for bend in bends:
        grid[bend.row].append(bend)
    return [a, *bends, b]


def _sort(grid: list[list[Node]], routes: Sequence[list[Node]]) -> None:
    """Order each row by the middle of what its nodes are joined with, down and up some times."""
    near: dict[int, list[Node]] = {}
    for route in routes:
        for one, other in pairwise(route):
            near.setdefault(id(one), []).append(other)
            near.setdefault(id(other), []).append(one)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        order = grid[1:] if down else grid[-2::-1]
        for row in order:
            places = {id(node): place for one in grid for place, node in enumerate(one)}
            before = row[0].row + (-1 if down else 1) if row else 0

            def weight(node: Node, before: int = before, places: dict[int, int] = places) -> float:
                joined = [places[id(one)] for one in near.get(id(node), []) if one.row == before]
                return sum(joined) / len(joined) if joined else places[id(node)]

            row.sort(key=weight)


def _place(grid: list[list[Node]], routes: Sequence[list[Node]]) -> tuple[float, float]:
    """Give every node its place, near the middle of what it is joined with; return the whole's width and height."""
    near: dict[int, list[Node]] = {}
    for route in routes:
        for one, other in pairwise(route):
            near.setdefault(id(one), []).append(other)
            near.setdefault(id(other), []).append(one)
    y = 0.0
    for row in grid:
        tallest = max((node.height for node in row), default=0)
        x = 0.0
        for node in row:
            if not node.name:
                node.height = tallest  # an edge passes a row straight, and bends between rows only
            node.x, node.y = x, y + (tallest - node.height) / 2
            x += node.width + _COLUMN_GAP
        y += tallest + _ROW_GAP
    for sweep in range(_SWEEPS * 2):
        for row in grid if sweep % 2 == 0 else reversed(grid):
            _settle(row, near)
    left = min(node.x for row in grid for node in row)
    for row in grid:
        for node in row:
            node.x -= left
    return max(node.x + node.width for row in grid for node in row), y - _ROW_GAP


def _settle(row: Sequence[Node], near: Mapping[int, Sequence[Node]]) -> None:
    """Move the nodes of a row towards what they are joined with; none over another, none past another."""
    wanted = []
    for node in row:
        joined = [one.middle for one in near.get(id(node), []) if one.row != node.row]
        wanted.append((sum(joined) / len(joined) if joined else node.middle) - node.width / 2)
    # Nodes that touch are a block, which stands where its nodes want to be on average; a wide node counts more.
    blocks: list[_Block] = []
    for node, want in zip(row, wanted, strict=True):
        block = _Block([node], want * node.width, node.width, node.width + _COLUMN_GAP)
        while blocks and blocks[-1].x + blocks[-1].length > block.x:
            block = blocks.pop().joined_with(block)
        blocks.append(block)
    for block in blocks:
        x = block.x
        for node in block.nodes:
            node.x = x
            x += node.width + _COLUMN_GAP


@dataclass
class _Block:
    """Nodes of a row that touch: where they want to begin, times their weight, and how long they are together."""

    nodes: list[Node]
    wish: float
    weight: float
    length: float

    @property
    def x(self) -> float:
        return self.wish / self.weight

    def joined_with(self, right: "_Block") -> "_Block":
        wish = self.wish + right.wish - right.weight * self.length
        return _Block([*self.nodes, *right.nodes], wish, self.weight + right.weight, self.length + right.length)


def _drawn(
    drawing: Drawing, left: float, top: float, steps: Mapping[str, Step], ways: Collection[tuple[str, str]]
) -> Iterator[str]:
    for route, leads_back, caught in sorted(
        drawing.edges, key=lambda edge: (edge[0][0].name, edge[0][-1].name) in ways
    ):
        gone = (route[0].name, route[-1].name) in ways
        yield _edge(route, left, top, " ".join(["edge", *["back"] * leads_back, *["catch"] * caught, *["gone"] * gone]))
    for node in drawing.nodes.values():
        yield from _box(node, left, top, steps, ways)


def _box(
    node: Node, left: float, top: float, steps: Mapping[str, Step], ways: Collection[tuple[str, str]]
) -> Iterator[str]:
    step = steps.get(node.name)
    x, y = left + node.x, top + node.y
    kind = f"{'container' if node.inner else 'state'} {step.mark if step else 'never'}"
    yield (
        f'<g class="{kind}"><rect x="{x:.1f}" y="{y:.1f}" width="{node.width:.1f}" height="{node.height:.1f}" rx="7"/>'
        f'<text x="{x + node.width / 2:.1f}" y="{y + (17 if node.inner else node.height / 2 + 4.5):.1f}">'
        f"{escape(_label(node.name, step))}</text></g>"
    )
    inside = x + (node.width - sum(one.width for one in node.inner) - (len(node.inner) - 1) * _COLUMN_GAP) / 2
    for one in node.inner:
        yield from _drawn(one, inside, y + _TITLE, steps, ways)
        inside += one.width + _COLUMN_GAP


def _label(name: str, step: Step | None) -> str:
    sign = {"failed": "✕ ", "caught": "! ", "retried": "↻ ", "running": "… "}.get(step.mark, "") if step else ""
    return f"{sign}{safe(name)}{f' ×{step.visits}' if step and step.visits > 1 else ''}"


def _edge(route: Sequence[Node], left: float, top: float, kind: str) -> str:
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
    marker = "arrow-gone" if "gone" in kind.split() else "arrow"
    return f'<path class="{kind}" d="{path}" marker-end="url(#{marker})"/>'


def _curve(x0: float, y0: float, x1: float, y1: float) -> str:
    half = (y1 - y0) / 2
    return f"C{x0:.1f} {y0 + half:.1f} {x1:.1f} {y1 - half:.1f} {x1:.1f} {y1:.1f}"
