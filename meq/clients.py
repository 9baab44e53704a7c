"""The registrations of clients, with those that get nothing."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from mark_event_queue.adapters import clients as parameters
from mark_event_queue.domain.clients import Subscription, admit, history_of
from mark_event_queue.domain.held import GATE
from meq.errors import OperatorError
from meq.histories import Histories, Progress
from meq.stack import Stack
from meq.text import listed, near, safe


@dataclass(frozen=True)
class Registration:
    """A registration: its client's name and queue, or why it gets nothing."""

    name: str
    queue: str | None
    problem: str | None
    paused: bool = False
    filter: bool = False
    since: str | None = None
    history: Progress | None = None
    notices: list[str] = field(default_factory=list)
    major: int | None = None


def registrations(stack: Stack) -> list[Registration]:
    """Return the registrations by name, without how far their histories are."""
    found = parameters.registrations(stack.client("ssm"), stack.output("ClientsPath"))
    admission = admit(found)
    return [
        _registration(name, admission.subscriptions.get(name), admission.problem(name) or None)
        for name in sorted(one.name for one in found)
    ]


def with_histories(stack: Stack, found: Sequence[Registration]) -> list[Registration]:
    """Return the registrations with how far the history of each client is that wants one."""
    histories = Histories(stack)
    return [
        replace(one, history=histories.progress(one.name, history_of(one.name, one.since))) if one.since else one
        for one in found
    ]


def _registration(name: str, subscription: Subscription | None, problem: str | None) -> Registration:
    if subscription is None:
        return Registration(name, None, problem)
    return Registration(
        name,
        subscription.queue_url,
        problem,
        subscription.paused,
        subscription.filter is not None,
        subscription.since or None,
        notices=sorted(subscription.notices),
        major=subscription.major or None,
    )


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
