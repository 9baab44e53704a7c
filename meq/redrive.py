"""Redrives and discards: asks the redrive state machine for them, and tells what came of it."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import uuid4

from meq.clients import demand_known, registrations
from meq.errors import NothingHeldError, OperatorError
from meq.held import HeldEvents
from meq.stack import Stack
from meq.text import many, mark_of, quoted, safe

RUNNING, SUCCEEDED = "RUNNING", "SUCCEEDED"

_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Asked:
    """What is asked of a redrive."""

    recipient: str
    mark: str | None = None
    discard: bool = False
    everything: bool = False
    reason: str = ""
    by: str = ""
    dry_run: bool = False

    @property
    def sends(self) -> bool:
        """Whether anything can be left to send, for which the client has to be registered."""
        return not self.dry_run and not (self.discard and self.everything)

    def as_input(self) -> dict[str, Any]:
        """Return the input of the state machine."""
        mark = {"mark": self.mark} if self.mark else {}
        record = {"by": self.by, "reason": self.reason, "all": self.everything} if self.discard else {}
        action = "discard" if self.discard else "redrive"
        return {"client": self.recipient, "action": action, "dryRun": self.dry_run} | mark | record


@dataclass(frozen=True)
class Redriven:
    """What came of a redrive or a discard; its counts are known once it has succeeded."""

    recipient: str
    mark: str | None
    status: str
    delivered: int | None
    stopped_sequences: int | None
    errors: list[str]
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


@dataclass(frozen=True)
class WouldRedrive:
    """What a redrive or a discard would do: its first hundred sequences one by one."""

    recipient: str
    mark: str | None
    would_discard: int
    would_redrive: int
    sequences: list[WouldSequence]
    more_sequences: bool
    status: ClassVar[str] = SUCCEEDED
    done: ClassVar[bool] = True


def check(stack: Stack, asked: Asked) -> None:
    """Make sure that what is asked for is there.

    Raises:
        OperatorError: there is no such client, or none that could be sent anything.
        NothingHeldError: nothing of it is held.
    """
    recipient, table = asked.recipient, HeldEvents(stack)
    registered = {one.name: one.problem for one in registrations(stack)}
    demand_known(recipient, registered.keys() | set(table.recipients()))
    if asked.sends and recipient not in registered:
        raise OperatorError(
            f"{safe(recipient)} has unsubscribed: there is no queue to deliver to. To give up what is held for it:\n"
            f"meq discard {safe(recipient)} --all --reason …"
        )
    if asked.sends and (problem := registered[recipient]):
        raise OperatorError(f"The registration of {safe(recipient)} {problem}: there is no queue to deliver to.")
    if not table.holds(recipient, asked.mark):
        raise NothingHeldError(_nothing_held(table, asked))


def start(stack: Stack, asked: Asked) -> str:
    """Start a redrive; return the execution's ARN."""
    answer = stack.client("stepfunctions").start_execution(
        stateMachineArn=stack.output("RedriveStateMachineArn"),
        name=f"meq-{uuid4()}",  # so that a start that the SDK repeats is one execution
        input=json.dumps(asked.as_input()),
    )
    return str(answer["executionArn"])


def wait(
    stack: Stack,
    asked: Asked,
    execution_arn: str,
    tell: Callable[[str], None] = lambda _: None,
    pause: Callable[[float], None] = time.sleep,
) -> Redriven | WouldRedrive:
    """Wait for the end of a redrive; return what came of it, or that it goes on (RUNNING) when Ctrl-C ends the wait."""
    machine, table = stack.client("stepfunctions"), HeldEvents(stack)
    try:
        while (ended := machine.describe_execution(executionArn=execution_arn))["status"] == RUNNING:
            left = table.left(asked.recipient, asked.mark)
            tell(f"{safe(asked.recipient)}: {many(left, 'event' if asked.mark else 'mark')} still held")
            pause(_POLL_SECONDS)
    except KeyboardInterrupt:
        return Redriven(asked.recipient, asked.mark, RUNNING, None, None, [], None, execution_arn)
    status, output = str(ended["status"]), json.loads(ended.get("output") or "{}")
    if status != SUCCEEDED:
        problem = f"{ended.get('error', status)}: {_cause(ended.get('cause', ''))}"
        return Redriven(asked.recipient, asked.mark, status, None, None, [problem], None, execution_arn)
    return _would(asked, output) if asked.dry_run else _done(asked, output, execution_arn)


def _done(asked: Asked, output: dict[str, Any], execution_arn: str) -> Redriven:
    return Redriven(
        asked.recipient,
        asked.mark,
        SUCCEEDED,
        output["delivered"],
        output["stoppedSequences"],
        output["errors"],
        output["nothingParked"],
        execution_arn,
    )


def _would(asked: Asked, output: dict[str, Any]) -> WouldRedrive:
    sequences = [
        WouldSequence(asked.mark or mark_of(one["groupId"]), one["events"], one["parkedSince"], one["error"])
        for one in output["sequences"]
    ]
    return WouldRedrive(
        asked.recipient,
        asked.mark,
        output["wouldDiscard"],
        output["wouldRedrive"],
        sequences,
        output["moreSequences"],
    )


def _nothing_held(table: HeldEvents, asked: Asked) -> str:
    if not asked.mark:
        return f"Nothing is held for {safe(asked.recipient)}."
    like = table.marks_like(asked.recipient, asked.mark)
    hint = f" Did you mean {' or '.join(map(quoted, like))}?" if like else " See: meq held."
    return f"Nothing of the mark {quoted(asked.mark)} is held for {safe(asked.recipient)}.{hint}"


def _cause(cause: str) -> str:
    """Return the message in the cause that Step Functions gives: of a function's error it is JSON, with a traceback."""
    try:
        return safe(str(json.loads(cause)["errorMessage"]))
    except (ValueError, TypeError, KeyError):
        return safe(cause)
