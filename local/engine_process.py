"""The process that runs MiniStack: mends what it gets wrong, then serves until it is told to stop.

Each mend has a test in tests/integration/test_engine.py that fails once MiniStack needs it no
longer.
"""

import json
import time
from contextvars import ContextVar
from threading import Lock
from types import SimpleNamespace
from typing import Any

import ministack.app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime
from ministack.services import lambda_svc, stepfunctions
from ministack.services.cloudformation import provisioners

_calling_role: ContextVar[str] = ContextVar("calling_role", default="")
_latest_event: ContextVar[int] = ContextVar("latest_event", default=0)
_history = Lock()
_EXECUTION_STARTED = 1
_START_PAUSE = 0.15


def mend_sqs_batches() -> None:
    """Let states call SendMessageBatch: MiniStack speaks the query protocol there, which loses the entries."""
    stepfunctions._AWS_SDK_SERVICE_MAP["sqs"] = {"target_prefix": "AmazonSQS", "protocol": "json"}


def mend_parameter_paths() -> None:
    """Let a policy name the path that GetParametersByPath reads: MiniStack derives the resource "*"."""

    def extract(*request: Any) -> str:
        service, _, _, headers, body, _, region, account = request
        if service == "ssm" and headers.get("x-amz-target", "").endswith(".GetParametersByPath"):
            return f"arn:aws:ssm:{region}:{account}:parameter/{json.loads(body)['Path'].strip('/')}"
        resource_arn: str = derived(*request)
        return resource_arn

    derived = iam_actions.extract_resource_arn
    iam_actions.extract_resource_arn = extract


def mend_batch_permission() -> None:
    """Let sqs:SendMessage allow SendMessageBatch, as on AWS: MiniStack asks for an action that does not exist."""

    def extract(*request: Any, **options: Any) -> Any:
        action = derived(*request, **options)
        return "sqs:SendMessage" if action == "sqs:SendMessageBatch" else action

    derived = iam_actions.extract_iam_action
    iam_actions.extract_iam_action = extract


def mend_state_machine_caller() -> None:
    """Let a state machine call as its role, over TLS: MiniStack has it call as the account's root, in plain."""

    def run(execution_arn: str) -> None:
        execution = stepfunctions._executions[execution_arn]
        _calling_role.set(stepfunctions._state_machines[execution["stateMachineArn"]]["roleArn"])
        iam_evaluator.pin_request_origin("127.0.0.1", secure_transport=True)
        run_execution(execution_arn)

    def pin(headers: dict[str, str], query: dict[str, str] | None = None) -> None:
        pin_request_caller(headers, query)
        if role := _calling_role.get():
            iam_evaluator._request_caller_arn.set(role)

    run_execution, pin_request_caller = stepfunctions._run_execution, iam_evaluator.pin_request_caller
    stepfunctions._run_execution, iam_evaluator.pin_request_caller = run, pin


def mend_tls_port() -> None:
    """Keep MiniStack from serving on port 443 as well when it serves over TLS."""
    ministack.app._port_is_bindable = lambda *_: False


def mend_batch_item_failures() -> None:
    """Let records that a function reports as failed come again: MiniStack goes on behind them.

    On AWS the reported record and those after it come again. Here the whole batch does, as after a
    raised exception; what had been delivered of it is repeated, which queues drop.
    """

    def execute(function: Any, event: Any) -> Any:
        answer = execute_function(function, event)
        body = answer.get("body")
        of_stream = isinstance(event, dict) and str(event.get("Records", "")).find("aws:dynamodb") > 0
        if of_stream and isinstance(body, dict) and body.get("batchItemFailures"):
            return answer | {"error": True, "body": {"errorType": "BatchItemFailures", "errorMessage": "reported"}}
        return answer

    execute_function = lambda_svc._execute_function
    lambda_svc._execute_function = execute


def mend_layer_folder() -> None:
    """Let settings name /opt, where a layer is, as on AWS: MiniStack unpacks it beside the function's code."""

    def spawn(worker: Any) -> None:
        variables = worker.config.get("Environment", {}).get("Variables", {})
        moved = {name: "../layer_0" if value == "/opt" else value for name, value in variables.items()}
        worker.config = worker.config | {"Environment": {"Variables": moved}}
        spawn_worker(worker)

    spawn_worker = lambda_runtime.Worker._spawn
    lambda_runtime.Worker._spawn = spawn


def mend_history() -> None:
    """Let the events of a history name what they followed: without that the branches of a Map cannot be told apart."""

    def add(execution: dict[str, Any], kind: str, details: dict[str, Any] | None = None) -> Any:
        with _history:
            event = add_event(execution, kind, details)
        is_first = event["id"] == _EXECUTION_STARTED + 1
        event["previousEventId"] = _EXECUTION_STARTED if is_first else _latest_event.get()
        _latest_event.set(event["id"])
        return event

    add_event = stepfunctions._add_event
    stepfunctions._add_event = add


def mend_start_pause() -> None:
    """Start executions at once: MiniStack pauses before each for longer than most of them take."""

    def sleep(seconds: float) -> None:
        if seconds != _START_PAUSE:
            time.sleep(seconds)

    stepfunctions.time = SimpleNamespace(**vars(time) | {"sleep": sleep})


def mend_sampling_rules() -> None:
    """Let a template have a rule of what X-Ray traces: MiniStack, which traces nothing, does not know the type."""

    def create(_logical_id: str, properties: dict[str, Any], _stack_name: str) -> tuple[str, dict[str, Any]]:
        return str(properties["SamplingRule"]["RuleName"]), {}

    provisioners._RESOURCE_HANDLERS["AWS::XRay::SamplingRule"] = {"create": create, "delete": lambda *_: None}


def mend() -> None:
    """Make every mend."""
    mend_sqs_batches()
    mend_parameter_paths()
    mend_batch_permission()
    mend_state_machine_caller()
    mend_batch_item_failures()
    mend_history()
    mend_layer_folder()
    mend_start_pause()
    mend_sampling_rules()
    mend_tls_port()


if __name__ == "__main__":
    mend()
    ministack.app.main()
