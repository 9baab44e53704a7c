"""The process that runs MiniStack: mends what it gets wrong, then serves until it is told to stop.

Each mend has a test in tests/integration/test_engine.py that fails once MiniStack needs it no
longer.
"""

import json
import re
import time
from contextvars import ContextVar
from http import HTTPStatus
from threading import Lock
from types import SimpleNamespace
from typing import Any

import ministack.app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime
from ministack.core.responses import AccountRegionScopedDict
from ministack.services import cloudwatch, lambda_svc, stepfunctions
from ministack.services.cloudformation import provisioners

_running_version: ContextVar[str] = ContextVar("running_version", default="")
_calling_role: ContextVar[str] = ContextVar("calling_role", default="")
_latest_event: ContextVar[dict[str, Any] | None] = ContextVar("latest_event", default=None)
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
        _calling_role.set(stepfunctions._state_machines.get(execution["stateMachineArn"])["roleArn"])
        iam_evaluator.pin_request_origin("127.0.0.1", secure_transport=True)
        run_execution(execution_arn)

    def pin(headers: dict[str, str], query: dict[str, str] | None = None) -> None:
        pin_request_caller(headers, query)
        if role := _calling_role.get():
            iam_evaluator._request_caller_arn.set(role)

    run_execution, pin_request_caller = stepfunctions._run_execution, iam_evaluator.pin_request_caller
    stepfunctions._run_execution, iam_evaluator.pin_request_caller = run, pin


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


def mend_versions_in_templates() -> None:
    """Let a template publish versions of a state machine and point an alias at one: MiniStack knows neither type.

    Whatever the preference says, an alias goes over at once.
    """

    def publish(_logical_id: str, properties: dict[str, Any], _stack_name: str) -> tuple[str, dict[str, Any]]:
        asked = {"stateMachineArn": properties["StateMachineArn"], "revisionId": properties["StateMachineRevisionId"]}
        arn = str(_told(stepfunctions._publish_state_machine_version(asked))["stateMachineVersionArn"])
        return arn, {"Arn": arn}

    def create(_logical_id: str, properties: dict[str, Any], _stack_name: str) -> tuple[str, dict[str, Any]]:
        asked = {"name": properties["Name"], "routingConfiguration": routing(properties)}
        arn = str(_told(stepfunctions._create_state_machine_alias(asked))["stateMachineAliasArn"])
        return arn, {"Arn": arn}

    def point(arn: str, _old: Any, properties: dict[str, Any], _stack_name: str) -> tuple[str, dict[str, Any]]:
        asked = {"stateMachineAliasArn": arn, "routingConfiguration": routing(properties)}
        _told(stepfunctions._update_state_machine_alias(asked))
        return arn, {"Arn": arn}

    def routing(properties: dict[str, Any]) -> list[dict[str, Any]]:
        version = properties["DeploymentPreference"]["StateMachineVersionArn"]
        return [{"stateMachineVersionArn": version, "weight": 100}]

    provisioners._RESOURCE_HANDLERS |= {
        "AWS::StepFunctions::StateMachineVersion": {
            "create": publish,
            "delete": lambda arn, _: stepfunctions._delete_state_machine_version({"stateMachineVersionArn": arn}),
        },
        "AWS::StepFunctions::StateMachineAlias": {
            "create": create,
            "update": point,
            "delete": lambda arn, _: stepfunctions._delete_state_machine_alias({"stateMachineAliasArn": arn}),
        },
    }


def _told(answer: tuple[int, Any, bytes]) -> dict[str, Any]:
    """Return what a call of MiniStack's own told."""
    status, _, body = answer
    if status >= HTTPStatus.BAD_REQUEST:
        raise ValueError(body)
    told: dict[str, Any] = json.loads(body)
    return told


def mend_alarms_of_several_metrics() -> None:
    """Let a template have alarms of a calculation: MiniStack refuses them. It never evaluates one."""

    def record(name: str, properties: dict[str, Any]) -> dict[str, Any]:
        if "Metrics" not in properties:
            return dict(recorded(name, properties))
        plain = {key: value for key, value in properties.items() if key != "Metrics"}
        unknown = {"Namespace": "calculated", "MetricName": "calculated"}
        return dict(recorded(name, plain | unknown)) | {"Metrics": properties["Metrics"]}

    recorded = provisioners._cw_metric_alarm_record
    provisioners._cw_metric_alarm_record = record


def mend_alarms_of_alarms() -> None:
    """Let a template have an alarm over alarms: MiniStack does not know the type."""

    def put(logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        name = str(properties.get("AlarmName") or f"{stack_name}-{logical_id}")
        status, _, body = cloudwatch._put_composite_alarm({}, properties | {"AlarmName": name}, False, is_json=True)
        if status >= HTTPStatus.BAD_REQUEST:
            raise ValueError(body)
        return name, {"Arn": cloudwatch._composite_alarms[name]["AlarmArn"]}

    provisioners._RESOURCE_HANDLERS["AWS::CloudWatch::CompositeAlarm"] = {
        "create": put,
        "delete": lambda name, _: cloudwatch._composite_alarms.pop(name, None),
    }


def mend() -> None:
    """Make every mend."""
    mend_sqs_batches()
    mend_parameter_paths()
    mend_batch_permission()
    mend_state_machine_caller()
    mend_principal_of_sessions()
    mend_batch_item_failures()
    mend_history()
    mend_invocations_in_history()
    mend_layer_folder()
    mend_start_pause()
    mend_sampling_rules()
    mend_runs_of_versions()
    mend_permission_of_aliases()
    mend_versions_in_templates()
    mend_alarms_of_several_metrics()
    mend_alarms_of_alarms()
    mend_tls_port()


if __name__ == "__main__":
    mend()
    ministack.app.main()
