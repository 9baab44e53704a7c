"""The page: the story, the timeline, the same in tables, the executions' paths and the verdict, in one file."""

from collections.abc import Iterable, Sequence
from html import escape

from local.picture.facts import Facts, Run, Wait
from local.picture.graph import graph
from local.picture.paths import Visit
from local.picture.style import STYLE
from local.picture.timeline import WAYS, timeline, told
from mark_event_queue.domain.held import GATE
from meq.text import many

_MAP_OF_CLIENTS = "Deliver To Clients"
_NOTABLE = {
    "Hold At Gate": "something was held at the gate",
    "Hold Rest At Gate": "something was held at the gate",
    "Park Events": "something was parked for a client",
}
# What a browser may load: nothing. All there is stands in the file.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(facts: Facts) -> str:
    """Return the whole page as HTML."""
    sections = [
        _verdicts(facts),
        _section("The story", _story(facts)),
        _section(
            "What came when, and what waited",
            f"{_legend()}{timeline(facts)}"
            '<p class="note">A shape is an event, numbered in the order of writing; what came in the same moment '
            "stands side by side, and the thin line below leads to its exact time. A bar is a wait, a dashed one a "
            "wait at the gate. Arrivals are told by the queues. Waits were seen by looking at the table of what waits "
            "every fifth of a second or so: a shorter one may not be there.</p>",
        ),
        _section("The same in words", _tables(facts)),
        _section("The paths of the executions", _paths(facts)),
    ]
    counts = f"{many(len(facts.events), 'event')}, {many(len(facts.clients), 'client')}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>mark-event-queue: what came, what waited</title><style>{STYLE}</style></head><body><main>"
        f'<header><h1>What came, what waited, and why</h1><p class="note">mark-event-queue, by <code>make demo</code>'
        f"{escape(f', {facts.made}' if facts.made else '')}: {counts}. Marks, ids, types and times; no contents of "
        f"events.</p></header>{''.join(sections)}</main></body></html>\n"
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _verdicts(facts: Facts) -> str:
    items = [
        f'<li class="{"broken" if verdict.found else "held"}"><b>{"✕ broken" if verdict.found else "✓ held"}</b> '
        f"{escape(verdict.guarantee)}{_list(verdict.found)}</li>"
        for verdict in facts.verdicts
    ]
    return f'<section aria-label="Guarantees"><ul class="verdicts">{"".join(items)}</ul></section>' if items else ""


def _list(texts: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul>{items}</ul>" if items else ""


def _story(facts: Facts) -> str:
    steps = [
        f'<li><b>{escape(step.title)}</b> <span class="at">{facts.seconds(step.at)}</span><br>{escape(step.text)}</li>'
        for step in facts.steps
    ]
    return f'<ol class="story">{"".join(steps)}</ol>'


def _legend() -> str:
    shapes = {
        "live": '<circle cx="9" cy="9" r="8"/>',
        "released": '<path d="M9 0l9 9l-9 9l-9 -9z"/>',
        "redriven": '<rect x="1" y="1" width="16" height="16" rx="2"/>',
        "history": '<path d="M4 1h10l4 8l-4 8h-10l-4 -8z"/>',
    }
    items = [
        f'<li><svg width="18" height="18" aria-hidden="true"><g class="dot {way}">{shapes[way]}</g></svg> '
        f"<b>{way}</b> {escape(meaning)}</li>"
        for way, meaning in WAYS.items()
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'


def _tables(facts: Facts) -> str:
    events = {event.event_id: event for event in facts.events}
    tables = []
    for client in facts.clients:
        came = [arrival for arrival in facts.arrivals if arrival.client == client]
        rows = [
            [
                str(events[one.event_id].number),
                events[one.event_id].mark,
                events[one.event_id].name,
                facts.seconds(events[one.event_id].written),
                facts.seconds(one.at),
                told(facts, one),
            ]
            for one in came
        ]
        table = _table(["event", "mark", "type", "written", "came", "how"], rows)
        tables.append(_folded(f"{client}: what came, in that order ({len(came)})", table))
    waits = [_wait_row(facts, wait) for wait in facts.waits]
    table = _table(["for whom", "event", "mark", "from", "until", "why"], waits)
    tables.append(_folded(f"What waited ({len(waits)})", table))
    rows = [[str(one.number), one.mark, one.name, facts.seconds(one.written), one.event_id] for one in facts.events]
    tables.append(_folded(f"The events ({len(rows)})", _table(["event", "mark", "type", "written", "id"], rows)))
    return "".join(tables)


def _wait_row(facts: Facts, wait: Wait) -> list[str]:
    (event,) = [event for event in facts.events if event.event_id == wait.event_id]
    until = "still waits" if wait.until is None else facts.seconds(wait.until)
    whom = "everybody (gate)" if wait.recipient == GATE else wait.recipient
    return [whom, str(event.number), event.mark, facts.seconds(wait.since), until, wait.why]


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _paths(facts: Facts) -> str:
    notable = [(run, why) for run in facts.runs if (why := _why_notable(run))]
    items = "".join(_run(facts, run, why) for run, why in notable)
    rows = [
        [
            facts.seconds(run.at),
            run.name,
            run.status,
            "release" if run.released else "stream",
            str(run.events),
            f"{run.took} ms",
            _why_notable(run),
        ]
        for run in facts.runs
    ]
    table = _table(["started", "execution", "status", "from", "events", "took", "notable"], rows)
    return (
        "<p>Every batch is one execution of the delivering machine. A state shows how many of the "
        f"{len(facts.runs)} executions went through it (✕: in how many it failed, at least once); a line shows a "
        "way that some took, the thicker the more. Pale states were not needed.</p>"
        f'<div class="paths"><div class="scroll" tabindex="0">{graph(facts.definition, facts.runs)}</div>'
        f"<div><h3>Executions in which something waited or failed</h3>{items or '<p>None.</p>'}"
        f"{_folded(f'All executions ({len(rows)})', table)}</div></div>"
    )


def _why_notable(run: Run) -> str:
    """Return why an execution is worth a look, empty if it is not."""
    whys = [why for state, why in _NOTABLE.items() if state in run.path.names]
    released = ["what was released from the gate"] if run.released else []
    failed = [] if run.status == "SUCCEEDED" else [f"it ended as {run.status}"]
    return "; ".join(dict.fromkeys([*released, *whys, *failed]))


def _run(facts: Facts, run: Run, why: str) -> str:
    inside = run.path.inside(_MAP_OF_CLIENTS)
    of_clients = "".join(
        f"<dt>{escape(run.clients[index] if index < len(run.clients) else str(index))}</dt><dd>{_way(visits)}</dd>"
        for index, visits in sorted(inside.items())
    )
    return (
        f'<article><h4>{facts.seconds(run.at)}: {escape(why)}</h4><p class="note"><code>{escape(run.name)}</code>, '
        f"{many(run.events, 'event')}, {escape(run.status)} in {run.took} ms</p>"
        f"<p>{_way(run.path.outside())}</p><dl>{of_clients}</dl></article>"
    )


def _way(visits: Sequence[Visit]) -> str:
    steps = [
        f'<span class="failed">{escape(visit.name)} ✕ {escape(visit.error)}</span>'
        if visit.error
        else escape(visit.name)
        for visit in visits
    ]
    return " → ".join(steps)
