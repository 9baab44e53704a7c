"""Puts quarantined events that the contract allows by now through the pipeline again.

The events of a mark go in the order in which they were quarantined, and behind one that still breaks
the contract none of its mark goes. They come after whatever of the mark was delivered meanwhile:
their sequence numbers tell.
"""

import json
from collections.abc import Iterable, Iterator
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
from meq.redrive import Outcome
from meq.stack import Stack

SCHEMAS = Path(__file__).parent.parent / "schemas" / "v1"

# Longer than the executions of one receive may take, so that nobody else is handed the same messages.
_VISIBILITY_SECONDS = 900

# Without a wait SQS may answer that there is nothing although there is (Developer Guide, short polling).
_WAIT_SECONDS = 1


class Quarantined(NamedTuple):
    """A message of the quarantine queue, and the event in it."""

    receipt: str
    event: Event


def release(stack: Stack) -> Outcome:
    """Release what is valid now; return what was released and what stays.

    Raises:
        BatchNotDeliveredError, StateMachineUnavailableError: an execution failed; what it was to release stays.
    """
    queue, url = stack.client("sqs"), stack.outputs["QuarantineQueueUrl"]
    executions = Executions(stack.outputs["StateMachineArn"])
    left_out: list[str] = []
    clients = Clients(
        stack.outputs["ClientsPath"],
        lambda admission: left_out.extend(f"  {complaint}" for complaint in admission.complaints()),
    ).registered()
    contract = load(SCHEMAS)
    released = 0
    held: list[Quarantined] = []
    stuck: set[str] = set()
    try:
        while received := _receive(queue, url):
            held += received
            valid, _ = sort(received, contract, stuck)
            for batch in split((one.event for one in valid), budget(clients)):
                _deliver(batch, clients, executions)
            for one in valid:
                queue.delete_message(QueueUrl=url, ReceiptHandle=one.receipt)
                held.remove(one)
            released += len(valid)
    finally:
        for one in held:
            queue.change_message_visibility(QueueUrl=url, ReceiptHandle=one.receipt, VisibilityTimeout=0)
    lines = [f"released {released}, {len(held)} stay in quarantine", *left_out]
    return lines + [f"  {one.event.event_id} of {one.event.group_id}" for one in held], not held


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


def _receive(queue: Any, url: str) -> list[Quarantined]:
    answer = queue.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=_WAIT_SECONDS,
        VisibilityTimeout=_VISIBILITY_SECONDS,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["MessageGroupId"],
    )
    return list(_quarantined(answer.get("Messages", [])))


def _quarantined(messages: Iterable[dict[str, Any]]) -> Iterator[Quarantined]:
    for message in messages:
        attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
        body = json.loads(message["Body"])
        yield Quarantined(
            message["ReceiptHandle"],
            Event(
                event_id=attributes["eventId"],
                mark=str(body.get("mark", "")),
                group_id=message["Attributes"]["MessageGroupId"],
                sequence_number=attributes["sequenceNumber"],
                body=message["Body"],
                unfit="no event" if "tableKey" in body else "",
            ),
        )
