"""Puts quarantined events that the contract allows by now through the pipeline again.

The events of a mark go in the order in which they were quarantined, and behind one that still breaks
the contract none of its mark goes. They come after whatever of the mark was delivered meanwhile:
their sequence numbers tell.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from mark_event_queue.adapters.clients import Clients
from mark_event_queue.adapters.executions import Executions
from mark_event_queue.converter.conversion import input_of
from mark_event_queue.domain.batches import Batch, split
from mark_event_queue.domain.budget import budget
from mark_event_queue.domain.clients import Client
from mark_event_queue.domain.contract import Contract, load
from mark_event_queue.domain.errors import BatchNotDeliveredError
from mark_event_queue.domain.events import Event
from meq.stack import Stack
from meq.text import mark_of

SCHEMAS = Path(__file__).parent.parent / "schemas" / "v1"

# Longer than the executions of one receive may take, so that nobody else is handed the same messages.
_VISIBILITY_SECONDS = 900

# Without a wait SQS may answer that there is nothing although there is (Developer Guide, short polling).
_WAIT_SECONDS = 1


class Quarantined(NamedTuple):
    """A message of the quarantine queue, and the event in it."""

    receipt: str
    event: Event


@dataclass(frozen=True)
class Staying:
    """An event that stays in quarantine."""

    event_id: str
    mark: str


@dataclass
class Released:
    """What came of a release."""

    released: int = 0
    staying: list[Staying] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    interrupted: bool = False

    @property
    def done(self) -> bool:
        """Whether nothing stays in quarantine, as far as it was looked."""
        return not (self.staying or self.unreadable or self.interrupted)


def release(stack: Stack, tell: Callable[[str], None] = lambda _: None) -> Released:
    """Release what is valid now; return what was released and what stays. Ctrl-C ends it; what it had in hand stays.

    Raises:
        BatchNotDeliveredError, StateMachineUnavailableError: an execution failed; what it was to release stays.
    """
    queue, url = stack.client("sqs"), stack.output("QuarantineQueueUrl")
    executions = Executions(stack.output("StateMachineArn"))
    outcome = Released()
    clients = Clients(
        stack.output("ClientsPath"), lambda admission: outcome.left_out.extend(admission.complaints())
    ).registered()
    contract = load(SCHEMAS)
    held: list[Quarantined] = []
    unreadable: list[dict[str, Any]] = []
    stuck: set[str] = set()
    try:
        while messages := _receive(queue, url):
            received = [one for message in messages if (one := _quarantined(message))]
            unreadable += [message for message in messages if not _quarantined(message)]
            held += received
            valid, _ = sort(received, contract, stuck)
            for batch in split((one.event for one in valid), budget(clients)):
                _deliver(batch, clients, executions)
            for one in valid:
                queue.delete_message(QueueUrl=url, ReceiptHandle=one.receipt)
                held.remove(one)
            outcome.released += len(valid)
            tell(f"{outcome.released} released, {len(held)} stay in quarantine so far")
    except KeyboardInterrupt:
        outcome.interrupted = True
    finally:
        for receipt in [one.receipt for one in held] + [message["ReceiptHandle"] for message in unreadable]:
            queue.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0)
    outcome.staying = [Staying(one.event.event_id, mark_of(one.event.group_id)) for one in held]
    outcome.unreadable = [str(message.get("MessageId", "without an id")) for message in unreadable]
    return outcome


def sort(
    received: Iterable[Quarantined], contract: Contract, stuck: set[str]
) -> tuple[list[Quarantined], list[Quarantined]]:
    """Return the messages to release and those that stay; `stuck` gains the groups of the latter."""
    valid, staying = [], []
    for one in received:
        if one.event.group_id in stuck or one.event.unfit or contract.violations(one.event.body):
            stuck.add(one.event.group_id)
            staying.append(one)
        else:
            valid.append(one)
    return valid, staying


def _deliver(batch: Batch, clients: list[Client], executions: Executions) -> None:
    """Put a batch through the pipeline; what the stack's own contract rejects is not delivered."""
    output = executions.run(f"release-{uuid4()}", input_of(batch, clients, datetime.now(UTC)))
    if json.loads(output)["counts"]["rejected"]:
        raise BatchNotDeliveredError("the deployed contract still rejects what the one here allows: deploy it first")


def _receive(queue: Any, url: str) -> list[dict[str, Any]]:
    answer = queue.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=_WAIT_SECONDS,
        VisibilityTimeout=_VISIBILITY_SECONDS,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["MessageGroupId"],
    )
    return list(answer.get("Messages", []))


def _quarantined(message: dict[str, Any]) -> Quarantined | None:
    """Return a message and its event, or None of one that this application cannot have written."""
    try:
        attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
        body = json.loads(message["Body"])
        event = Event(
            event_id=attributes["eventId"],
            mark=str(body.get("mark", "")),
            group_id=message["Attributes"]["MessageGroupId"],
            sequence_number=attributes["sequenceNumber"],
            body=message["Body"],
            unfit="no event" if "tableKey" in body else "",
        )
    except (ValueError, KeyError, AttributeError, RecursionError):
        return None
    return Quarantined(message["ReceiptHandle"], event)
