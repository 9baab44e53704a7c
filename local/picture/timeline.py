"""The timeline: one panel per client and for the gate, a row per mark, time from left to right."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from local.picture.facts import Arrival, Event, Facts, Wait
from mark_event_queue.domain.held import GATE
from meq.text import many

WAYS = {
    "live": "as it was written",
    "released": "by a release, after it had waited at the gate",
    "redriven": "by a redrive, after it had waited for this client",
    "history": "as history",
}
"""The ways in which an event comes, and what each means."""

_PLOT, _SHORTEST_SECONDS = 1140, 10
_TICKS, _ROOM_FOR_TICK = (1, 2, 5, 10, 20, 60), 40
_LEFT, _RIGHT, _TOP = 10, 30, 44
_ROW, _BAR, _DOT = 42, 14, 9
_CHARACTER = 5.7
_PANEL_GAP = 30
_SHORTEST_LABEL = 12


class _Span(NamedTuple):
    """For how long a mark waited for a recipient, and why; several waits that go over into one another."""

    since: int
    until: int | None
    why: Sequence[str]
    reason: str


def timeline(facts: Facts) -> str:
    """Return the timeline as HTML: the names of the rows stand still, what happened beside them can be scrolled."""
    panels = [_panel(facts, client) for client in facts.clients]
    if at_gate := [wait for wait in facts.waits if wait.recipient == GATE]:
        panels.insert(
            0, _Panel(GATE, "Gate", f"held {many(len(at_gate), 'event')} for everybody", _marks(facts, at_gate))
        )
    names, drawn, y, right = [], [], _TOP, 0.0
    for panel in panels:
        names.append(f'<text class="panel" x="0" y="{y + 18}">{escape(panel.name)}</text>')
        drawn.append(f'<text class="told" x="{_LEFT}" y="{y + 18}">{escape(panel.told)}</text>')
        y += _PANEL_GAP
        for mark in panel.marks:
            names.append(f'<text class="mark" x="0" y="{y + 28}">{escape(mark)}</text>')
            row, end = _row(facts, panel.recipient, mark, y)
            drawn.append(f'<line class="row" x1="0" x2="100%" y1="{y + _ROW}" y2="{y + _ROW}"/>{row}')
            right = max(right, end)
            y += _ROW
        y += 8
    width = round(max(right, _x(facts, facts.end)) + _RIGHT)
    axis = _axis(facts, y, width)
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
    ways = [facts.way(arrival) for arrival in facts.arrivals if arrival.client == client]
    told = ", ".join(f"{ways.count(way)} {way}" for way in WAYS if way in ways)
    return _Panel(
        client, client, f"{many(len(ways), 'event')} came" + (f": {told}" if told else ""), _marks(facts, None)
    )


def _marks(facts: Facts, waits: Iterable[Wait] | None) -> list[str]:
    """Return the marks in the order in which they appeared; of the events that waited, if asked."""
    ids = None if waits is None else {wait.event_id for wait in waits}
    return list(dict.fromkeys(event.mark for event in facts.events if ids is None or event.event_id in ids))


def _row(facts: Facts, recipient: str, mark: str, y: int) -> tuple[str, float]:
    """Return what happened to a mark, and how far to the right it reaches."""
    events = {event.event_id: event for event in facts.events if event.mark == mark}
    drawn = "".join(_bar(facts, span, y) for span in _spans(facts, recipient, events))
    if recipient != GATE:
        drawn += "".join(_bar(facts, span, y, "elsewhere") for span in _spans(facts, GATE, events))
    right = 0.0
    for event, at, way, text in _dots(facts, recipient, events):
        exact = _x(facts, at)
        x = max(exact, right + 2 * _DOT + 1)
        drawn += _dot(event, _Place(x, exact, y), way, text)
        right = x
    return drawn, right


def _dots(facts: Facts, recipient: str, events: dict[str, Event]) -> list[tuple[Event, int, str, str]]:
    """Return the events of a row with the time, the way and what there is to tell of each, in the order they came."""
    if recipient == GATE:
        held = [wait for wait in facts.waits if wait.recipient == GATE and wait.event_id in events]
        return [(events[one.event_id], one.since, "held", one.why) for one in held]
    came = [one for one in facts.arrivals if one.client == recipient and one.event_id in events]
    return [(events[one.event_id], one.at, facts.way(one), told(facts, one)) for one in came]


def told(facts: Facts, arrival: Arrival) -> str:
    """Return how an event came, and what it had waited for."""
    waited = [f"{wait.why} (from {facts.seconds(wait.since)} on)" for wait in facts.waits_before(arrival)]
    way = facts.way(arrival)
    return f"{way}; had waited {'; then '.join(waited)}" if waited else way


def _spans(facts: Facts, recipient: str, events: dict[str, Event]) -> list[_Span]:
    spans: list[_Span] = []
    waits = [wait for wait in facts.waits if wait.recipient == recipient and wait.event_id in events]
    for wait in sorted(waits, key=lambda one: one.since):
        last = spans[-1] if spans else None
        if last and last.reason == wait.reason and (last.until is None or wait.since <= last.until):
            until = None if last.until is None or wait.until is None else max(last.until, wait.until)
            spans[-1] = last._replace(until=until, why=list(dict.fromkeys([*last.why, wait.why])))
        else:
            spans.append(_Span(wait.since, wait.until, [wait.why], wait.reason))
    return spans


def _bar(facts: Facts, span: _Span, y: int, more: str = "") -> str:
    x, end = _x(facts, span.since), _x(facts, span.until or facts.end)
    width = max(end - x, 3)
    until = "until now" if span.until is None else f"until {facts.seconds(span.until)}"
    title = f"waited from {facts.seconds(span.since)} {until}: {'; '.join(span.why)}"
    why, room = span.why[0].removeprefix("at the gate: "), int((width - 8) / _CHARACTER)
    if room < _SHORTEST_LABEL:
        label = f'<text class="beside" x="{x - 4:.1f}" y="{y + 12.5}">{escape(span.reason)}</text>'
    else:
        shown = why if len(why) <= room else f"{why[: room - 1]}…"
        label = f'<text x="{x + 4:.1f}" y="{y + 12.5}">{escape(shown)}</text>'
    return (
        f'<g class="bar {escape(span.reason)} {more}"><title>{escape(title)}</title>'
        f'<rect x="{x:.1f}" y="{y + 2}" width="{width:.1f}" height="{_BAR}" rx="3"/>{label}</g>'
    )


class _Place(NamedTuple):
    """Where a shape is: `x`, where there is room for it, `exact`, where its time is, and the top of its row."""

    x: float
    exact: float
    y: int


def _dot(event: Event, place: _Place, way: str, told_of_it: str) -> str:
    x, exact, y = place
    middle = y + 28
    title = escape(f"Event {event.number}, {event.name} of {event.mark}, {event.event_id}: {told_of_it}")
    shapes = {
        "released": f'<path d="M{x:.1f} {middle - 11}l11 11l-11 11l-11 -11z"/>',
        "redriven": f'<rect x="{x - 9:.1f}" y="{middle - 9}" width="18" height="18" rx="2"/>',
        "history": f'<path d="M{x - 5:.1f} {middle - 9}h10l5 9l-5 9h-10l-5 -9z"/>',
    }
    shape = shapes.get(way, f'<circle cx="{x:.1f}" cy="{middle}" r="{_DOT}"/>')
    return (
        f'<g class="dot {way}"><title>{title}</title>'
        f'<line x1="{exact:.1f}" x2="{x:.1f}" y1="{y + _ROW - 1}" y2="{middle + 8}"/>'
        f'{shape}<text x="{x:.1f}" y="{middle + 3.5}">{event.number}</text></g>'
    )


def _axis(facts: Facts, height: int, width: int) -> str:
    drawn: list[str] = []
    last = -20.0
    apart = next((tick for tick in _TICKS if tick * _scale(facts) > _ROOM_FOR_TICK), _TICKS[-1])
    for second in range(0, (facts.end - facts.start) // 1000 + 1, apart):
        at = _x(facts, facts.start + second * 1000)
        drawn.append(f'<text class="tick" x="{at:.1f}" y="12">{second} s</text>')
    for number, step in enumerate(facts.steps, start=1):
        exact = _x(facts, step.at)
        x = last = max(exact, last + 19)
        title = escape(f"{number}: {step.title}, {facts.seconds(step.at)}")
        drawn.append(
            f'<g class="step"><title>{title}</title><line x1="{exact:.1f}" x2="{exact:.1f}" y1="36" y2="{height}"/>'
            f'<circle cx="{x:.1f}" cy="28" r="8.5"/><text x="{x:.1f}" y="31.5">{number}</text></g>'
        )
    return f'<line class="row" x1="0" x2="{width}" y1="{_TOP}" y2="{_TOP}"/>{"".join(drawn)}'


def _x(facts: Facts, at: int) -> float:
    return _LEFT + 6 + (at - facts.start) * _scale(facts) / 1000


def _scale(facts: Facts) -> float:
    """Return how many pixels a second has: all fits a wide screen."""
    return _PLOT / max(_SHORTEST_SECONDS, (facts.end - facts.start) / 1000)
