"""Gathers the facts of the picture from what the story left: queues, what was seen waiting, histories."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from local.guarantees import Verdict
from local.inspection import Execution, Executions, Held
from local.picture.facts import Arrival, Event, Facts, Run, Step, Wait
from local.picture.paths import path_of
from local.queues import Message
from local.story import Story, Written
from mark_event_queue.domain.held import GATE

FAN_OUT = "fan-out"


def collect(story: Story, executions: Executions, verdicts: Sequence[Verdict], made: datetime) -> Facts:
    """Return the facts of a story that has been told."""
    clients = [name for name in story.received if name != FAN_OUT]
    return Facts(
        clients,
        [_event(number, one) for number, one in enumerate(story.written, start=1)],
        [_arrival(client, message) for client in clients for message in story.received[client]],
        [_wait(held, story.received) for held in _in_order(story)],
        [Step(*step) for step in story.steps],
        [_run(one, executions.history(one.name)) for one in executions.all()],
        verdicts,
        executions.definition(),
        made.strftime("%d %B %Y, %H:%M UTC"),
    )


def _event(number: int, written: Written) -> Event:
    item = written.item
    return Event(number, item["eventId"]["S"], item["mark"]["S"], item["eventName"]["S"], written.at)


def _arrival(client: str, message: Message) -> Arrival:
    return Arrival(client, message.event_id, message.sent, "history" in message.attributes)


def _in_order(story: Story) -> list[Held]:
    """Return what was seen waiting: the gate first, then client by client, each in the order of writing."""
    written = [one.item["eventId"]["S"] for one in story.written]
    recipients = [GATE, *story.received]
    seen = story.watch.seen.values()
    return sorted(seen, key=lambda held: (recipients.index(held.recipient), written.index(held.event_id)))


def _wait(held: Held, received: Mapping[str, Sequence[Message]]) -> Wait:
    """Return a wait with its end: when the event came to the client, or, from the gate, to the fan-out queue."""
    queue = FAN_OUT if held.recipient == GATE else held.recipient
    until = next((one.sent for one in received[queue] if one.event_id == held.event_id), None)
    rules = [f"{broken['rule']} at {broken['path']}" for broken in json.loads(held.violations)]
    return Wait(held.recipient, held.event_id, held.since, until, held.reason, held.error, rules)


def _run(execution: Execution, history: Sequence[Mapping[str, Any]]) -> Run:
    began, ended = (_milliseconds(history[place]["timestamp"]) for place in (0, -1))
    return Run(
        execution.name,
        execution.status,
        began,
        ended - began,
        execution.released,
        execution.clients,
        execution.events,
        path_of(history),
    )


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
