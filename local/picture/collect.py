"""Gathers the facts of the picture from what the story left: queues, what was seen waiting, histories."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from local.guarantees import Verdict
from local.inspection import Execution, Executions, Held, milliseconds
from local.picture.facts import Act, Arrival, Event, Facts, Rule, Run, Step, Wait
from local.picture.paths import path_of
from local.queues import Message
from local.story import Story, Written
from mark_event_queue.domain.held import GATE

FAN_OUT = "fan-out"


def collect(story: Story, executions: Executions | None, verdicts: Sequence[Verdict], made: datetime) -> Facts:
    """Return the facts of a story, as far as it was told; without `executions` the engine is not asked for any."""
    clients = [name for name in story.received if name != FAN_OUT]
    numbers = {one.item["eventId"]["S"]: number for number, one in enumerate(story.written, start=1)}
    seen = _in_order(story, numbers)
    facts = Facts(
        clients,
        [_event(number, one) for number, one in enumerate(story.written, start=1)],
        [_arrival(client, message) for client in clients for message in story.received[client]],
        [_wait(held, story.received, numbers) for held in seen],
        [Step(*step) for step in story.steps],
        verdicts=verdicts,
        made=made.strftime("%d %B %Y, %H:%M UTC"),
        acts={name: Act(*act) for name, act in story.acts.items()},
        widened=story.contracts[-1].since,
    )
    if executions is None:
        return facts
    runs = [_run(one, executions.history(one.name)) for one in executions.all()]
    return replace(facts, runs=runs, definition=executions.definition())


def _event(number: int, written: Written) -> Event:
    item = written.item
    return Event(number, item["eventId"]["S"], item["mark"]["S"], item["eventName"]["S"], written.at)


def _arrival(client: str, message: Message) -> Arrival:
    return Arrival(
        client, message.attributes.get("eventId", "without an id"), message.sent, "history" in message.attributes
    )


def _in_order(story: Story, numbers: Mapping[str, int]) -> list[Held]:
    """Return what was seen waiting: the gate first, then client by client, each in the order of writing."""
    recipients = {recipient: place for place, recipient in enumerate([GATE, *story.received])}
    seen = story.watch.seen.values()
    return sorted(seen, key=lambda held: (recipients.get(held.recipient, -1), numbers.get(held.event_id, 0)))


def _wait(held: Held, received: Mapping[str, Sequence[Message]], numbers: Mapping[str, int]) -> Wait:
    """Return a wait with its end: when the event came to the client, or, from the gate, to the fan-out queue."""
    queue = FAN_OUT if held.recipient == GATE else held.recipient
    came = (one.sent for one in received.get(queue, ()) if one.attributes.get("eventId") == held.event_id)
    rules = [Rule(broken["path"], broken["rule"]) for broken in json.loads(held.violations)]
    behind = numbers.get(held.behind, 0)
    return Wait(held.recipient, held.event_id, held.since, next(came, None), held.reason, held.error, rules, behind)


def _run(execution: Execution, history: Sequence[Mapping[str, Any]]) -> Run:
    ended = execution.ended or milliseconds(history[-1]["timestamp"])
    return Run(
        execution.name,
        execution.status,
        execution.began,
        ended - execution.began,
        execution.released,
        execution.clients,
        execution.event_ids,
        path_of(history),
    )
