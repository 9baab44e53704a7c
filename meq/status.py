"""How much waits in a stack, in numbers."""

from collections import defaultdict
from dataclasses import dataclass

from meq.clients import registrations
from meq.held import HeldEvents
from meq.replay import undelivered
from meq.stack import Stack

_DEPTHS = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]


@dataclass(frozen=True)
class Waiting:
    """How much is held for a recipient."""

    recipient: str
    marks: int | None
    events: int


@dataclass(frozen=True)
class Status:
    """How much waits; objects are those with records that the stream gave up."""

    stack: str
    held: list[Waiting]
    undelivered_objects: int
    clients: int
    clients_with_a_problem: int


def status(stack: Stack) -> Status:
    """Count what waits."""
    events: dict[str, list[int]] = defaultdict(list)
    for one in HeldEvents(stack).all():
        events[one.recipient].append(one.events)
    held = [Waiting(recipient, len(each), sum(each)) for recipient, each in events.items()]
    clients = registrations(stack)
    idle = sum(bool(one.problem) for one in clients)
    return Status(stack.name, [*_at_gate(stack), *held], len(undelivered(stack)), len(clients), idle)


def _at_gate(stack: Stack) -> list[Waiting]:
    """Return what is quarantined: SQS counts its messages, roughly, and does not say of how many marks."""
    url = stack.output("QuarantineQueueUrl")
    depths = stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=_DEPTHS)["Attributes"]
    events = sum(int(depths[name]) for name in _DEPTHS)
    return [Waiting("gate", None, events)] if events else []
