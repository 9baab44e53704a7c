"""Executions of a stack's state machines and the path that each took: from their history, or from the logs on AWS.

AWS keeps no history of an Express execution. What it went through is in the log group of its machine, where the log
level lets it be: at ERROR only what went wrong.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from meq.console.logs import Log, Row
from meq.console.steps import Event, Step, steps_of
from meq.errors import OperatorError
from meq.executions import DRY_RUN, RUNNING, SUCCEEDED
from meq.stack import Stack
from meq.text import safe

__all__ = ["MACHINES", "NOT_KNOWN", "Listed", "Path", "Run", "Runs", "Step"]

MACHINES = {
    "delivery": "StateMachineArn",
    "redrive": "RedriveStateMachineArn",
    "history": "HistoryStateMachineArn",
}
"""The stack's machines, by what they do, and the outputs that their ARNs are."""

NOT_KNOWN = "NOT_KNOWN"
"""The status of an execution of which a log tells neither start nor end."""

_MOST = 50
_MOST_LOGGED = 300  # entries for a list: start and end of fifty executions, and the errors caught in them
_MOST_PAGES = 10
_RECENT = timedelta(hours=3)
_LONGEST = timedelta(minutes=6)  # an Express execution takes five minutes at most
_AROUND = timedelta(minutes=15)
_STATUSES = {
    "ExecutionSucceeded": SUCCEEDED,
    "ExecutionFailed": "FAILED",
    "ExecutionTimedOut": "TIMED_OUT",
    "ExecutionAborted": "ABORTED",
}
_OF_EXPRESS = ("InvalidArn", "StateMachineTypeNotSupported", "ValidationException")
_ARN = re.compile(r"arn:[a-z-]+:states:[a-z0-9-]+:\d+:(execution|express):[A-Za-z0-9_-]+(:[A-Za-z0-9_.-]+){1,2}")


@dataclass(frozen=True)
class Run:
    """An execution: whose, what became of it, and when."""

    machine: str
    arn: str
    status: str
    started: datetime | None
    ended: datetime | None
    errors: list[str] = field(default_factory=list)
    """Those that were met in it, where the engine tells of them in a list: in a log."""

    @property
    def is_dry_run(self) -> bool:
        """Whether it was started by `meq` or the console to change nothing."""
        return self.name.startswith(DRY_RUN)

    @property
    def name(self) -> str:
        """What it is called within its machine."""
        return self.arn.split(":", 7)[7]

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return (self.ended - self.started).total_seconds() if self.started and self.ended else None


@dataclass(frozen=True)
class Path:
    """The path of an execution: its steps in the order in which they were first come by.

    Without steps it is not known: a log may tell of errors only.
    """

    run: Run
    steps: list[Step]
    ways: set[tuple[str, str]]
    """From which state to which it went."""
    error: str
    whole: bool = True
    """Whether all of it is known."""
    errors: list[str] = field(default_factory=list)
    """The errors that are known, in whatever state."""
    logged: bool = False
    """Whether it comes from a log."""


@dataclass(frozen=True)
class Listed:
    """Executions of a machine, the latest first; whether they come from a log."""

    runs: list[Run]
    logged: bool


class Runs:
    """The executions of a stack."""

    def __init__(
        self,
        stack: Stack,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._stack, self._clock, self._sleep = stack, clock, sleep
        self._machines = stack.client("stepfunctions")

    def recent(self, machine: str, around: datetime | None = None) -> Listed:
        """Return the latest executions of a machine, or those that were under way at an instant."""
        try:
            return Listed(self._listed(machine, around), logged=False)
        except ClientError as error:
            if error.response["Error"]["Code"] != "StateMachineTypeNotSupported":
                raise
        since, until = (around - _LONGEST, around + _LONGEST) if around else self._lately()
        events = map(_of_log, self._log(machine).of_all(since, until, _MOST_LOGGED))
        return Listed(_runs_of(machine, events)[:_MOST], logged=True)

    def path(self, arn: str, around: datetime | None = None) -> Path:
        """Return the path of an execution; around when it was helps where the logs are searched for it.

        Raises:
            OperatorError: it is none of this stack, or nothing of it is known.
        """
        machine = self.machine_of(arn)
        try:
            described = self._machines.describe_execution(executionArn=arn)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _OF_EXPRESS:
                raise
            return self._logged_path(machine, arn, around)
        run = Run(machine, arn, described["status"], _utc(described["startDate"]), _utc(described.get("stopDate")))
        pages = self._machines.get_paginator("get_execution_history").paginate(
            executionArn=arn, includeExecutionData=False
        )
        events = [_of_history(one) for page in pages for one in page["events"]]
        return Path(run, *steps_of(events, run.status), safe(described.get("error", "")), errors=_errors_of(events))

    def machine_of(self, arn: str) -> str:
        """Return which of the stack's machines an execution is of.

        Raises:
            OperatorError: of none.
        """
        for machine in MACHINES:
            parts, own = arn.split(":"), self._arn(machine).split(":")
            if _ARN.fullmatch(arn) and (parts[:5], parts[6:7]) == (own[:5], own[6:7]):
                return machine
        raise OperatorError("This is no execution of this stack.")

    def definition(self, machine: str) -> dict[str, Any]:
        """Return the definition of a machine."""
        described = self._machines.describe_state_machine(stateMachineArn=self._arn(machine))
        definition: dict[str, Any] = json.loads(described["definition"])
        return definition

    def _arn(self, machine: str) -> str:
        return ":".join(self._stack.output(MACHINES[machine]).split(":")[:7])  # without a version or an alias

    def _listed(self, machine: str, around: datetime | None) -> list[Run]:
        asked: dict[str, Any] = {"stateMachineArn": self._arn(machine), "maxResults": _MOST}
        found: list[Run] = []
        for _ in range(_MOST_PAGES if around else 1):
            answer = self._machines.list_executions(**asked)
            found += [
                Run(machine, one["executionArn"], one["status"], _utc(one["startDate"]), _utc(one.get("stopDate")))
                for one in answer["executions"]
            ]
            asked |= {"nextToken": answer.get("nextToken"), "maxResults": 1_000}
            if not asked["nextToken"] or (around and _began(found[-1]) < around - _LONGEST):
                break
        found.sort(key=_began, reverse=True)
        if around:
            found = [one for one in found if around - _LONGEST <= _began(one) <= around + _LONGEST]
        return found[:_MOST]

    def _logged_path(self, machine: str, arn: str, around: datetime | None) -> Path:
        between = (around - _AROUND, around + _AROUND) if around else self._lately()
        events = [_of_log(row) for row in self._log(machine).of_one(arn, *between)]
        if not events:
            raise OperatorError(
                "Nothing of this execution is in the log of its state machine. What succeeds is there with "
                "ExecutionLogLevel=ALL only, and a log takes some seconds."
            )
        (run,) = _runs_of(machine, events)
        error = next((one.error for one in events if one.kind.startswith("Execution") and one.error), "")
        numbers = {0, *(one.number for one in events)}
        whole = all(one.previous in numbers for one in events)
        return Path(run, *steps_of(events, run.status), error, whole, run.errors, logged=True)

    def _lately(self) -> tuple[datetime, datetime]:
        return self._clock() - _RECENT, self._clock()

    def _log(self, machine: str) -> Log:
        return Log(self._stack, self._log_group(machine), self._sleep)

    def _log_group(self, machine: str) -> str:
        described = self._machines.describe_state_machine(stateMachineArn=self._arn(machine))
        for destination in described.get("loggingConfiguration", {}).get("destinations", []):
            arn: str = destination["cloudWatchLogsLogGroup"]["logGroupArn"]
            return arn.split(":log-group:", 1)[1].removesuffix(":*")
        raise OperatorError("This state machine writes no log: nothing is known of its executions.")


def _of_history(event: Mapping[str, Any]) -> Event:
    details: Mapping[str, str] = next((said for key, said in event.items() if key.endswith("EventDetails")), {})
    return Event(
        event["id"],
        event.get("previousEventId", event["id"] - 1),
        event["type"],
        event["timestamp"].astimezone(UTC),
        details.get("name", ""),
        safe(details.get("error", "")),
    )


def _of_log(row: Row) -> Event:
    return Event(
        int(row["eventNumber"]),
        int(row["eventBefore"]),
        row["eventKind"],
        datetime.fromtimestamp(int(row["eventMilliseconds"]) / 1000, UTC),
        row.get("stateName", ""),
        safe(row.get("errorName", "")),
        row["runArn"],
    )


def _runs_of(machine: str, events: Iterable[Event]) -> list[Run]:
    """Return the executions that the events of a log tell of, the latest first."""
    by_arn: dict[str, list[Event]] = {}
    for event in events:
        by_arn.setdefault(event.arn, []).append(event)
    runs = []
    for arn, of_one in by_arn.items():
        at = {one.kind: one.at for one in of_one if one.kind.startswith("Execution")}
        started = at.pop("ExecutionStarted", None)
        end = next(iter(at), "")
        status = _STATUSES.get(end, RUNNING if started else NOT_KNOWN)
        runs.append(Run(machine, arn, status, started, at.get(end), _errors_of(of_one)))
    return sorted(runs, key=lambda one: min(event.at for event in by_arn[one.arn]), reverse=True)


def _errors_of(events: Iterable[Event]) -> list[str]:
    return sorted({one.error for one in events if one.error})


def _began(run: Run) -> datetime:
    return run.started or datetime.min.replace(tzinfo=UTC)


def _utc(instant: datetime | None) -> datetime | None:
    return instant.astimezone(UTC) if instant else None
