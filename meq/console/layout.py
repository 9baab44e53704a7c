"""Finds a place for each state of a machine's definition: in rows, what a Map runs inside it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

COLUMN_GAP, PADDING, TITLE = 22.0, 16.0, 26.0
_HEIGHT, _ROW_GAP = 34.0, 42.0
_LETTER, _SIDES, _NARROWEST, _BEND = 7.1, 30.0, 92.0, 15.0
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
    is_choice: bool = False
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


def lay_out(definition: _Definition, texts: Mapping[str, str]) -> Drawing:
    """Return where the states of a definition are: in rows by how far they are from the start, edges downwards.

    A state is as wide as what is written in it: its text, or its name where there is none.
    """
    states: Mapping[str, _Definition] = definition["States"]
    edges = [(name, to, caught) for name, state in states.items() for to, caught in _ways(state) if to in states]
    back = _leading_back(definition["StartAt"], edges)
    rows = _rows(list(states), [(a, b) for a, b, _ in edges if (a, b) not in back])
    nodes = {name: _node(name, state, rows[name], texts) for name, state in states.items()}
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


def _node(name: str, state: _Definition, row: int, texts: Mapping[str, str]) -> Node:
    within = [state[key] for key in ("ItemProcessor", "Iterator") if key in state] or state.get("Branches", [])
    inner = [lay_out(one, texts) for one in within]
    width = max(len(texts.get(name, name)) * _LETTER + _SIDES, _NARROWEST)
    if not inner:
        return Node(name, row, width, _HEIGHT, is_choice=state["Type"] == "Choice")
    inside = sum(one.width for one in inner) + (len(inner) - 1) * COLUMN_GAP
    height = max(one.height for one in inner) + TITLE + PADDING
    return Node(name, row, max(width, inside + 2 * PADDING), height, inner)


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
            x += node.width + COLUMN_GAP
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
        block = _Block([node], want * node.width, node.width, node.width + COLUMN_GAP)
        while blocks and blocks[-1].x + blocks[-1].length > block.x:
            block = blocks.pop().joined_with(block)
        blocks.append(block)
    for block in blocks:
        x = block.x
        for node in block.nodes:
            node.x = x
            x += node.width + COLUMN_GAP


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
