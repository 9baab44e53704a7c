"""Redrives, releases and discards: asks the redrive state machine for them, and tells what came of it."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from mark_event_queue.domain.held import GATE
from meq import executions
from meq.clients import demand_known, registrations
from meq.errors import KNOWN, NothingHeldError, OperatorError, explain
from meq.executions import RUNNING, SUCCEEDED, problem_of
from meq.held import Held, HeldEvents
from meq.obstacles import obstacles
from meq.stack import Stack
from meq.text import many, safe

_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Asked:
    """What is asked of a redrive; one of the gate is a release."""

    recipient: str
    mark: str | None = None
    discard: bool = False
    everything: bool = False
    reason: str = ""
    by: str = ""
    dry_run: bool = False
    event_id: str = ""
    """Of a discard of one event: which one it has to be; the machine refuses if another one is the first by then."""

    @property
    def sends(self) -> bool:
        """Whether it sends what is left, or a dry run tells of that."""
        return not (self.discard and self.everything)

    def as_input(self) -> dict[str, Any]:
        """Return the input of the state machine."""
        at_gate = self.recipient == GATE
        recipient: dict[str, Any] = {"gate": True} if at_gate else {"client": self.recipient}
        mark = {} if self.mark is None else {"mark": self.mark}
        record = {"by": self.by, "reason": self.reason, "all": self.everything} if self.discard else {}
        record |= {"eventId": self.event_id} if self.event_id else {}
        letting_go = "release" if at_gate else "redrive"
        return recipient | {"action": "discard" if self.discard else letting_go, "dryRun": self.dry_run} | mark | record


@dataclass(frozen=True)
class Redriven:
    """What came of a redrive, a release or a discard; its counts are known once it has succeeded."""

    recipient: str
    mark: str | None
    status: str
    sequences: int | None
    delivered: int | None
    discarded: int | None
    stopped_sequences: int | None
    errors: list[str]
    still_held: list[Held]
    nothing_held: bool | None
    execution_arn: str

    @property
    def done(self) -> bool:
        """Whether it did all that was asked."""
        return self.status == SUCCEEDED and not self.errors


@dataclass(frozen=True)
class WouldSequence:
    """A sequence that a redrive would take."""

    mark: str
    events: int
    since: str
    reason: str
    error: str


@dataclass(frozen=True)
class WouldRedrive:
    """What a redrive, a release or a discard would do: its first hundred sequences one by one, how many more.

    `more_sequences` is true where there are more than were counted: then the other numbers are the least it would do.
    """

    recipient: str
    mark: str | None
    would_discard: int
    would_deliver: int
    sequences: list[WouldSequence]
    more_sequences: int | bool
    done: ClassVar[bool] = True


def check(stack: Stack, asked: Asked) -> None:
    """Make sure that what is asked for is there, and that nothing is in its way; of a dry run, too.

    Raises:
        OperatorError: there is no such client, or it can be sent nothing at the moment; the text says what to do.
        NothingHeldError: nothing of it is held.
    """
    table = HeldEvents(stack)
    if asked.recipient != GATE:
        _check_client(stack, asked, table)
    if not table.holds(asked.recipient, asked.mark):
        raise NothingHeldError(table.nothing(asked.recipient, asked.mark))


def start(stack: Stack, asked: Asked) -> str:
    """Start a redrive; return the execution's ARN."""
    return executions.start(stack, "RedriveStateMachineArn", asked.as_input())


def wait(
    stack: Stack,
    asked: Asked,
    execution_arn: str,
    tell: Callable[[str], None] = lambda _: None,
    pause: Callable[[float], None] = time.sleep,
) -> Redriven | WouldRedrive:
    """Wait for the end of a redrive, over the executions that go on with it, and return what came of it.

    Ctrl-C ends the wait: the answer says that it goes on (RUNNING).

    Raises:
        OperatorError: it goes on, and cannot be followed; the text says why, and where it is.
    """
    machine, table = stack.client("stepfunctions"), HeldEvents(stack)
    try:
        while True:
            described = machine.describe_execution(executionArn=execution_arn)
            output = json.loads(described.get("output") or "{}")
            if "continuedBy" in output:
                execution_arn = output["continuedBy"]
            elif described["status"] == RUNNING:
                left = many(table.left(asked.recipient, asked.mark), "event")
                tell(f"{safe(asked.recipient)}: {left} still held")
                pause(_POLL_SECONDS)
            else:
                return _came_to(table, asked, described, output, execution_arn)
    except KeyboardInterrupt:
        return _unknown(asked, RUNNING, [], execution_arn)
    except KNOWN as error:
        raise OperatorError(f"{explain(error)}\n{goes_on(execution_arn)}") from error


def goes_on(execution_arn: str) -> str:
    """Return where a redrive goes on, and what can be done about it."""
    return (
        f"It goes on in Step Functions: {execution_arn}\n"
        f"Look at it: aws stepfunctions describe-execution --execution-arn {execution_arn}\n"
        f"Stop it: aws stepfunctions stop-execution --execution-arn {execution_arn}"
    )


def _check_client(stack: Stack, asked: Asked, table: HeldEvents) -> None:
    recipient, registered = asked.recipient, registrations(stack)
    demand_known(recipient, {one.name for one in registered} | set(table.recipients()))
    if asked.sends and (obstacle := obstacles(stack, {recipient}, registered).get(recipient)):
        raise OperatorError(obstacle.text)


def _came_to(
    table: HeldEvents, asked: Asked, ended: dict[str, Any], output: dict[str, Any], execution_arn: str
) -> Redriven | WouldRedrive:
    if ended["status"] != SUCCEEDED:
        return _unknown(asked, ended["status"], [problem_of(ended)], execution_arn)
    if asked.dry_run:
        return WouldRedrive(
            asked.recipient,
            asked.mark,
            output["wouldDiscard"],
            output["wouldDeliver"],
            [WouldSequence(**one) for one in output["sequences"]],
            output["moreSequences"],
        )
    return Redriven(
        asked.recipient,
        asked.mark,
        SUCCEEDED,
        output["sequences"],
        output["delivered"],
        output["discarded"],
        output["stoppedSequences"],
        output["errors"],
        list(table.all(asked.recipient, asked.mark)) if output["errors"] else [],
        output["nothingHeld"],
        execution_arn,
    )


def _unknown(asked: Asked, status: str, errors: list[str], execution_arn: str) -> Redriven:
    return Redriven(asked.recipient, asked.mark, status, None, None, None, None, errors, [], None, execution_arn)
