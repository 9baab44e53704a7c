"""The registrations of clients, with those that get nothing."""

from collections.abc import Collection
from dataclasses import dataclass

from mark_event_queue.adapters import clients as parameters
from mark_event_queue.domain.clients import admit
from mark_event_queue.domain.held import GATE
from meq.errors import OperatorError
from meq.stack import Stack
from meq.text import listed, near, safe


@dataclass(frozen=True)
class Registration:
    """A registration: its client's name and queue, or why it gets nothing."""

    name: str
    queue: str | None
    problem: str | None


def registrations(stack: Stack) -> list[Registration]:
    """Return the registrations by name."""
    found = parameters.registrations(stack.client("ssm"), stack.output("ClientsPath"))
    admission = admit(found)
    queues = {client["name"]: client["queueUrl"] for client in admission.clients}
    names = sorted(one.name for one in found)
    return [Registration(name, queues.get(name), admission.problem(name) or None) for name in names]


def no_gate(name: str) -> str:
    """Return the name of a client.

    Raises:
        OperatorError: it is the gate's.
    """
    if name == GATE:
        raise OperatorError("The gate is no client. What is held there: meq release; other commands: --gate.")
    return name


def demand_known(name: str, known: Collection[str]) -> None:
    """Make sure that a client is one of those that are known.

    Raises:
        OperatorError: it is not; the text says which clients there are.
    """
    names = set(known) - {GATE}
    if name not in names:
        raise OperatorError(f"There is no client {safe(name)}.{near(name, names)}\nThere are: {listed(names)}.")
