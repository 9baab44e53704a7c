"""The timeline: one panel per client and for the gate, a row per mark, time from left to right."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from local.picture.facts import FOREIGN, Arrival, Event, Facts, Wait
from mark_event_queue.domain.held import GATE
from meq.text import many

WAYS = {
    "live": "as it was written",
    "released": "by a release, after it had waited at the gate",
    "redriven": "by a redrive, after it had waited for this client",
    "history": "as history",
    FOREIGN: "from elsewhere: the demo did not write it",
}
"""The ways in which an event comes, and what each means."""

_PLOT, _SHORTEST_SECONDS = 1200, 10
_TICKS, _ROOM_FOR_TICK = (1, 2, 5, 10, 20, 60), 40
_LEFT, _RIGHT = 10, 30
_DOT, _LANE, _STEP = 8, 18, 19
_LINE, _CHARACTER = 12, 5.7
_PANEL_GAP = 25
_ROOM_BESIDE = 150


class _Span(NamedTuple):
    """For how long a mark waited for a recipient, and why; several waits that go over into one another."""

    since: int
    until: int | None
    waits: Sequence[Wait]


def timeline(facts: Facts) -> str:
    """Return the timeline as HTML: the names of the rows stand still, what happened beside them can be scrolled."""
    waiting = {wait.recipient for wait in facts.waits}
    panels = [_panel(facts, client) for client in sorted(facts.clients, key=lambda client: client not in waiting)]
    if at_gate := [wait for wait in facts.waits if wait.recipient == GATE]:
        marks = dict.fromkeys(facts.event(wait.event_id).mark for wait in at_gate)
        panels.insert(0, _Panel(GATE, "Gate", f"held {many(len(at_gate), 'event')} for everybody", list(marks)))
    axis, top = _axis(facts)
    names, drawn, y = [], [], top
    for panel in panels:
        names.append(f'<text class="panel" x="0" y="{y + 17}">{escape(panel.name)}</text>')
        drawn.append(f'<text class="told" x="{_LEFT}" y="{y + 17}">{escape(panel.told)}</text>')
        y += _PANEL_GAP
        for mark in panel.marks:
            row, dots, end = _row(facts, panel.recipient, mark, y)
            names.append(f'<text class="mark" x="0" y="{dots + 4}">{escape(mark)}</text>')
            y = end
            drawn.append(f'<line class="row" x1="0" x2="100%" y1="{y}" y2="{y}"/>{row}')
        y += 4
    width = round(_x(facts, facts.end) + _RIGHT)
    label = "When each event came to each client, and what waited; the tables below say the same in words"
    return (
        f'<div class="timeline"><svg class="names" width="76" height="{y}" aria-hidden="true">{"".join(names)}</svg>'
        f'<div class="scroll" tabindex="0" role="group" aria-label="Timeline, can be scrolled">'
        f'<svg width="{width}" height="{y}" role="img" aria-label="{label}">{axis}{"".join(drawn)}</svg></div></div>'
    )


class _Panel(NamedTuple):
    recipient: str
    name: str
    told: str
    marks: Sequence[str]


def _panel(facts: Facts, client: str) -> _Panel:
    came = [arrival for arrival in facts.arrivals if arrival.client == client]
    ways = [facts.way(arrival) for arrival in came]
    told = ", ".join(f"{ways.count(way)} {way}" for way in WAYS if way in ways)
    marks = dict.fromkeys([event.mark for event in facts.events] + [FOREIGN] * (FOREIGN in ways))
    return _Panel(client, client, f"{many(len(ways), 'event')} came" + (f": {told}" if told else ""), list(marks))


def _row(facts: Facts, recipient: str, mark: str, y: int) -> tuple[str, int, int]:
    """Return what happened to a mark: waits as bars, below them the events; where these begin, and where it ends."""
    bars = [_bar(facts, span, y) for span in _spans(facts, recipient, mark)]
    if recipient != GATE:
        bars += [_bar(facts, span, y, "elsewhere") for span in _spans(facts, GATE, mark)]
    lanes: list[float] = []
    drawn = [bar for bar, _ in bars]
    first = y + max((height for _, height in bars), default=0) + 5 + _DOT
    for event, at, way, text in _dots(facts, recipient, mark):
        x = _x(facts, at)
        # A shape stands at its time: what came at the same time is below it, in the order in which it came.
        lane = next((number for number, taken in enumerate(lanes) if taken + _LANE <= x), len(lanes))
        lanes[lane : lane + 1] = [x]
        drawn.append(_dot(event, (x, first + lane * _LANE), way, text))
    return "".join(drawn), first, first + max(0, len(lanes) - 1) * _LANE + _DOT + 3


def _dots(facts: Facts, recipient: str, mark: str) -> list[tuple[Event, int, str, str]]:
    """Return the events of a row with the time, the way and what there is to tell of each, in the order they came."""
    if recipient == GATE:
        held = sorted(_waits(facts, GATE, mark), key=lambda wait: wait.since)
        return [(facts.event(one.event_id), one.since, "held", one.where_and_why) for one in held]
    came = [one for one in facts.arrivals if one.client == recipient and facts.event(one.event_id).mark == mark]
    return [(facts.event(one.event_id), one.at, facts.way(one), told(facts, one)) for one in came]


def told(facts: Facts, arrival: Arrival) -> str:
    """Return how an event came, and what it had waited for."""
    waits = facts.waits_before(arrival)
    waited = [f"{wait.where_and_why} (from {facts.seconds(wait.since)} on)" for wait in waits]
    way = facts.way(arrival)
    return f"{way}; had waited {'; then '.join(waited)}" if waited else way


def _waits(facts: Facts, recipient: str, mark: str) -> list[Wait]:
    return [wait for wait in facts.waits if wait.recipient == recipient and facts.event(wait.event_id).mark == mark]


def _spans(facts: Facts, recipient: str, mark: str) -> list[_Span]:
    spans: list[_Span] = []
    for wait in sorted(_waits(facts, recipient, mark), key=lambda one: one.since):
        last = spans[-1] if spans else None
        goes_on = last and (wait.behind or last.until is None or wait.since <= last.until)
        if last and goes_on and last.waits[0].reason == wait.reason:
            until = None if last.until is None or wait.until is None else max(last.until, wait.until)
            spans[-1] = last._replace(until=until, waits=[*last.waits, wait])
        else:
            spans.append(_Span(wait.since, wait.until, [wait]))
    return spans


def _bar(facts: Facts, span: _Span, y: int, more: str = "") -> tuple[str, int]:
    """Return the bar of a wait, and how high it is: its reason may need a second line."""
    first = span.waits[0]
    x, end = _x(facts, span.since), _x(facts, span.until or facts.end)
    width = max(end - x, 3)
    until = "until now" if span.until is None else f"until {facts.seconds(span.until)}"
    whys = dict.fromkeys(wait.where_and_why for wait in span.waits)
    title = f"waited from {facts.seconds(span.since)} {until}: {'; '.join(whys)}"
    lines, room = [", ".join(first.lines)], (width - 8) / _CHARACTER
    if len(lines[0]) > room and len(first.lines) > 1:
        lines = [", ".join(first.lines[:-1]), first.lines[-1]]
    at, place = x + 4, ""
    if max(map(len, lines)) > room:
        at, place = (x - 4, ' class="before"') if x > _ROOM_BESIDE else (end + 4, ' class="behind"')
    label = "".join(
        f'<text{place} x="{at:.1f}" y="{y + 1 + number * _LINE}">{escape(line)}</text>'
        for number, line in enumerate(lines, start=1)
    )
    height = len(lines) * _LINE + 3
    return (
        f'<g class="bar {escape(first.reason)} {more}"><title>{escape(title)}</title>'
        f'<rect x="{x:.1f}" y="{y + 2}" width="{width:.1f}" height="{height}" rx="3"/>{label}</g>'
    ), height


def _dot(event: Event, place: tuple[float, int], way: str, told_of_it: str) -> str:
    x, y = place
    title = escape(f"Event {event.number}, {event.name} of {event.mark}, {event.event_id}: {told_of_it}")
    shapes = {
        "released": f'<path d="M{x:.1f} {y - 9}l13 9l-13 9l-13 -9z"/>',
        "redriven": f'<rect x="{x - 8:.1f}" y="{y - 8}" width="16" height="16" rx="2"/>',
        "history": f'<path d="M{x - 4.5:.1f} {y - 8}h9l4 8l-4 8h-9l-4 -8z"/>',
    }
    shape = shapes.get(way, f'<circle cx="{x:.1f}" cy="{y}" r="{_DOT}"/>')
    return (
        f'<g class="dot {way}"><title>{title}</title>'
        f'{shape}<text x="{x:.1f}" y="{y + 3.5}">{event.number or "?"}</text></g>'
    )


def _axis(facts: Facts) -> tuple[str, int]:
    """Return the seconds and the beginnings of the steps, and how high they are."""
    apart = next((tick for tick in _TICKS if tick * _scale(facts) > _ROOM_FOR_TICK), _TICKS[-1])
    drawn = [
        f'<text class="tick" x="{_x(facts, facts.start + second * 1000):.1f}" y="12">{second} s</text>'
        for second in range(0, (facts.end - facts.start) // 1000 + 1, apart)
    ]
    lanes: list[float] = []
    for number, step in enumerate(facts.steps, start=1):
        x = _x(facts, step.at)
        lane = next((number for number, taken in enumerate(lanes) if taken + _STEP <= x), len(lanes))
        lanes[lane : lane + 1] = [x]
        y = 28 + lane * _STEP
        title = escape(f"{number}: {step.title}, {facts.seconds(step.at)}")
        drawn.append(
            f'<g class="step"><title>{title}</title><line x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="100%"/>'
            f'<circle cx="{x:.1f}" cy="{y}" r="8.5"/><text x="{x:.1f}" y="{y + 3.5}">{number}</text></g>'
        )
    top = 24 + max(1, len(lanes)) * _STEP
    return f'<line class="row" x1="0" x2="100%" y1="{top}" y2="{top}"/>{"".join(drawn)}', top


def _x(facts: Facts, at: int) -> float:
    return _LEFT + 6 + (at - facts.start) * _scale(facts) / 1000


def _scale(facts: Facts) -> float:
    """Return how many pixels a second has: all fits a wide screen."""
    return _PLOT / max(_SHORTEST_SECONDS, (facts.end - facts.start) / 1000)
