"""What MiniStack's Step Functions get wrong, mended: callers, histories, versions.

Each mend has a test in tests/integration/test_engine.py that fails once MiniStack needs it no longer.
"""

import json
import time
from collections.abc import Callable
from contextvars import ContextVar
from threading import Lock
from types import SimpleNamespace
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import AccountRegionScopedDict
from ministack.services import stepfunctions

_running_version: ContextVar[str] = ContextVar("running_version", default="")
_calling_role: ContextVar[str] = ContextVar("calling_role", default="")
_latest_event: ContextVar[dict[str, Any] | None] = ContextVar("latest_event", default=None)
_history = Lock()
_EXECUTION_STARTED = 1
_START_PAUSE = 0.15
_KINDS_OF_STATES = ("Pass", "Task", "Choice", "Wait", "Map")


def mend_sqs_batches() -> None:
    """Let states call SendMessageBatch: MiniStack speaks the query protocol there, which loses the entries."""
    stepfunctions._AWS_SDK_SERVICE_MAP["sqs"] = {"target_prefix": "AmazonSQS", "protocol": "json"}


def mend_state_machine_caller() -> None:
    """Let a state machine call as its role, over TLS: MiniStack has it call as the account's root, in plain."""

    def run(execution_arn: str) -> None:
        execution = stepfunctions._executions[execution_arn]
        _calling_role.set(stepfunctions._state_machines.get(execution["stateMachineArn"])["roleArn"])
        iam_evaluator.pin_request_origin("127.0.0.1", secure_transport=True)
        run_execution(execution_arn)

    def pin(headers: dict[str, str], query: dict[str, str] | None = None) -> None:
        pin_request_caller(headers, query)
        if role := _calling_role.get():
            iam_evaluator._request_caller_arn.set(role)

    run_execution, pin_request_caller = stepfunctions._run_execution, iam_evaluator.pin_request_caller
    stepfunctions._run_execution, iam_evaluator.pin_request_caller = run, pin


def mend_history() -> None:
    """Let the events of a history name what they followed: without that the branches of a Map cannot be told apart."""

    def add(execution: dict[str, Any], kind: str, details: dict[str, Any] | None = None) -> Any:
        with _history:
            event = add_event(execution, kind, details)
        is_first = event["id"] == _EXECUTION_STARTED + 1
        latest = _latest_event.get() or {"id": 0}
        event["previousEventId"] = _EXECUTION_STARTED if is_first else latest["id"]
        _latest_event.set(event)
        return event

    add_event = stepfunctions._add_event
    stepfunctions._add_event = add


def mend_invocations_in_history() -> None:
    """Let a history say which version of a function a task called: MiniStack does not. The payload is left out."""

    def call(function: str, event: Any) -> Any:
        scheduled = (_latest_event.get() or {}).get("taskScheduledEventDetails", {})
        scheduled["parameters"] = json.dumps({"FunctionName": function})
        return call_lambda(function, event)

    call_lambda = stepfunctions._call_lambda
    stepfunctions._call_lambda = call


def mend_maps_in_history() -> None:
    """Let each iteration of a Map tell that it began, and which states it enters: MiniStack tells of tasks alone."""

    def run(states: Any, start_at: str, given: Any, execution: dict[str, Any], context: dict[str, Any]) -> Any:
        if "Map" in context:
            # The context is a copy of the Map's own, whose state is still the Map.
            began = {"name": context["State"]["Name"], "index": context["Map"]["Item"]["Index"]}
            stepfunctions._add_event(execution, "MapIterationStarted", {"mapIterationStartedEventDetails": began})
        return run_sub_machine(states, start_at, given, execution, context)

    run_sub_machine = stepfunctions._run_sub_machine
    stepfunctions._run_sub_machine = run
    for kind in _KINDS_OF_STATES:
        name = f"_execute_{kind.lower()}"
        setattr(stepfunctions, name, _telling(kind, getattr(stepfunctions, name)))


def _telling(kind: str, execute: Callable[..., Any]) -> Callable[..., Any]:
    def told(state: Any, given: Any, *rest: Any) -> Any:
        context = rest[-1]
        if "Map" not in context:  # the engine itself tells of what is outside
            return execute(state, given, *rest)
        execution, name = stepfunctions._executions[context["Execution"]["Id"]], context["State"]["Name"]
        entered, left = {"stateEnteredEventDetails": {"name": name}}, {"stateExitedEventDetails": {"name": name}}
        stepfunctions._add_event(execution, f"{kind}StateEntered", entered)
        answer = execute(state, given, *rest)
        stepfunctions._add_event(execution, f"{kind}StateExited", left)
        return answer

    return told


def mend_start_pause() -> None:
    """Start executions at once: MiniStack pauses before each for longer than most of them take."""

    def sleep(seconds: float) -> None:
        if seconds != _START_PAUSE:
            time.sleep(seconds)

    stepfunctions.time = SimpleNamespace(**vars(time) | {"sleep": sleep})


class _Machines(AccountRegionScopedDict):  # type: ignore[misc]
    """State machines; one of which a version runs is as that version has it."""

    __slots__ = ()

    def get(self, arn: str, default: Any = None) -> Any:
        machine = super().get(arn, default)
        version = stepfunctions._state_machine_versions.get(_running_version.get())
        if version is None or version["stateMachineArn"] != arn:
            return machine
        return machine | {name: version[name] for name in ("definition", "roleArn")}


def mend_runs_of_versions() -> None:
    """Let an execution that is started by an alias run the version behind it: MiniStack knows machines alone there."""

    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Any:
        if not headers.get("x-amz-target", "").endswith(".StartSyncExecution"):
            return await handle_request(method, path, headers, body, query)
        data = json.loads(body)
        asked = data["stateMachineArn"]
        data["stateMachineArn"] = stepfunctions._resolve_state_machine_arn(asked) or asked
        token = _running_version.set(stepfunctions._execution_version_arn(asked) or "")
        try:
            return await handle_request(method, path, headers, json.dumps(data).encode(), query)
        finally:
            _running_version.reset(token)

    handle_request = stepfunctions.handle_request
    stepfunctions.handle_request = handle
    stepfunctions._state_machines = _Machines()


def mend_states() -> None:
    """Make every mend of Step Functions."""
    mend_sqs_batches()
    mend_state_machine_caller()
    mend_history()
    mend_invocations_in_history()
    mend_maps_in_history()
    mend_start_pause()
    mend_runs_of_versions()
