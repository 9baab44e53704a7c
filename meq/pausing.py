"""Pauses a client and resumes it: by its registration, which is the one place that says who gets what."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from mark_event_queue.adapters.clients import registrations as parameters
from mark_event_queue.domain.clients import admit
from mark_event_queue.domain.held import PAUSED
from meq.clients import demand_known
from meq.errors import OperatorError
from meq.held import HeldEvents
from meq.redrive import Asked, Redriven, start, wait
from meq.stack import Stack
from meq.text import safe

# A selection that knew the client as paused may hold for so long: its cache of 5 s, and as long as it may take.
SETTLE_SECONDS = 35

_LONGEST_DESCRIPTION = 1_024  # Systems Manager API Reference, PutParameter


@dataclass(frozen=True)
class Paused:
    """A client that has been paused, and why."""

    client: str
    reason: str
    by: str
    done: bool = True


@dataclass(frozen=True)
class Resumed:
    """A client that has been resumed: what was delivered of what was held, and whether anything still is."""

    client: str
    delivered: int
    errors: list[str]
    still_held: int
    interrupted: bool = False
    failed: bool = False
    """Whether an execution failed, which is what the errors tell of then; else they are those of the queue."""

    @property
    def done(self) -> bool:
        """Whether nothing stays."""
        return not (self.errors or self.still_held or self.interrupted)


def pause(stack: Stack, client: str, reason: str, by: str) -> Paused:
    """Have everything held for a client from now on.

    Raises:
        OperatorError: there is no such client, its registration makes no sense, or it is paused already.
    """
    value = _value(stack, client)
    if value.get("paused"):
        raise OperatorError(f"{safe(client)} is paused already. To let its events go: meq resume {safe(client)}")
    _put(stack, client, value | {"paused": True}, f"Paused by {by}: {reason}")
    return Paused(client, reason, by)


def resume(stack: Stack, client: str) -> None:
    """Let live events go to a client again.

    Raises:
        OperatorError: there is no such client, its registration makes no sense, or it is not paused.
    """
    value = _value(stack, client)
    if not value.get("paused"):
        raise OperatorError(f"{safe(client)} is not paused. What is held for it: meq redrive {safe(client)}")
    _put(stack, client, {name: said for name, said in value.items() if name != "paused"}, "Resumed")


def let_go(
    stack: Stack,
    client: str,
    tell: Callable[[str], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Resumed:
    """Deliver what is held for a client that has been resumed, in order, until nothing is left of the pause.

    Ctrl-C ends the wait, not what has been started.
    """
    table, asked, delivered = HeldEvents(stack), Asked(client), 0
    try:
        for left in range(SETTLE_SECONDS, 0, -1):
            tell(f"{safe(client)}: {left} s until no function holds anything for it any more")
            sleep(1)
        while any(one.reason == PAUSED for one in table.all(client)):
            outcome = cast(Redriven, wait(stack, asked, start(stack, asked), tell, sleep))  # no dry run is asked for
            delivered += outcome.delivered or 0
            if outcome.delivered is None or outcome.errors:
                has_failed = outcome.delivered is None and bool(outcome.errors)
                left_now = table.left(client)
                return Resumed(client, delivered, outcome.errors, left_now, not outcome.errors, has_failed)
    except KeyboardInterrupt:
        return Resumed(client, delivered, [], table.left(client), interrupted=True)
    return Resumed(client, delivered, [], table.left(client))


def _value(stack: Stack, client: str) -> dict[str, Any]:
    found = parameters(stack.client("ssm"), stack.output("ClientsPath"))
    demand_known(client, {one.name for one in found})
    if problem := admit(found).malformed.get(client):
        raise OperatorError(f"The registration of {safe(client)} {problem}. Correct that first.")
    (registration,) = [one for one in found if one.name == client]
    value: dict[str, Any] = json.loads(registration.value)
    return value


def _put(stack: Stack, client: str, value: dict[str, Any], description: str) -> None:
    stack.client("ssm").put_parameter(
        Name=f"{stack.output('ClientsPath')}/{client}",
        Value=json.dumps(value),
        Type="String",
        Overwrite=True,
        Description=description[:_LONGEST_DESCRIPTION],
    )
