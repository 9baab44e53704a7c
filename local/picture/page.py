"""The page: the story, the timeline, the same in tables, the executions' paths and the verdict, in one file."""

from collections.abc import Iterable, Sequence
from html import escape

from local.picture.facts import FOREIGN, Arrival, Facts, Run, Wait
from local.picture.graph import graph
from local.picture.paths import Visit
from local.picture.style import STYLE
from local.picture.timeline import WAYS, timeline, told
from mark_event_queue.domain.held import GATE
from meq.text import many

_MAP_OF_CLIENTS = "Deliver To Clients"
_SENDING = {"Send Wave", "Send Refused Event", "Out Of Time"}
# What a browser may load: nothing. All there is stands in the file.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(facts: Facts) -> str:
    """Return the whole page as HTML."""
    sections = [
        _failure(facts),
        _verdicts(facts),
        _section("What came when, what waited, and why", f"{_legend(facts)}{timeline(facts)}{_note()}{_waits(facts)}"),
        _section("The story", _story(facts)),
        _section("What came, in words", _tables(facts)),
        _section("The executions and their paths", _paths(facts)),
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


def _failure(facts: Facts) -> str:
    if not facts.failure:
        return ""
    return f'<p class="broken" role="alert"><b>✕ The demo did not come to its end:</b> {escape(facts.failure)}</p>'


def _note() -> str:
    return (
        '<p class="note">A shape is an event, numbered in the order of writing, at the time when it came; what came at '
        "the same time stands below it. A bar is a wait, a dashed one a wait at the gate. Arrivals are told by the "
        "queues. Waits were seen by looking at the table of what waits every fifth of a second or so: a shorter one "
        "may not be there.</p>"
    )


def _verdicts(facts: Facts) -> str:
    items = [_verdict(verdict.guarantee, verdict.found, "kept", "broken") for verdict in facts.verdicts]
    return f'<section aria-label="Guarantees"><ul class="verdicts">{"".join(items)}</ul></section>' if items else ""


def _verdict(judged: str, found: Sequence[str], good: str, bad: str) -> str:
    told = f"✕ {bad}" if found else f"✓ {good}"
    return f'<li class="{"broken" if found else "kept"}"><b>{told}</b> {escape(judged)}{_list(found)}</li>'


def _list(texts: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul>{items}</ul>" if items else ""


def _story(facts: Facts) -> str:
    steps = [
        f'<li><b>{escape(step.title)}</b> <span class="at">{facts.seconds(step.at)}</span><br>{escape(step.text)}</li>'
        for step in facts.steps
    ]
    missing = [_verdict(one.guarantee, one.found, "shown", "not shown") for one in facts.shown if one.found]
    told = f'<ul class="verdicts">{"".join(missing)}</ul>' if missing else ""
    return f'{told}<ol class="story">{"".join(steps)}</ol>'


def _legend(facts: Facts) -> str:
    ways = {facts.way(arrival) for arrival in facts.arrivals}
    shapes = {
        "live": '<circle cx="9" cy="9" r="8"/>',
        "released": '<path d="M9 0l9 9l-9 9l-9 -9z"/>',
        "redriven": '<rect x="1" y="1" width="16" height="16" rx="2"/>',
        "history": '<path d="M4 1h10l4 8l-4 8h-10l-4 -8z"/>',
    } | ({FOREIGN: '<circle cx="9" cy="9" r="8"/>'} if FOREIGN in ways else {})
    items = [
        f'<li><svg width="18" height="18" aria-hidden="true"><g class="dot {way}">{shape}</g></svg> '
        f"<span><b>{way}</b> {escape(WAYS[way])}</span></li>"
        for way, shape in shapes.items()
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'


def _tables(facts: Facts) -> str:
    tables = []
    for client in facts.clients:
        came = [arrival for arrival in facts.arrivals if arrival.client == client]
        table = _table(["event", "mark", "type", "written", "came", "how"], [_came(facts, one) for one in came])
        tables.append(_folded(f"{client}: what came, in that order ({len(came)})", table))
    rows = [[str(one.number), one.mark, one.name, facts.seconds(one.written), one.event_id] for one in facts.events]
    tables.append(_folded(f"The events ({len(rows)})", _table(["event", "mark", "type", "written", "id"], rows)))
    return "".join(tables)


def _came(facts: Facts, arrival: Arrival) -> list[str]:
    event, at = facts.event(arrival.event_id), facts.seconds(arrival.at)
    if not event.number:
        return ["?", event.mark, event.name, "", at, event.event_id]
    return [str(event.number), event.mark, event.name, facts.seconds(event.written), at, told(facts, arrival)]


def _waits(facts: Facts) -> str:
    rows = [
        [
            "everybody (gate)" if recipient == GATE else recipient,
            facts.seconds(min(wait.since for wait in waits)),
            _until(facts, waits),
            why,
            facts.numbers(waits),
        ]
        for (recipient, why), waits in facts.together(facts.waits).items()
    ]
    table = _table(["for whom", "from", "until", "why", "events"], rows)
    return f"<details open><summary>What waited ({len(facts.waits)})</summary>{table}</details>"


def _until(facts: Facts, waits: Sequence[Wait]) -> str:
    ends = [wait.until for wait in waits if wait.until is not None]
    if len(ends) < len(waits):
        return f"{len(waits) - len(ends)} of {len(waits)} still wait" if ends else "still waits"
    return facts.seconds(max(ends))


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _paths(facts: Facts) -> str:
    return (
        "<p>Every batch is one execution of the delivering machine. A state shows how many of the "
        f"{len(facts.runs)} executions went through it (✕: in how many it failed, at least once); a line shows a "
        "way that some took, the thicker the more, violet if it leads back. Dashed states were not needed.</p>"
        f'<div class="paths"><div class="scroll" tabindex="0">{graph(facts.definition, facts.runs)}</div>'
        f"<div><h3>Which events each carried, and by which path</h3>"
        f"{''.join(_run(facts, run) for run in facts.runs) or '<p>None.</p>'}</div></div>"
    )


def _run(facts: Facts, run: Run) -> str:
    inside = run.path.inside(_MAP_OF_CLIENTS)
    of_clients = "".join(
        f"<dt>{escape(run.clients[index] if index < len(run.clients) else str(index))}</dt><dd>{_branch(visits)}</dd>"
        for index, visits in sorted(inside.items())
    )
    released = "released " if run.released else ""
    failed = "" if run.status == "SUCCEEDED" else f"{run.status}; "
    what = f"{failed}{_waited(facts, run) or 'nothing waited'}"
    return (
        f"<details{' open' if run.path.errors or failed else ''}><summary>{facts.seconds(run.at)}: {released}"
        f'{escape(facts.carried(run))} <span class="at">{escape(what)}</span></summary>'
        f'<p class="note"><code>{escape(run.name)}</code>, {escape(run.status)} in {run.took} ms</p>'
        f"<p>{_way(run.path.outside())}</p><dl>{of_clients}</dl></details>"
    )


def _waited(facts: Facts, run: Run) -> str:
    return "; ".join(
        f"{facts.which(run, waits)}held {'at the gate' if recipient == GATE else f'for {recipient}'}, {why}"
        for (recipient, why), waits in facts.together(facts.waited(run)).items()
    )


def _branch(visits: Sequence[Visit]) -> str:
    nothing = "" if {visit.name for visit in visits} & _SENDING else " <b>(nothing to send)</b>"
    return f"{_way(visits)}{nothing}"


def _way(visits: Sequence[Visit]) -> str:
    steps = [
        f'<span class="failed">{escape(visit.name)} ✕ {escape(visit.error)}</span>'
        if visit.error
        else escape(visit.name)
        for visit in visits
    ]
    return " → ".join(steps)
