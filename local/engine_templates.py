"""What MiniStack's CloudFormation does not know, added: types of resources, and alarms of a calculation.

Each mend has a test in tests/integration/test_engine.py that fails once MiniStack needs it no longer.
"""

import json
from http import HTTPStatus
from typing import Any

from ministack.services import cloudwatch, stepfunctions
from ministack.services.cloudformation import provisioners


def mend_sampling_rules() -> None:
    """Let a template have a rule of what X-Ray traces: MiniStack, which traces nothing, does not know the type."""

    def create(_logical_id: str, properties: dict[str, Any], _stack_name: str) -> tuple[str, dict[str, Any]]:
        return str(properties["SamplingRule"]["RuleName"]), {}

    provisioners._RESOURCE_HANDLERS["AWS::XRay::SamplingRule"] = {"create": create, "delete": lambda *_: None}


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


def mend_templates() -> None:
    """Make every mend of templates."""
    mend_sampling_rules()
    mend_versions_in_templates()
    mend_alarms_of_several_metrics()
    mend_alarms_of_alarms()
