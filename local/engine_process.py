"""The process that runs MiniStack: mends what it gets wrong, then serves until it is told to stop.

Each mend has a test in tests/integration/test_engine.py that fails once MiniStack needs it no
longer.
"""

import json
import re
from typing import Any

import ministack.app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime
from ministack.services import lambda_svc

from local.engine_states import mend_states
from local.engine_templates import mend_templates


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


def mend_principal_of_sessions() -> None:
    """Let a policy name the role by `aws:PrincipalArn`, as on AWS: MiniStack gives the ARN of the role's session."""

    def resolve(key: str, context: Any) -> Any:
        value = resolve_condition_key(key, context)
        if key.lower() != "aws:principalarn":
            return value
        return re.sub(r":sts::(\d+):assumed-role/([^/]+)/.*", r":iam::\1:role/\2", str(value))

    resolve_condition_key = iam_evaluator._resolve_condition_key
    iam_evaluator._resolve_condition_key = resolve


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


def mend_permission_of_aliases() -> None:
    """Let a policy name the machine and, as a condition, the alias: MiniStack asks for a permission on the alias."""

    def extract(*request: Any) -> str:
        resource_arn: str = derived(*request)
        return ":".join(resource_arn.split(":")[:7]) if ":stateMachine:" in resource_arn else resource_arn

    def describe(service: str, action: str, body: bytes, parameters: dict[str, Any]) -> dict[str, Any]:
        context: dict[str, Any] = described(service, action, body, parameters)
        machine = str(iam_actions._safe_json_field(body, "stateMachineArn") or "") if service == "states" else ""
        _, _, qualifier = machine.partition(":stateMachine:")[2].partition(":")
        return context | ({"states:StateMachineQualifier": qualifier} if qualifier else {})

    derived, described = iam_actions.extract_resource_arn, iam_actions.request_tag_context
    iam_actions.extract_resource_arn, iam_actions.request_tag_context = extract, describe


def mend() -> None:
    """Make every mend."""
    mend_states()
    mend_templates()
    mend_parameter_paths()
    mend_batch_permission()
    mend_principal_of_sessions()
    mend_permission_of_aliases()
    mend_batch_item_failures()
    mend_layer_folder()
    mend_tls_port()


if __name__ == "__main__":
    mend()
    ministack.app.main()
