"""What commands print: JSON whose keys stay, or text for people. The only place that knows how either looks."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from functools import singledispatch
from typing import Any

import click

from mark_event_queue.domain.held import GATE
from meq.clients import Registration
from meq.contract.trying import Tried
from meq.executions import RUNNING
from meq.explaining import Explanation
from meq.held import Held, HeldEvent, whose
from meq.histories import PassedOver, Progress
from meq.history import Brought, WouldBring
from meq.pausing import Paused, Resumed
from meq.redrive import Redriven, WouldRedrive
from meq.replay import Replayed
from meq.status import Status
from meq.table import Violation
from meq.text import many, quoted, safe

_NUMBERS = "events", "marks"

_ROWS = 100
"""How many of those that stay are told of one by one."""


def show(data: Any, as_json: bool) -> None:
    """Print data on stdout."""
    click.echo(json.dumps(_plain(data), indent=2) if as_json else "\n".join(_text(data)))


def _plain(data: Any) -> Any:
    """Return data as JSON has it: records as objects, their names in camel case."""
    if is_dataclass(data):
        return {_camel(one.name): _plain(getattr(data, one.name)) for one in fields(data)}
    return [_plain(one) for one in data] if isinstance(data, list) else data


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


@singledispatch
def _text(data: Any) -> list[str]:
    raise TypeError(f"no text for {type(data).__name__}")


@_text.register
def _(data: list) -> list[str]:  # type: ignore[type-arg]  # singledispatch takes plain classes
    if not data:
        return ["None."]
    if isinstance(data[0], Registration):
        return _registrations(data)
    if isinstance(data[0], Explanation):
        return _explanations(data)
    if isinstance(data[0], Tried):
        return [line for one in data for line in _tried(one)]
    return _passed(data) if isinstance(data[0], PassedOver) else _held(data)


def _held(found: Sequence[Held]) -> list[str]:
    rows = [
        (
            one.recipient,
            quoted(one.mark),
            str(one.events),
            one.since,
            one.reason,
            one.first_event_id or "not known" if one.events else "none left",
            _why(one),
        )
        for one in found
    ]
    total = f"Held: {many(sum(one.events for one in found), 'event')} of {many(len(found), 'sequence')}."
    return [*_table(("recipient", "mark", "events", "since", "reason", "first event", "why"), rows), total]


def _why(one: Held) -> str:
    """Return the rules that the first event breaks, or else the error."""
    return _rules(one.violations) or one.error


def _rules(violations: Iterable[Violation]) -> str:
    return "; ".join(f"{one.path} {one.rule}".strip() for one in violations)


@_text.register
def _(data: HeldEvent) -> list[str]:
    rows = [
        ("recipient", data.recipient),
        ("mark", quoted(data.mark)),
        ("event", data.event_id),
        ("sequence number", data.sequence_number),
        ("held at", data.held_at or "not known"),
        ("late", "yes" if data.late else ""),
        ("reason", data.reason),
        ("error of the mark", data.error),
        ("breaks", _rules(data.violations)),
        ("unfit", data.unfit or ""),
        ("body", data.body or ""),
    ]
    return [f"{name:<18} {safe(text)}" for name, text in rows if text]


def _registrations(found: Sequence[Registration]) -> list[str]:
    rows = [(one.name, one.queue or "", "; ".join(_terms(one)), one.problem or "") for one in found]
    return _table(("name", "queue", "terms", "problem"), rows)


def _terms(one: Registration) -> list[str]:
    """Return what a client's registration says beyond its queue."""
    terms = ["paused"] if one.paused else []
    terms += ["filter"] if one.filter else []
    terms += [f"history from {one.since}: {_far(one.history)}"] if one.since else []
    terms += [f"notices: {', '.join(one.notices)}"] if one.notices else []
    return terms + ([f"major {one.major}"] if one.major else [])


def _far(history: Progress | None) -> str:
    if not history or not history.segments:
        return history.progress if history else "not asked"
    return f"{history.progress}, {many(history.sent, 'event')}, {history.segments_done} of {history.segments} parts"


def _explanations(found: Sequence[Explanation]) -> list[str]:
    rows = [(one.event_id, one.answer, one.since or "", _because(one)) for one in found]
    return _table(("event", "answer", "since", "why"), rows)


def _because(one: Explanation) -> str:
    rules = _rules(one.violations)
    return f"{one.detail} ({rules})" if rules else one.detail


def _passed(found: Sequence[PassedOver]) -> list[str]:
    rows = [(quoted(one.mark), one.create_time, one.event_id, _rules(one.violations)) for one in found]
    return _table(("mark", "time", "event", "breaks"), rows)


def _tried(one: Tried) -> list[str]:
    place = f"{safe(one.place)}: " if one.place else ""
    if one.message is None:
        broken = [f"  {safe(violation.path)} {safe(violation.rule)}".rstrip() for violation in one.violations]
        return [f"{place}breaks the contract. All later events of its mark would wait behind it:", *broken]
    rows = {"body": one.message.body, "group": one.message.group_id} | one.message.attributes
    rows.setdefault("sequenceNumber", "(the stream gives it)")
    return [f"{place}valid. The message that a client gets:", *(f"  {name:<15} {safe(rows[name])}" for name in rows)]


@_text.register
def _(data: Paused) -> list[str]:
    return [
        f"{safe(data.client)} is paused: from within a minute on everything is held for it, in order.",
        f"See: meq held --client {safe(data.client)}. Let it go: meq resume {safe(data.client)}.",
    ]


@_text.register
def _(data: Resumed) -> list[str]:
    lines = [f"{safe(data.client)} is resumed. Delivered {many(data.delivered, 'event')} that had been held."]
    if data.failed:
        lines.append(f"The redrive that was to deliver the rest failed: {safe('; '.join(data.errors))}")
    elif data.errors:
        lines.append(f"Its queue refuses the rest ({safe(', '.join(data.errors))}): meq held, meq redrive.")
    elif data.still_held:
        lines.append(f"{many(data.still_held, 'event')} still held: meq redrive {safe(data.client)}")
    return lines


@_text.register
def _(data: WouldBring) -> list[str]:
    events, size = many(data.events, "event"), f"{data.bytes / 1_000_000:,.1f} MB"
    return [
        f"Would read about {events}, {size}, {data.read_units:,} read units, in {data.seconds_at_least} s at least.",
        "The numbers are the producer's table's own, up to six hours old; filter and start are not taken off.",
    ]


@_text.register
def _(data: Brought) -> list[str]:
    of = f"the mark {quoted(data.mark)}" if data.mark else safe(data.client)
    if data.status == RUNNING:
        return [f"Not ended yet: {data.execution_arn}"]
    if data.stopped:
        return [f"The history of {of} is stopped; what comes is held. Go on: meq history {safe(data.client)}"]
    if not data.done:
        return [f"{data.status}: {safe('; '.join(data.errors))}", f"Go on: meq history {safe(data.client)}"]
    lines = [f"History of {of} is delivered, and what was held meanwhile."]
    if data.history and not data.mark:
        far = data.history
        lines.append(
            f"{many(far.sent, 'event')} of {many(far.marks, 'mark')} sent, {far.filtered} filtered, "
            f"{far.passed_over} passed over, {far.left_to_gate} left to the gate."
        )
    return lines


@_text.register
def _(data: Status) -> list[str]:
    rows = [(one.recipient, str(one.marks), str(one.events)) for one in data.held]
    held = _table(("recipient", "marks", "events"), rows) if rows else ["Nothing is held."]
    problems = (
        f", of which {data.clients_with_a_problem} get nothing (meq clients)" if data.clients_with_a_problem else ""
    )
    return [
        *held,
        f"Waiting for a replay: {many(data.undelivered_objects, 'object')} with records that the stream gave up.",
        f"Registered: {many(data.clients, 'client')}{problems}.",
    ]


@_text.register
def _(data: WouldRedrive) -> list[str]:
    rows = [(quoted(one.mark), str(one.events), one.since, one.reason, one.error) for one in data.sequences]
    not_all = data.more_sequences is True
    others = "more sequences than were counted" if not_all else f"{many(data.more_sequences, 'sequence')} more"
    more = [f"… and {others}."] if data.more_sequences else []
    least = "at least " if not_all else ""
    discard, deliver = f"{least}{many(data.would_discard, 'event')}", f"{least}{data.would_deliver}"
    would = f"Would discard {discard} and deliver {deliver} {_to(data.recipient)}."
    return [*_table(("mark", "events", "since", "reason", "error"), rows), *more, would]


def _to(recipient: str) -> str:
    return "to everybody, where the contract allows it" if recipient == GATE else f"to {safe(recipient)}"


@_text.register
def _(data: Redriven) -> list[str]:
    if data.status == RUNNING:
        return [f"Not ended yet: {data.execution_arn}"]
    if data.delivered is None:
        return [
            f"{data.status}: {safe('; '.join(data.errors))}",
            f"What is not delivered stays. See {data.execution_arn}",
        ]
    at_gate = data.recipient == GATE
    lines = [f"Discarded {many(data.discarded, 'event')}."] if data.discarded else []
    lines.append(f"Delivered {many(data.delivered, 'event')} to {'everybody' if at_gate else safe(data.recipient)}.")
    if data.errors:
        stopped = many(data.stopped_sequences or 0, "sequence")
        lines.append(f"Stopped: {stopped} ({safe(', '.join(data.errors))}). Still held {whose(data.recipient)}:")
        rows = [(quoted(one.mark), str(one.events), _why(one)) for one in data.still_held]
        lines += _table(("mark", "events", "why"), rows[:_ROWS])
        lines += [f"… and {many(len(rows) - _ROWS, 'sequence')} more: meq held"] if len(rows) > _ROWS else []
    elif data.nothing_held:
        lines.append(f"Nothing is held {whose(data.recipient)} any more.")
    return lines


@_text.register
def _(data: Replayed) -> list[str]:
    lines = [f"Delivered {many(one.records, 'record')} of {quoted(one.key)}." for one in data.delivered]
    lines += [f"Late: {many(one.records, 'record')} of {quoted(one.mark)}, behind later events." for one in data.late]
    if data.table_problem:
        lines.append(f"All of it counts as late, for the table of the events cannot be read: {data.table_problem}")
    lines += [f"Passed over {quoted(one.key)}, which stays: it {one.problem}." for one in data.passed_over]
    if data.stopped_at:
        lines.append(f"Stopped at {quoted(data.stopped_at.key)}, which stays: {data.stopped_at.problem}.")
    if data.remaining:
        return [*lines, f"Still in the bucket: {many(data.remaining, 'object')}."]
    return lines or ["There is nothing to replay."]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return rows below their heads, numbers to the right; the heads are bold, which a file or a pipe never sees."""
    cells = [[safe(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if head in _NUMBERS else cell.ljust(width)
            for head, cell, width in zip(heads, row, widths, strict=True)
        ).rstrip()
        for row in [heads, *cells]
    ]
    return [click.style(lines[0], bold=True), *lines[1:]]
