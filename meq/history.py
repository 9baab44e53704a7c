"""History: asks the history state machine for it, tells how far it is, and what came of it."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from meq import executions
from meq.errors import KNOWN, OperatorError, explain
from meq.executions import RUNNING, SUCCEEDED, problem_of
from meq.histories import Histories, Progress
from meq.stack import Stack
from meq.text import many, safe

_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Asked:
    """What is asked of a history; what is not said is as the machine has it."""

    client: str
    mark: str | None = None
    again: bool = False
    stop: bool = False
    dry_run: bool = False
    rate: int | None = None
    segments: int | None = None
    settle: int | None = None

    def as_input(self) -> dict[str, Any]:
        """Return the input of the state machine."""
        said = {
            "mark": self.mark,
            "again": self.again or None,
            "stop": self.stop or None,
            "dryRun": self.dry_run or None,
            "eventsPerSecond": self.rate,
            "segments": self.segments,
            "settleSeconds": self.settle,
        }
        return {"client": self.client} | {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True)
class Brought:
    """What came of a history; the counts are those of all marks."""

    client: str
    mark: str | None
    status: str
    history: Progress | None
    errors: list[str]
    execution_arn: str
    stopped: bool = False
    """Whether it has been stopped: as was asked, or, and then there is an error, by somebody else."""

    @property
    def done(self) -> bool:
        """Whether it did all that was asked."""
        return self.status == SUCCEEDED and not self.errors


@dataclass(frozen=True)
class WouldBring:
    """How much a history would be, by numbers of the producer's table that are up to six hours old."""

    client: str
    events: int
    bytes: int
    read_units: int
    seconds_at_least: int
    done: ClassVar[bool] = True


def start(stack: Stack, asked: Asked) -> str:
    """Start the history machine; return the execution's ARN."""
    return executions.start(stack, "HistoryStateMachineArn", asked.as_input())


def wait(
    stack: Stack,
    asked: Asked,
    execution_arn: str,
    tell: Callable[[str], None] = lambda _: None,
    pause: Callable[[float], None] = time.sleep,
) -> Brought | WouldBring:
    """Wait for the end of a history and return what came of it; Ctrl-C ends the wait: the answer says RUNNING.

    Raises:
        OperatorError: it goes on, and cannot be followed; the text says why, and where it is.
    """
    machine, histories = stack.client("stepfunctions"), Histories(stack)
    try:
        while (described := machine.describe_execution(executionArn=execution_arn))["status"] == RUNNING:
            far = histories.progress(asked.client)
            if far and not asked.mark:
                sent, parts = many(far.sent, "event"), f"{far.segments_done} of {far.segments} parts"
                tell(f"{safe(asked.client)}: {sent} sent, {parts} read")
            else:
                tell(f"{safe(asked.client)}: waiting until what is in flight has ended")
            pause(_POLL_SECONDS)
    except KeyboardInterrupt:
        return Brought(asked.client, asked.mark, RUNNING, histories.progress(asked.client), [], execution_arn)
    except KNOWN as error:
        raise OperatorError(f"{explain(error)}\n{goes_on(asked.client, execution_arn)}") from error
    if asked.dry_run and described["status"] == SUCCEEDED:
        told = json.loads(described["output"])
        return WouldBring(told["client"], told["events"], told["bytes"], told["readUnits"], told["secondsAtLeast"])
    failed = described["status"] != SUCCEEDED
    by_others = not failed and json.loads(described["output"]).get("outcome") == "stopped"
    errors = [problem_of(described)] if failed else ["it was stopped meanwhile"] if by_others else []
    stopped = not failed and (asked.stop or by_others)
    far = histories.progress(asked.client)
    return Brought(asked.client, asked.mark, described["status"], far, errors, execution_arn, stopped)


def goes_on(client: str, execution_arn: str) -> str:
    """Return where a history goes on, and what can be done about it."""
    return (
        f"It goes on in Step Functions: {execution_arn}\n"
        f"Look at it: meq clients\n"
        f"Stop it: meq history {safe(client)} --stop"
    )
