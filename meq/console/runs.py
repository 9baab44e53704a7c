"""Executions of a stack's state machines and the path that each took: from their history, or from the logs on AWS.

AWS keeps no history of an Express execution. What it went through is in the log group of its machine, where the log
level lets it be. It is asked by CloudWatch Logs Insights, as the console of Step Functions does: that reads
log groups of both classes.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from meq.errors import OperatorError
from meq.executions import RUNNING, SUCCEEDED
from meq.stack import Stack
from meq.text import safe

MACHINES = {
    "delivery": "StateMachineArn",
    "redrive": "RedriveStateMachineArn",
    "history": "HistoryStateMachineArn",
}
"""The stack's machines, by what they do, and the outputs that their ARNs are."""

_MOST = 50
_MOST_EVENTS = 10_000  # CloudWatch Logs API Reference, StartQuery: the most that a query answers
_RECENT = timedelta(hours=3)
_AROUND = timedelta(minutes=15)  # an Express execution takes five minutes at most
_PATIENCE_SECONDS = 30
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

    @property
    def name(self) -> str:
        """What it is called within its machine."""
        return self.arn.split(":", 7)[7]

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return (self.ended - self.started).total_seconds() if self.started and self.ended else None


@dataclass(frozen=True)
class Event:
    """Something that happened in an execution; the name is that of a state, where it is about one."""

    number: int
    previous: int
    kind: str
    at: datetime
    name: str = ""
    error: str = ""


@dataclass
class Visit:
    """A stay of an execution in a state."""

    name: str
    entered: datetime
    is_task: bool = True
    exited: datetime | None = None
    errors: list[str] = field(default_factory=list)
    succeeded: bool = False
    """Whether its last try went well, where a Task may have several."""


@dataclass(frozen=True)
class Step:
    """A state of the path: how often it was come by, for how long, and what went wrong in it."""

    name: str
    visits: int
    entered: datetime
    seconds: float
    failed: bool
    caught: int
    tried_again: int
    under_way: bool
    errors: list[str]

    @property
    def mark(self) -> str:
        """What the state is marked as: failed, caught, retried, running or passed."""
        marks = {"failed": self.failed, "running": self.under_way, "caught": self.caught, "retried": self.tried_again}
        return next((mark for mark, holds in marks.items() if holds), "passed")


@dataclass(frozen=True)
class Path:
    """The path of an execution: its steps in the order in which they were first come by."""

    run: Run
    steps: list[Step]
    ways: set[tuple[str, str]]
    """From which state to which it went."""
    error: str
    whole: bool = True
    """Whether all of it is known."""


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

    def recent(self, machine: str) -> list[Run]:
        """Return the latest executions of a machine, the latest first."""
        arn = self._arn(machine)
        try:
            listed = self._machines.list_executions(stateMachineArn=arn, maxResults=_MOST)["executions"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "StateMachineTypeNotSupported":
                raise
            return _runs_of(machine, self._logged(machine, "filter type like /^Execution/", *self._lately()))[:_MOST]
        runs = [
            Run(machine, one["executionArn"], one["status"], _utc(one["startDate"]), _utc(one.get("stopDate")))
            for one in listed
        ]
        return sorted(runs, key=lambda one: one.started or datetime.min.replace(tzinfo=UTC), reverse=True)

    def path(self, arn: str, around: datetime | None = None) -> Path:
        """Return the path of an execution; around when it was helps where the logs are searched for it.

        Raises:
            OperatorError: it is none of this stack, or nothing of it is known.
        """
        machine = self.machine_of(arn)
        try:
            described = self._machines.describe_execution(executionArn=arn)
        except ClientError as error:
            if error.response["Error"]["Code"] not in (
                "InvalidArn",
                "StateMachineTypeNotSupported",
                "ValidationException",
            ):
                raise
            return self._logged_path(machine, arn, around)
        run = Run(machine, arn, described["status"], _utc(described["startDate"]), _utc(described.get("stopDate")))
        pages = self._machines.get_paginator("get_execution_history").paginate(
            executionArn=arn, includeExecutionData=False
        )
        events = [_of_history(one) for page in pages for one in page["events"]]
        return Path(run, *steps_of(events, run.status), safe(described.get("error", "")))

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

    def _logged_path(self, machine: str, arn: str, around: datetime | None) -> Path:
        between = (around - _AROUND, around + _AROUND) if around else self._lately()
        entries = self._logged(machine, f'filter execution_arn = "{arn}"', *between)
        if not entries:
            raise OperatorError(
                "Nothing of this execution is in the log of its state machine. What succeeds is there with "
                "ExecutionLogLevel=ALL only, and a log takes some seconds."
            )
        (run,) = _runs_of(machine, entries)
        events = [_of_log(one) for one in entries]
        error = next((one.error for one in events if one.kind.startswith("Execution") and one.error), "")
        return Path(run, *steps_of(events, run.status), error, len(entries) < _MOST_EVENTS)

    def _lately(self) -> tuple[datetime, datetime]:
        return self._clock() - _RECENT, self._clock()

    def _logged(self, machine: str, which: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """Return what the log of a machine says, as it was written."""
        logs = self._stack.client("logs")
        query = logs.start_query(
            logGroupName=self._log_group(machine),
            startTime=int(since.timestamp()),
            endTime=int(until.timestamp()) + 1,
            queryString=f"fields @message | {which} | sort @timestamp desc | limit {_MOST_EVENTS}",
        )["queryId"]
        for _ in range(_PATIENCE_SECONDS * 2):
            answer = logs.get_query_results(queryId=query)
            if answer["status"] not in ("Scheduled", "Running"):
                break
            self._sleep(0.5)
        if answer["status"] != "Complete":
            raise OperatorError(f"The log of the state machine does not answer: the query is {answer['status']}.")
        rows = ({one["field"]: one["value"] for one in row} for row in answer["results"])
        return [json.loads(row["@message"]) for row in rows]

    def _log_group(self, machine: str) -> str:
        described = self._machines.describe_state_machine(stateMachineArn=self._arn(machine))
        for destination in described.get("loggingConfiguration", {}).get("destinations", []):
            arn: str = destination["cloudWatchLogsLogGroup"]["logGroupArn"]
            return arn.split(":log-group:", 1)[1].removesuffix(":*")
        raise OperatorError("This state machine writes no log: nothing is known of its executions.")


def steps_of(events: Iterable[Event], status: str) -> tuple[list[Step], set[tuple[str, str]]]:
    """Return the steps that the events of an execution tell of, and from which to which it went.

    An event belongs to the visit that the chain of what it followed leads to: iterations of a Map run side by side.
    """
    chains: dict[int, list[Visit]] = {}
    left: dict[int, str] = {}
    by_name: dict[str, list[Visit]] = {}
    ways = set()
    for event in sorted(events, key=lambda one: one.number):
        chain = chains.get(event.previous, [])
        if event.kind.endswith("StateEntered"):
            visit = Visit(event.name, event.at, event.kind.startswith("Task"))
            by_name.setdefault(event.name, []).append(visit)
            chain = [*chain, visit]
            if event.previous in left:
                ways.add((left[event.previous], event.name))
        elif event.kind.endswith("StateExited"):
            left[event.number] = event.name
            chain = _leave(chain, event)
        elif chain:
            _note(chain[-1], event)
        chains[event.number] = chain
    return [_step(name, visits, status) for name, visits in by_name.items()], ways


def _leave(chain: list[Visit], event: Event) -> list[Visit]:
    """End the visit of the state that is left; return what it was within."""
    for place in reversed(range(len(chain))):
        if chain[place].name == event.name:
            chain[place].exited = event.at
            return chain[:place]
    return chain


def _note(visit: Visit, event: Event) -> None:
    """Note what became of a try of a Task."""
    if not event.kind.startswith(("Task", "LambdaFunction")):
        return
    if event.error:
        visit.errors.append(event.error)
        visit.succeeded = False
    elif event.kind.endswith("Succeeded"):
        visit.succeeded = visit.is_task


def _step(name: str, visits: list[Visit], status: str) -> Step:
    stays = [(one.exited - one.entered).total_seconds() for one in visits if one.exited]
    is_left_open = len(stays) < len(visits)
    return Step(
        name,
        len(visits),
        visits[0].entered,
        sum(stays),
        is_left_open and status not in (RUNNING, SUCCEEDED),
        sum(bool(one.errors) and not one.succeeded for one in visits),
        sum(bool(one.errors) and one.succeeded for one in visits),
        is_left_open and status == RUNNING,
        sorted({error for one in visits for error in one.errors}),
    )


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


def _of_log(entry: Mapping[str, Any]) -> Event:
    details = entry.get("details", {})
    return Event(
        int(entry["id"]),
        int(entry["previous_event_id"]),
        entry["type"],
        _at(entry),
        details.get("name", ""),
        safe(details.get("error", "")),
    )


def _at(entry: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(int(entry["event_timestamp"]) / 1000, UTC)


def _runs_of(machine: str, entries: Iterable[Mapping[str, Any]]) -> list[Run]:
    """Return the executions that the entries of a log tell of, the latest first."""
    by_arn: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        by_arn.setdefault(entry["execution_arn"], []).append(entry)
    runs = []
    for arn, of_one in by_arn.items():
        kinds = {one["type"]: _at(one) for one in of_one if one["type"].startswith("Execution")}
        started = kinds.pop("ExecutionStarted", None)
        end = next(iter(kinds), "")
        runs.append(Run(machine, arn, _STATUSES.get(end, RUNNING), started, kinds.get(end)))
    return sorted(runs, key=lambda one: min(_at(entry) for entry in by_arn[one.arn]), reverse=True)


def _utc(instant: datetime | None) -> datetime | None:
    return instant.astimezone(UTC) if instant else None
