"""How much waits in a stack, in numbers."""

from collections import defaultdict
from dataclasses import dataclass

from meq.clients import registrations
from meq.held import HeldEvents
from meq.replay import undelivered
from meq.stack import Stack


@dataclass(frozen=True)
class Waiting:
    """How much is held for a recipient: a client, or the gate."""

    recipient: str
    marks: int
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
    return Status(stack.name, held, len(undelivered(stack)), len(clients), idle)
