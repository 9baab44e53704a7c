"""Runs a definition on moto's interpreter, which is LocalStack's: in this process, without Docker or a network.

moto itself runs no mocked cases and no Express executions, but the interpreter in it does both, so it
is driven here directly. Eight of its points matter here, and each is mended for the length of a run:

- it really sleeps between attempts; here it only notes for how long it would have;
- it really sleeps in a Wait; here it goes on at once;
- a path with two wildcards that finds nothing is an error, where AWS gives an empty array (so does Jayway
  JsonPath, on which AWS's is built: an indefinite path always gives a list);
- an intrinsic function's path takes one bracket behind a name: `[*][*]` is read as `[*]`;
- the errors of SQS begin with "sqs.", where AWS writes "Sqs.";
- the branches of a Map share the definition's components, which get a field when first asked for it;
  a branch that logs a component at that moment fails with "dictionary changed size during iteration";
- it reads only timestamps of whole seconds that end in "Z", so the time of its own context, which is
  neither, compares as false with everything;
- it takes a mocked response by the number of the retry, where Step Functions Local counts the calls of
  a state over the whole execution: every visit of a loop would get the same answer.

test_interpreter.py fails for each of these mends once moto needs it no longer. A ninth point is left
as it is: moto counts a state's attempts over all visits in one iteration, where AWS starts anew, so no
case may try a state again in two visits.
"""

import datetime
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from types import SimpleNamespace
from typing import Any
from unittest import mock

from moto.stepfunctions.parser.api import StateMachineType
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.component import Component
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.state import state as any_state
from moto.stepfunctions.parser.asl.component.state.choice.comparison.operator.implementations.is_operator import (
    IsTimestamp,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_aws_sdk
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.evaluation_details import (
    AWSExecutionDetails,
    EvaluationDetails,
    ExecutionDetails,
    StateMachineDetails,
)
from moto.stepfunctions.parser.asl.eval.program_state import ProgramEnded
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.parse.intrinsic.intrinsic_parser import IntrinsicParser
from moto.stepfunctions.parser.asl.utils import json_path
from moto.stepfunctions.parser.backend.execution_worker import SyncExecutionWorker
from moto.stepfunctions.parser.backend.execution_worker_comm import ExecutionWorkerCommunication
from moto.stepfunctions.parser.mocking.mock_config import (
    MockedResponse,
    MockedResponseReturn,
    MockedResponseThrow,
    MockTestCase,
    StateMockedResponses,
)

from tests.statemachine.cases import CASES, RESPONSES, first_and_last
from tests.statemachine.definitions import Definition, tasks

_ROLE = "arn:aws:iam::123456789012:role/machine"
_ARN = "arn:aws:states:eu-west-2:123456789012"
_PATIENCE_SECONDS = 3600


@dataclass
class Attempt:
    """One try of a Task: what it was called with, and the name of the error that it ended with, if any."""

    state: str
    parameters: dict[str, Any]
    number: int
    error: str = ""


@dataclass
class Execution:
    """An execution that has ended: how, by which states and steps from one to the next, with which calls."""

    status: str
    output: Any = None
    error: str = ""
    cause: str = ""
    visited: list[str] = field(default_factory=list)
    steps: list[tuple[str, str]] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def calls(self, state: str) -> list[Attempt]:
        """Return the tries of one Task state, in order."""
        return [attempt for attempt in self.attempts if attempt.state == state]


class _Quiet(ExecutionWorkerCommunication):
    """Whom the interpreter tells that it has ended: nobody."""

    def terminated(self) -> None:
        pass


class _Worker(SyncExecutionWorker):
    def _get_evaluation_entrypoint(self) -> EvalComponent:
        return _parsed(self._evaluation_details.state_machine_details.definition)


ClientFor = Callable[[str], Any]
Clock = Callable[[], datetime.datetime]


def no_aws(service: str) -> Any:
    """Refuse to call a service: what a case does not mock it must not reach."""
    raise AssertionError(f"a state called {service}, which the case does not mock")


def now() -> datetime.datetime:
    """Return the time."""
    return datetime.datetime.now(tz=datetime.UTC)


def mocked(machine: str, case: str, without: Collection[str] = ()) -> MockTestCase:
    """Return a case of MockConfigFile.json; the states that are left out call what they call."""
    states = {state: name for state, name in CASES[machine][case].items() if state not in without}
    responses = [StateMockedResponses(state, name, _responses(name)) for state, name in states.items()]
    return MockTestCase(machine, case, responses)


def run(
    definition: dict[str, Any],
    given: Any,
    case: MockTestCase | None = None,
    client_for: ClientFor = no_aws,
    clock: Clock = now,
) -> Execution:
    """Run one Express execution to its end.

    A state that the case does not mention calls its service by the client that `client_for` gives. The
    states are entered at the times that `clock` tells; no Task is given up for the time that it really takes.
    """
    worker = _Worker(_details(json.dumps(_patient(definition)), given), _Quiet(), None, {}, case)
    execution = Execution("FAILED")
    with _services(client_for), _time(clock), mended(execution.waits):
        worker.start()
    environment: Any = worker.env
    ended: Any = environment.program_state()
    if isinstance(ended, ProgramEnded):
        execution.status, execution.output = "SUCCEEDED", environment.states.get_input()
    else:
        execution.error, execution.cause = ended.error["error"], ended.error.get("cause", "")
    _read(json.loads(json.dumps(environment.event_manager.get_event_history(), default=str)), execution)
    return execution


def _patient(definition: Definition) -> Definition:
    """Return the definition with time limits that no machine is too slow for, however much else runs on it."""
    copied: Definition = json.loads(json.dumps(definition))
    for limited in (copied, *tasks(copied).values()):
        limited["TimeoutSeconds"] = _PATIENCE_SECONDS
    return copied


@contextmanager
def _services(client_for: ClientFor) -> Iterator[None]:
    def given(*, service: str, **_: Any) -> Any:
        return client_for(service)

    with (
        mock.patch.object(state_task_service_aws_sdk, "boto_client_for", given),
        mock.patch.object(lambda_eval_utils, "boto_client_for", given),
    ):
        yield


@contextmanager
def _time(clock: Clock) -> Iterator[None]:
    told = SimpleNamespace(datetime=SimpleNamespace(now=lambda tz: clock()), timezone=datetime.timezone)
    with mock.patch.object(any_state, "datetime", told):
        yield


@contextmanager
def mended(waits: list[float]) -> Iterator[None]:
    """Have the interpreter do, for the length of the context, what AWS does; note the waits between attempts."""
    calls: defaultdict[str, count[int]] = defaultdict(count)

    def next_response(environment: Any) -> MockedResponse:
        name = environment.next_state_name
        response: MockedResponse = environment.mock_test_case.state_mocked_responses[name].mocked_responses[
            next(calls[name])
        ]
        return response

    with (
        mock.patch.object(retrier_decl, "time", SimpleNamespace(sleep=waits.append)),
        mock.patch.object(WaitFunction, "_wait_interval"),
        mock.patch.object(json_path, "_contains_slice_or_wildcard_array", lambda path: "[*]" in path),
        mock.patch.object(IntrinsicParser, "parse", staticmethod(_parse_intrinsic)),
        mock.patch.dict(state_task_service_aws_sdk._SERVICE_ERROR_NAMES, sqs="Sqs"),
        mock.patch.object(EvalComponent, "heap_key", property(lambda component: str(id(component)))),
        mock.patch.object(Component, "__str__", lambda component: type(component).__name__),
        mock.patch.object(IsTimestamp, "string_to_timestamp", staticmethod(_timestamp)),
        mock.patch.object(Environment, "get_current_mocked_response", next_response),
    ):
        yield


_moto_parses_intrinsic = IntrinsicParser.parse


def _parse_intrinsic(function: str) -> Any:
    return _moto_parses_intrinsic(function.replace("[*][*]", "[*].[*]"))


@cache
def _parsed(definition: str) -> EvalComponent:
    program: EvalComponent = AmazonStateLanguageParser.parse(definition)[0]
    return program


def _timestamp(text: str) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def _responses(name: str) -> list[MockedResponse]:
    return [_response(*first_and_last(key), response) for key, response in RESPONSES[name].items()]


def _response(first: int, last: int, response: dict[str, Any]) -> MockedResponse:
    if "Throw" in response:
        return MockedResponseThrow(first, last, response["Throw"]["Error"], response["Throw"]["Cause"])
    return MockedResponseReturn(first, last, response["Return"])


def _details(definition: str, given: Any) -> EvaluationDetails:
    started = now().isoformat()
    return EvaluationDetails(
        aws_execution_details=AWSExecutionDetails(account="123456789012", region="eu-west-2", role_arn=_ROLE),
        execution_details=ExecutionDetails(
            arn=f"{_ARN}:express:machine:execution:1", name="execution", role_arn=_ROLE, inpt=given, start_time=started
        ),
        state_machine_details=StateMachineDetails(
            arn=f"{_ARN}:stateMachine:machine", name="machine", typ=StateMachineType.EXPRESS, definition=definition
        ),
    )


def _read(history: list[dict[str, Any]], execution: Execution) -> None:
    """Fill in what the history tells: an event names the one before it in its own branch."""
    events = {event["id"]: event for event in history}
    latest: dict[int, Attempt] = {}  # by the entry into the state
    for event in history:
        if event["type"] in ("ExecutionStarted", "ExecutionSucceeded", "ExecutionFailed"):
            continue
        entered, *before = _entries(event, events)
        name = entered["stateEnteredEventDetails"]["name"]
        match event["type"]:
            case "TaskScheduled":
                number = latest[entered["id"]].number + 1 if entered["id"] in latest else 0
                parameters = json.loads(event["taskScheduledEventDetails"]["parameters"])
                latest[entered["id"]] = Attempt(name, parameters, number)
                execution.attempts.append(latest[entered["id"]])
            case "TaskFailed":
                if entered["id"] not in latest:  # its parameters could not be filled in
                    latest[entered["id"]] = Attempt(name, {}, 0)
                    execution.attempts.append(latest[entered["id"]])
                latest[entered["id"]].error = event["taskFailedEventDetails"]["error"]
            case kind if kind.endswith("StateEntered"):
                execution.visited.append(name)
                execution.steps += [(earlier["stateEnteredEventDetails"]["name"], name) for earlier in before[:1]]


def _entries(event: dict[str, Any], events: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries into states that led to an event, the latest first."""
    entries = []
    current: dict[str, Any] | None = event
    while current:
        if current["type"].endswith("StateEntered"):
            entries.append(current)
        current = events.get(current["previousEventId"])
    return entries
