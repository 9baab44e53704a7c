"""Proves what the templates promise: who may do what, what is kept and encrypted, which names the outside relies on.

The templates go through the real SAM translator, without AWS. This cannot say that CloudFormation
deploys the result, nor that the permissions suffice: the tiers that deploy to an engine do.
"""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.cost import TRACED
from mark_event_queue.adapters.executions import READ_TIMEOUT_SECONDS
from mark_event_queue.adapters.held_events import OLDEST_FIRST, RECIPIENTS, HeldEventsTable
from mark_event_queue.adapters.histories import HistoriesTable
from mark_event_queue.domain.batches import RELEASE, SPARE_SECONDS
from mark_event_queue.domain.budget import LONGEST_QUEUE_URL
from mark_event_queue.domain.clients import Admission, Registration, Subscription, admit
from mark_event_queue.domain.events import Event
from mark_event_queue.domain.held import GATE, PARKED
from mark_event_queue.domain.history import HistoryState, Progress
from mark_event_queue.domain.rejected import RejectedEvents
from mark_event_queue.domain.rounds import Entry, Plan
from mark_event_queue.forgetting.forgetting import forget_marks
from mark_event_queue.gate.gate import hold_at_gate
from mark_event_queue.parking.parking import park
from mark_event_queue.redrive.redrive import aim, conclude, describe, discard, list_lanes, redrive_lane
from mark_event_queue.release.release import release_lane
from mark_event_queue.selection.selection import select
from mark_event_queue.survey.survey import survey
from tests.builders import NOW, entries, planned, round_lost
from tests.dynamodb_in_memory import DynamoDBInMemory
from tests.fakes import QueueInMemory, SubscriptionsFake
from tests.held_table import create_table
from tests.statemachine.definitions import load, scopes, tasks
from tests.statemachine.times import longest, slow_client
from tests.template.translation import (
    REGION,
    ROOT,
    Template,
    arn,
    function_of,
    granted,
    of_type,
    source,
    statements,
    translated,
)

MAIN, CLIENT, CONSUMER = "template.yaml", "client.yaml", "examples/consumer/template.yaml"
FUNCTIONS = ROOT / "functions"

DAY = 24 * 60 * 60
MACHINES = of_type(source(MAIN), "AWS::Serverless::StateMachine")
MACHINE = "DeliverEventsStateMachine"
MACHINE_ROLE = "DeliverEventsStateMachineRole"
DEFINITION = load(ROOT / MACHINES[MACHINE]["DefinitionUri"])

# Actions that know no resource (Service Authorization Reference), so that their statements hold a "*".
_TRACING = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
_MACHINE_TRACING = _TRACING | {"xray:GetSamplingRules", "xray:GetSamplingTargets"}
_LOG_DELIVERY = {
    "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
}  # fmt: skip
_WITHOUT_RESOURCE = _MACHINE_TRACING | _LOG_DELIVERY | {"dynamodb:ListStreams"}

_NO_VALUE = {"Ref": "AWS::NoValue"}

every_template = pytest.mark.parametrize("name", [MAIN, CLIENT, CONSUMER])
every_function = pytest.mark.parametrize("function", sorted(of_type(translated(MAIN), "AWS::Lambda::Function")))
every_machine = pytest.mark.parametrize("machine", MACHINES)
every_queue = pytest.mark.parametrize(
    ("name", "queue"),
    [(name, queue) for name in (MAIN, CLIENT) for queue in of_type(translated(name), "AWS::SQS::Queue")],
)


@pytest.fixture
def template() -> Template:
    """The main template after the SAM transform."""
    return translated(MAIN)


def _function(template: Template, name: str) -> dict[str, Any]:
    return of_type(template, "AWS::Lambda::Function")[name]


def _machine(template: Template, name: str) -> dict[str, Any]:
    return of_type(template, "AWS::StepFunctions::StateMachine")[name]


def _definition(machine: str) -> dict[str, Any]:
    return load(ROOT / MACHINES[machine]["DefinitionUri"])


# ----------------------------------------------------------------------------------------------------------------------
# The names on the outside
# ----------------------------------------------------------------------------------------------------------------------
def test_outputs_are_those_that_others_read(template: Template):
    """The names of the outputs are what people, scripts and clients' stacks rely on."""
    assert template["Outputs"].keys() >= {
        "QueueName", "QueueARN", "ClientQueueName", "ClientQueueARN",
        "StateMachineArn", "RedriveStateMachineArn", "ParkedEventsTableName", "ClientsPath",
        "DeliveryRoleArn", "RedriveRoleArn",
    }  # fmt: skip


def test_parameters_have_the_known_names_and_defaults(template: Template):
    """A deployment needs no parameter, and those that there are have the documented names."""
    assert template["Parameters"].keys() == {
        "EventStreamArn", "BatchSize", "RejectedEvents", "ClientsCacheSeconds", "LogExecutionData", "ExecutionLogLevel",
        "PythonRuntime", "Architecture", "MaximumBatchingWindowInSeconds", "Tracks", "ExecutionLogClass", "TraceRate",
        "DeploymentType", "AlarmTopicArn", "KmsKeyArn",
    }  # fmt: skip
    assert all("Default" in parameter for parameter in template["Parameters"].values())


def test_marks_are_held_unless_somebody_wants_them_to_pass(template: Template):
    """Order is the default; the parameter has the words that the functions know, and reaches all that judge or hold."""
    parameter = template["Parameters"]["RejectedEvents"]
    assert parameter["Default"] == RejectedEvents.HOLD_MARK
    assert parameter["AllowedValues"] == [*RejectedEvents]
    set_for = {
        name
        for name, function in of_type(template, "AWS::Lambda::Function").items()
        if function["Environment"]["Variables"].get("REJECTED_EVENTS") == {"Ref": "RejectedEvents"}
    }
    assert set_for == {"ValidatorFunction", "GateFunction", "ReleaseFunction", "HistoryFunction"}


@every_template
def test_parameters_are_described_and_constrained(name: str):
    """A wrong parameter is refused before anything is deployed, and every one says what it is for."""
    for parameter, body in source(name)["Parameters"].items():
        assert body.get("Description"), parameter
        assert {"AllowedPattern", "AllowedValues"} & body.keys() or {"MinValue", "MaxValue"} <= body.keys(), parameter
        if "AllowedPattern" in body and "Default" in body:
            assert re.search(body["AllowedPattern"], body["Default"]), parameter


@pytest.mark.parametrize("name", [MAIN, CLIENT, CONSUMER, "local/mark-api.yaml"])
def test_outputs_are_described(name: str):
    """Every output says what it is."""
    assert [output for output, body in source(name)["Outputs"].items() if not body.get("Description")] == []


@every_machine
def test_event_data_stay_out_of_the_logs_by_default(template: Template, machine: str):
    """Events are personal data: whoever wants them in the execution logs has to say so."""
    assert template["Parameters"]["LogExecutionData"]["Default"] == "false"
    logging = _machine(template, machine)["LoggingConfiguration"]
    assert logging["IncludeExecutionData"] == {"Ref": "LogExecutionData"}


def test_queues_have_the_names_of_the_original_application(template: Template):
    """The two queues that others read have fixed names; no other resource but log groups has one."""
    queues = of_type(template, "AWS::SQS::Queue")
    assert {name: queue["QueueName"] for name, queue in queues.items() if "QueueName" in queue} == {
        "FanOutQueue": "MarkFanOutQueue.fifo",
        "ClientQueue": "MarkFanOutClientQueue.fifo",
    }
    assert "BucketName" not in of_type(template, "AWS::S3::Bucket")["UndeliveredRecordsBucket"]
    assert "TableName" not in of_type(template, "AWS::DynamoDB::Table")["ParkedEventsTable"]


# ----------------------------------------------------------------------------------------------------------------------
# Who may do what
# ----------------------------------------------------------------------------------------------------------------------
def _rules_with_roles(template: Template) -> list[dict[str, Any]]:
    """Return the rules of EventBridge that need a role: a schedule's function lets EventBridge in itself."""
    return [rule for rule in of_type(template, "AWS::Events::Rule").values() if "RoleArn" in rule["Targets"][0]]


def test_every_function_machine_and_rule_has_a_role_of_its_own(template: Template):
    """No role is shared, none is left over, and SAM had to make none."""
    users = [function["Role"] for function in of_type(template, "AWS::Lambda::Function").values()]
    users += [machine["RoleArn"] for machine in of_type(template, "AWS::StepFunctions::StateMachine").values()]
    users += [target["RoleArn"] for rule in _rules_with_roles(template) for target in rule["Targets"]]
    roles = Counter(user["Fn::GetAtt"][0] for user in users)
    assert roles == Counter(of_type(template, "AWS::IAM::Role").keys())


def test_roles_have_no_managed_policies(template: Template):
    """What a role may do is written here, not kept by somebody else."""
    for name, role in of_type(template, "AWS::IAM::Role").items():
        assert "ManagedPolicyArns" not in role, name
    assert of_type(template, "AWS::IAM::ManagedPolicy") == {}


def test_roles_are_trusted_to_the_service_that_uses_them(template: Template):
    """Lambda assumes the functions' roles, Step Functions and EventBridge theirs, both only for this account."""
    machines = {
        machine["RoleArn"]["Fn::GetAtt"][0]
        for machine in of_type(template, "AWS::StepFunctions::StateMachine").values()
    }
    rules = {rule["Targets"][0]["RoleArn"]["Fn::GetAtt"][0] for rule in _rules_with_roles(template)}
    services = dict.fromkeys(machines, "states.amazonaws.com") | dict.fromkeys(rules, "events.amazonaws.com")
    for name, role in of_type(template, "AWS::IAM::Role").items():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        service = services.get(name, "lambda.amazonaws.com")
        assert (trust["Principal"], trust["Action"]) == ({"Service": service}, "sts:AssumeRole"), name
        if name in services:
            assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_roles_name_one_action_and_its_resources_per_statement(template: Template):
    """A statement is about one action on named resources, except for actions that know no resource."""
    for role in of_type(template, "AWS::IAM::Role"):
        for statement in granted(template, role):
            actions = set(statement.actions)
            assert statement.body["Effect"] == "Allow"
            assert not any("*" in action for action in actions), (role, actions)
            if actions <= _WITHOUT_RESOURCE:
                continue
            assert len(actions) == 1, (role, actions)
            assert statement.resources, (role, actions)
            assert not {"*", ""} & {json.dumps(resource).strip('"') for resource in statement.resources}, (
                role,
                actions,
            )


@every_template
def test_nobody_is_let_in_who_is_not_named(name: str):
    """No statement that allows something is for everybody."""
    allowing = [statement for statement in statements(translated(name)) if statement.body["Effect"] == "Allow"]
    assert [statement for statement in allowing if "*" in json.dumps(statement.body.get("Principal", ""))] == []


# What a Task of the definition needs (Step Functions Developer Guide, IAM policies for integrated services):
# the action, and the parameter that names the resource.
_NEEDS = {
    "lambda:invoke": ("lambda:InvokeFunction", "FunctionName"),
    "aws-sdk:sqs:sendMessage": ("sqs:SendMessage", "QueueUrl"),
    "aws-sdk:sqs:sendMessageBatch": ("sqs:SendMessage", "QueueUrl"),
    "aws-sdk:dynamodb:query": ("dynamodb:Query", "TableName"),
    "states:startExecution": ("states:StartExecution", "StateMachineArn"),
    "states:startExecution.sync:2": ("states:StartExecution", "StateMachineArn"),
}
_OF_REDRIVES = (
    "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:${AWS::StackName}-redrive-events:*"
)
_WHEN_THEY_END = (
    "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/"
    "StepFunctionsGetEventsForStepFunctionsExecutionRule"
)
# To wait for the end of what was started takes more than to start it.
_NEEDS_TO_WAIT = {
    (f"states:{action}Execution", json.dumps({"Fn::Sub": _OF_REDRIVES})) for action in ("Describe", "Stop")
} | {
    (f"events:{action}", json.dumps({"Fn::Sub": _WHEN_THEY_END}))
    for action in ("PutTargets", "PutRule", "DescribeRule")
}
_CLIENT_QUEUES = {
    "Fn::Sub": "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:MarkFanOutClient*.fifo",
}


def _permission_on(template: Template, replacement: dict[str, Any]) -> dict[str, Any]:
    """Return the resource that a permission has to name: of a function's version all, which former executions call."""
    if replacement.get("Ref") in of_type(template, "AWS::Lambda::Version"):
        return {"Fn::Sub": f"${{{function_of(template, replacement)}.Arn}}:*"}
    return arn(replacement["Ref"]) if "Ref" in replacement else replacement


def _needed_by(template: Template, machine: dict[str, Any], definition: dict[str, Any]) -> set[tuple[str, str]]:
    replacements = machine["DefinitionSubstitutions"]
    needed = set()
    for task in tasks(definition).values():
        action, parameter = _NEEDS[task["Resource"].removeprefix("arn:aws:states:::")]
        needed |= _NEEDS_TO_WAIT if task["Resource"].endswith(".sync:2") else set()
        value = task["Parameters"].get(parameter)
        if value is None:
            itself = task["Parameters"][f"{parameter}.$"] == "$$.StateMachine.Id"
            needed.add((action, json.dumps(_arn_by_name(machine) if itself else _CLIENT_QUEUES)))
            continue
        replacement = replacements[re.fullmatch(r"\$\{(\w+)}", value)[1]]  # type: ignore[index]
        needed.add((action, json.dumps(_permission_on(template, replacement))))
    return needed


def _arn_by_name(machine: dict[str, Any]) -> dict[str, str]:
    """Return a machine's ARN by its name: its own role cannot refer to it, since it refers to its role."""
    name = machine["StateMachineName"]["Fn::Sub"]
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:states:${{AWS::Region}}:${{AWS::AccountId}}:stateMachine:{name}"}


@every_machine
def test_machine_may_do_what_its_definition_does_and_no_more(template: Template, machine: str):
    """The role's actions and resources are exactly those that the definition's Tasks call; of keys see below."""
    allowed = {
        (action, json.dumps(resource))
        for statement in granted(template, f"{machine}Role")
        for action in statement.actions
        for resource in statement.resources
        if action not in _MACHINE_TRACING | _LOG_DELIVERY and not action.startswith("kms:")
    }
    assert _machine(template, machine)["RoleArn"] == arn(f"{machine}Role")
    assert allowed == _needed_by(template, _machine(template, machine), _definition(machine))


@every_machine
def test_machine_may_log_and_trace(template: Template, machine: str):
    """Without these actions an execution leaves nothing to look at in the logs and the trace."""
    actions = {action for statement in granted(template, f"{machine}Role") for action in statement.actions}
    assert actions >= _LOG_DELIVERY | _MACHINE_TRACING


@pytest.mark.parametrize("role", ["ConverterFunctionRole", "GateFunctionRole"])
def test_who_delivers_reads_only_of_whom_anything_is_held(template: Template, role: str):
    """Of the table of what waits converter and gate read the list of recipients, never an event."""
    (query,) = [statement for statement in granted(template, role) if statement.actions == ["dynamodb:Query"]]
    assert query.body["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [RECIPIENTS]}}


# What each call of the table needs (DynamoDB Developer Guide, IAM for transactions: those of the single operations).
_HOLDING = {"dynamodb:PutItem", "dynamodb:UpdateItem"}
_LOOKING = {"dynamodb:GetItem", "dynamodb:Query"}
_STREAM = {"Fn::If": ["ImportStream", {"Fn::ImportValue": "DynamoDBStreamArn"}, {"Ref": "EventStreamArn"}]}
_EVENT_TABLE = {"Fn::Select": [0, {"Fn::Split": ["/stream/", _STREAM]}]}
_LETTING_GO = {"dynamodb:UpdateItem", "dynamodb:DeleteItem"}


@pytest.mark.parametrize(
    ("function", "actions"),
    [
        ("GateFunction", {"dynamodb:BatchGetItem", "dynamodb:Query"} | _HOLDING),
        ("SelectFunction", {"dynamodb:BatchGetItem", "dynamodb:GetItem"} | _HOLDING),
        ("HistoryFunction", {"dynamodb:BatchGetItem"} | _LOOKING | _HOLDING | _LETTING_GO),
        ("ForgetFunction", {"dynamodb:BatchGetItem"} | _LOOKING | _LETTING_GO),
        ("ParkFunction", _HOLDING),
        (
            "RedriveFunction",
            _LOOKING | _LETTING_GO | {"dynamodb:BatchGetItem", "dynamodb:PutItem"},
        ),  # it records discards
        ("ReleaseFunction", _LOOKING | _LETTING_GO),
        ("SurveyFunction", {"dynamodb:GetItem", "dynamodb:Query"}),
    ],
)
def test_functions_do_with_the_table_what_they_are_for_and_no_more(
    template: Template, function: str, actions: set[str]
):
    """Whoever holds cannot let go, whoever releases can give nothing up on record, whoever surveys only looks."""
    statements_of_table = [
        statement
        for statement in granted(template, f"{function}Role")
        if statement.actions[0] in _HOLDING | _LOOKING | _LETTING_GO | {"dynamodb:BatchGetItem"}
    ]
    of_table = [one for one in statements_of_table if one.resources == [arn("ParkedEventsTable")]]
    assert {statement.actions[0] for statement in of_table} == actions
    index = {"Fn::Sub": f"${{ParkedEventsTable.Arn}}/index/{OLDEST_FIRST}"}
    beside = [(one.actions[0], one.resources) for one in statements_of_table if one not in of_table]
    queried = {"SurveyFunction": index, "HistoryFunction": _EVENT_TABLE}
    assert beside == ([("dynamodb:Query", [queried[function]])] if function in queried else [])


def test_a_change_of_a_registration_starts_the_history_machine(template: Template):
    """EventBridge hands on what comes, changes and goes under the clients' path, and nothing else."""
    rule = of_type(template, "AWS::Events::Rule")["RegistrationChangedRule"]
    assert rule["EventPattern"] == {
        "source": ["aws.ssm"],
        "detail-type": ["Parameter Store Change"],
        "detail": {
            "name": [{"prefix": {"Fn::Sub": "/${AWS::StackName}/clients/"}}],
            "operation": ["Create", "Update", "Delete"],
        },
    }
    (target,) = rule["Targets"]
    assert (target["Arn"], target["InputPath"]) == ({"Ref": "HistoryStateMachine"}, "$.detail")
    (start,) = granted(template, "RegistrationChangedRole")
    assert (start.actions, start.resources) == (["states:StartExecution"], [{"Ref": "HistoryStateMachine"}])


def test_history_reads_the_table_whose_stream_is_read_and_no_other(template: Template):
    """By its ARN in the policy, by its name in the setting, both taken from the stream's ARN."""
    of_table = {
        statement.actions[0]: statement.resources
        for statement in granted(template, "HistoryFunctionRole")
        if statement.resources == [_EVENT_TABLE]
    }
    assert of_table.keys() == {"dynamodb:Scan", "dynamodb:Query", "dynamodb:DescribeTable"}
    variables = _function(template, "HistoryFunction")["Environment"]["Variables"]
    assert variables["EVENT_TABLE"] == {"Fn::Select": [1, {"Fn::Split": ["/", _STREAM]}]}


def _actions(operation: str, arguments: Mapping[str, Any]) -> set[str]:
    """Return the actions of IAM that a call of DynamoDB takes: for a transaction those of what is in it."""
    if operation == "transact_write_items":
        return {f"dynamodb:{kind}Item" for action in arguments["TransactItems"] for kind in action}
    return {"dynamodb:" + "".join(word.title() for word in operation.split("_"))}


class _NothingStays:
    """A pipeline that delivers all that it is given."""

    room = 200_000

    def put_through(self, events: Sequence[Event]) -> list[Entry]:
        """Withhold nothing."""
        return []


def _redrive(table: HeldEventsTable) -> None:
    """Take every step of a redrive, and of a discard."""
    asked = {"recipient": "client", "groupId": "A", "action": "discard", "all": False, "eventId": "", "reason": "sold",
             "by": "jo", "queueUrl": "q", "groupIds": ["A"], "discarded": 0, "after": "", "lanes": []}  # fmt: skip
    totals = {"sequences": 0, "delivered": 0, "stoppedSequences": 0, "errors": []}
    page = {"after": "", "listed": False, "turn": 0}
    request = aim(asked, table)
    describe(request, table)
    assert discard(request, table, lambda: True)["discarded"] == 1
    for group_id in ("A", ""):
        list_lanes(asked | {"groupId": group_id, "page": page, "totals": totals}, table)
    assert redrive_lane(asked, table, QueueInMemory(), lambda: True)["delivered"] == 1
    conclude({"request": asked, "totals": totals}, table)


def _forget(table: HeldEventsTable, dynamodb: DynamoDBInMemory) -> None:
    """Forget what is held, and what a history knows."""
    histories = HistoriesTable("held", dynamodb)
    dynamodb.put("HISTORY", "client", {"pk": {"S": "HISTORY"}, "sk": {"S": "client"}})
    dynamodb.put("BROUGHT#client#A", "e", {"pk": {"S": "BROUGHT#client#A"}, "sk": {"S": "e"}})
    forget_marks({"forgotten": [{"groupId": "A", "createTimes": [""]}]}, table, histories)


def _select(plan: Plan, table: HeldEventsTable, dynamodb: DynamoDBInMemory) -> None:
    """Select for a client with held events, a filter, a pause, and a history that is over."""
    subscription = Subscription("client", "q", NOW, since="beginning")
    histories = HistoriesTable("held", dynamodb)
    for said in (subscription, replace(subscription, since=""), replace(subscription, paused=True)):
        select({"client": "client", "plan": plan}, SubscriptionsFake({"client": said}), table, histories, NOW)
    histories.brought("client", entries(["A"]))
    histories.settle("client", HistoryState(subscription.history, "run"))


def _survey(table: HeldEventsTable, dynamodb: DynamoDBInMemory) -> None:
    """Survey what is held for a client whose history is under way."""
    late_joiner = Subscription("client", "q", NOW, since="beginning")
    under_way = {"history": late_joiner.history, "run": "run", "progress": Progress.RUNNING}
    texts = {"pk": "HISTORY", "sk": "client"} | under_way
    dynamodb.put("HISTORY", "client", {name: {"S": text} for name, text in texts.items()})
    survey(table, HistoriesTable("held", dynamodb), {"client": late_joiner}, NOW)


@pytest.mark.parametrize(
    "function",
    [
        "ConverterFunction",
        "ForgetFunction",
        "GateFunction",
        "SelectFunction",
        "ParkFunction",
        "RedriveFunction",
        "ReleaseFunction",
        "SurveyFunction",
    ],
)
def test_what_a_function_calls_is_what_its_role_allows(template: Template, function: str):
    """Each does its work on a table in memory that notes the calls: a call without a permission fails on AWS alone."""
    dynamodb = DynamoDBInMemory()
    table = HeldEventsTable("held", dynamodb)
    plan, withheld = planned(["A", "B"]), entries(["C"])
    for recipient in ("client", GATE):
        table.hold(recipient, [entries(["A", "A"])], PARKED, "Fault")
    needed: set[str] = set()
    dynamodb.before = lambda operation, arguments: needed.update(_actions(operation, arguments))
    counts = {"valid": 2, "rejected": 1, "behind": 0}
    sent = round_lost("Fault")
    work: dict[str, Callable[[], object]] = {
        "GateFunction": lambda: hold_at_gate({"plan": plan, "withheld": withheld, "counts": counts}, table, True),
        "ConverterFunction": table.mentions,
        "ForgetFunction": lambda: _forget(table, dynamodb),
        "SelectFunction": lambda: _select(plan, table, dynamodb),
        "ParkFunction": lambda: park({"client": "client", "plan": plan, "sent": sent}, table),
        "RedriveFunction": lambda: _redrive(table),
        "ReleaseFunction": lambda: release_lane({"groupIds": ["A"]}, table, _NothingStays(), True, lambda: True),
        "SurveyFunction": lambda: _survey(table, dynamodb),
    }
    work[function]()
    allowed = {action for statement in granted(template, f"{function}Role") for action in statement.actions}
    assert needed
    assert needed - allowed == set()


def test_release_starts_this_machine_for_these_clients(template: Template):
    """The release's role is bound to the machine's alias and the one path, and may send to no queue itself."""
    allowed = {statement.actions[0]: statement.resources for statement in granted(template, "ReleaseFunctionRole")}
    path = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/${AWS::StackName}/clients"
    assert allowed["states:StartSyncExecution"] == [{"Ref": MACHINE}]
    assert allowed["ssm:GetParametersByPath"] == [{"Fn::Sub": path}]
    assert "sqs:SendMessage" not in allowed


def test_converter_starts_this_machine_and_reads_these_clients(template: Template):
    """The converter's role is bound to the machine's alias, the one path, the one bucket."""
    allowed = {statement.actions[0]: statement.resources for statement in granted(template, "ConverterFunctionRole")}
    path = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/${AWS::StackName}/clients"
    assert allowed["states:StartSyncExecution"] == [{"Ref": MACHINE}]
    assert allowed["ssm:GetParametersByPath"] == [{"Fn::Sub": path}]
    assert allowed["s3:PutObject"] == [{"Fn::Sub": "${UndeliveredRecordsBucket.Arn}/*"}]
    assert allowed["s3:ListBucket"] == [arn("UndeliveredRecordsBucket")]
    assert _function(template, "ConverterFunction")["Environment"]["Variables"]["CLIENTS_PATH"] == {
        "Fn::Sub": "/${AWS::StackName}/clients"
    }


def test_only_the_machine_writes_to_the_fan_out_queue(template: Template):
    """What is in it was validated: by nobody else."""
    denials = [
        statement.body
        for statement in statements(template)
        if statement.owner == "FanOutQueuePolicy" and statement.body["Sid"] == "DenyEveryOtherWriter"
    ]
    assert denials == [
        {
            "Sid": "DenyEveryOtherWriter",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:SendMessage",
            "Resource": arn("FanOutQueue"),
            "Condition": {"ArnNotEquals": {"aws:PrincipalArn": arn(MACHINE_ROLE)}},
        }
    ]


# ----------------------------------------------------------------------------------------------------------------------
# What is kept, and how
# ----------------------------------------------------------------------------------------------------------------------
@every_queue
def test_queues_are_fifo_and_patient(name: str, queue: str):
    """Every queue keeps order by group, and holds a message for as long as SQS can: 14 days."""
    properties = of_type(translated(name), "AWS::SQS::Queue")[queue]
    assert properties["FifoQueue"] is True
    assert properties["DeduplicationScope"] == "messageGroup"
    assert properties["FifoThroughputLimit"] == "perMessageGroupId"
    assert properties["MessageRetentionPeriod"] == 14 * DAY
    assert "RedrivePolicy" not in properties, "a dead-letter queue breaks the order"


def test_a_client_may_bring_a_key_of_its_own():
    """With a key the queue is encrypted by it, without one by SQS: never by both, never by nothing."""
    template = source(CLIENT)
    queue = of_type(template, "AWS::SQS::Queue")["ClientQueue"]
    assert template["Conditions"]["KeyOfSqs"] == {"Fn::Equals": [{"Ref": "KmsKeyArn"}, ""]}
    assert template["Parameters"]["KmsKeyArn"]["Default"] == ""
    assert queue["SqsManagedSseEnabled"] == {"Fn::If": ["KeyOfSqs", True, _NO_VALUE]}
    assert queue["KmsMasterKeyId"] == {"Fn::If": ["KeyOfSqs", _NO_VALUE, {"Ref": "KmsKeyArn"}]}


def test_the_roles_that_a_key_has_to_let_in_are_all_that_send_to_clients(template: Template):
    """Whoever may send to a client's queue is an output, so that the key's owner knows whom to name."""
    senders = {
        statement.owner
        for statement in statements(template)
        if statement.body["Effect"] == "Allow" and "MarkFanOutClient*.fifo" in str(statement.resources)
    }
    outputs = {
        template["Outputs"][name]["Value"]["Fn::GetAtt"][0]
        for name in ("DeliveryRoleArn", "RedriveRoleArn", "HistoryRoleArn")
    }
    assert outputs == senders


def test_the_original_clients_queue_lets_in_all_that_send_to_clients_and_nobody_else(template: Template):
    """Its policy denies every other writer; a role left out could deliver to every client but this one."""
    senders = [
        arn(statement.owner)
        for statement in statements(template)
        if statement.body["Effect"] == "Allow" and "MarkFanOutClient*.fifo" in str(statement.resources)
    ]
    (denial,) = [
        statement.body
        for statement in statements(template)
        if statement.owner == "ClientQueuePolicy" and statement.body["Sid"] == "DenyEveryOtherWriter"
    ]
    let_in = denial["Condition"]["ArnNotEquals"].pop("aws:PrincipalArn")
    assert sorted(map(str, let_in)) == sorted(set(map(str, senders)))
    assert (denial["Effect"], denial["Action"], denial["Resource"]) == ("Deny", "sqs:SendMessage", arn("ClientQueue"))


@every_queue
def test_queues_refuse_plain_http(name: str, queue: str):
    """A policy on the queue itself denies every action to whoever comes without TLS."""
    template = translated(name)
    (policy,) = [
        policy for policy in of_type(template, "AWS::SQS::QueuePolicy").values() if {"Ref": queue} in policy["Queues"]
    ]
    (denial,) = [
        statement for statement in policy["PolicyDocument"]["Statement"] if statement.get("Sid") == "DenyPlainHttp"
    ]
    assert denial == {
        "Sid": "DenyPlainHttp",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": arn(queue),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def test_nothing_is_left_of_a_queue_for_what_is_rejected(template: Template):
    """What breaks the contract is held in the table, without a time limit; no queue takes it."""
    assert "QuarantineQueue" not in json.dumps(template)
    assert "QuarantineQueue" not in (ROOT / MACHINES[MACHINE]["DefinitionUri"]).read_text("utf-8")
    assert of_type(template, "AWS::SQS::Queue").keys() == {"FanOutQueue", "ClientQueue"}


def test_nothing_that_waits_expires(template: Template):
    """What has the attribute by which the table forgets is what history brought, and nothing that is held."""
    table = of_type(template, "AWS::DynamoDB::Table")["ParkedEventsTable"]
    dynamodb = DynamoDBInMemory()
    HeldEventsTable("held", dynamodb).hold("client", [entries(["A"])], PARKED, "Fault")
    HistoriesTable("held", dynamodb).remember("client", [("A", "event")])

    attribute = table["TimeToLiveSpecification"]["AttributeName"]

    assert [pk for (pk, _), item in dynamodb.contents().items() if attribute in item] == ["BROUGHT#client#A"]


def test_the_oldest_of_each_recipient_is_found_by_an_index(template: Template):
    """The index has the sequences of each recipient by age, and no event of them: the tests' own table is the same."""
    table = of_type(template, "AWS::DynamoDB::Table")["ParkedEventsTable"]
    (index,) = table["GlobalSecondaryIndexes"]
    made: dict[str, Any] = {}
    create_table(SimpleNamespace(create_table=made.update), "held")
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    assert [index] == made["GlobalSecondaryIndexes"]
    assert {name: table[name] for name in ("KeySchema", "AttributeDefinitions", "BillingMode")} == {
        name: made[name] for name in ("KeySchema", "AttributeDefinitions", "BillingMode")
    }


def test_parked_events_can_be_restored(template: Template):
    """The table of what waits has point-in-time recovery."""
    table = of_type(template, "AWS::DynamoDB::Table")["ParkedEventsTable"]
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True


def test_undelivered_records_are_private(template: Template):
    """The bucket is closed to the public in all four ways, knows no ACLs and refuses plain HTTP."""
    bucket = of_type(template, "AWS::S3::Bucket")["UndeliveredRecordsBucket"]
    assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(
        ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
    )
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    (denial,) = [statement.body for statement in statements(template) if "s3:*" in statement.actions]
    assert denial["Effect"] == "Deny"
    assert denial["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert denial["Resource"] == [
        arn("UndeliveredRecordsBucket"),
        {"Fn::Sub": "${UndeliveredRecordsBucket.Arn}/*"},
    ]


@pytest.mark.parametrize("store", ["UndeliveredRecordsBucket", "ParkedEventsTable"])
def test_undelivered_events_outlive_the_stack(template: Template, store: str):
    """What was not delivered is nowhere else for long: deleting the stack does not delete it."""
    resource = template["Resources"][store]
    assert (resource["UpdateReplacePolicy"], resource["DeletionPolicy"]) == ("Retain", "RetainExceptOnCreate")


@every_function
def test_functions_log_to_a_group_of_their_own(template: Template, function: str):
    """Each function has its own log group, which forgets, and may write to that one only."""
    group = _function(template, function)["LoggingConfig"]["LogGroup"]["Ref"]
    assert group == f"{function}LogGroup"
    assert of_type(template, "AWS::Logs::LogGroup")[group]["RetentionInDays"] <= 30
    allowed = {
        statement.actions[0]: statement.resources
        for statement in granted(template, f"{function}Role")
        if statement.actions[0].startswith("logs:")
    }
    assert allowed == {action: [arn(group)] for action in ("logs:CreateLogStream", "logs:PutLogEvents")}


def test_every_log_group_belongs_to_somebody(template: Template):
    """There is one log group per function and machine, and no other."""
    owners = {*of_type(template, "AWS::Lambda::Function"), *of_type(template, "AWS::StepFunctions::StateMachine")}
    assert of_type(template, "AWS::Logs::LogGroup").keys() == {f"{owner}LogGroup" for owner in owners}


# ----------------------------------------------------------------------------------------------------------------------
# From the stream
# ----------------------------------------------------------------------------------------------------------------------
def test_stream_keeps_order_and_loses_nothing(template: Template):
    """One batch of a shard at a time, from the oldest record, as often as it takes, and then to a bucket."""
    (mapping,) = of_type(template, "AWS::Lambda::EventSourceMapping").values()
    assert mapping["FunctionName"] == {"Ref": "ConverterFunction"}
    assert mapping["ParallelizationFactor"] == 1
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["MaximumRetryAttempts"] == -1
    assert 0 < mapping["MaximumRecordAgeInSeconds"] < DAY
    assert mapping["DestinationConfig"] == {"OnFailure": {"Destination": arn("UndeliveredRecordsBucket")}}
    assert "TumblingWindowInSeconds" not in mapping
    assert mapping.get("BisectBatchOnFunctionError", False) is False


def test_stream_makes_batches_of_the_size_that_parameters_say(template: Template):
    """What an invocation gets, how long it waits for it, and how many executions it runs at once, can be chosen."""
    (mapping,) = of_type(template, "AWS::Lambda::EventSourceMapping").values()
    assert mapping["BatchSize"] == {"Ref": "BatchSize"}
    assert mapping["MaximumBatchingWindowInSeconds"] == {"Ref": "MaximumBatchingWindowInSeconds"}
    settings = _function(template, "ConverterFunction")["Environment"]["Variables"]
    assert settings["TRACKS"] == {"Ref": "Tracks"}


def test_stream_drops_nothing(template: Template):
    """Every record reaches the converter, removals too: of what they removed nothing must go on waiting."""
    (mapping,) = of_type(template, "AWS::Lambda::EventSourceMapping").values()
    assert "FilterCriteria" not in mapping


def test_an_alarm_tells_that_the_stream_has_to_carry_images(template: Template):
    """Nobody has to know what a view is to end it: the description names the two that do."""
    alarm = template["Resources"]["RecordsWithoutImageAlarm"]["Properties"]

    assert "NEW_IMAGE or NEW_AND_OLD_IMAGES" in alarm["AlarmDescription"]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)


def test_stream_is_the_one_that_the_role_may_read(template: Template):
    """Mapping and role name the same stream: the given one, or the one that mark-api's stack exports."""
    stream = {"Fn::If": ["ImportStream", {"Fn::ImportValue": "DynamoDBStreamArn"}, {"Ref": "EventStreamArn"}]}
    (mapping,) = of_type(template, "AWS::Lambda::EventSourceMapping").values()
    readers = [
        statement.resources
        for statement in granted(template, "ConverterFunctionRole")
        if statement.actions[0] in ("dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream")
    ]
    assert template["Conditions"]["ImportStream"] == {"Fn::Equals": [{"Ref": "EventStreamArn"}, ""]}
    assert mapping["EventSourceArn"] == stream
    assert readers == [[stream]] * 3


def test_whoever_waits_waits_longer_than_what_is_waited_for(template: Template):
    """An execution ends before the converter's read time-out, and that before the converter itself.

    The other way round, Lambda would end while the execution goes on, and start the next beside it.
    """
    converter = _function(template, "ConverterFunction")["Timeout"]
    assert DEFINITION["TimeoutSeconds"] < READ_TIMEOUT_SECONDS < converter


def test_two_redrives_at_once_end_well_within_the_window_of_the_queues(template: Template):
    """An event may be sent twice as long as one invocation lasts: queues drop repeats for five minutes."""
    assert _function(template, "RedriveFunction")["Timeout"] <= 60


def test_two_releases_at_once_end_within_the_window_of_the_queues(template: Template):
    """What one of them sends late, the other may have sent before: queues drop repeats for five minutes.

    The later one begins its last batch while its invocation still has time for the wait, and some to spare; its
    last round starts before the delivery's deadline, and is tried for as long as a round may take. The earlier one
    has sent and not forgotten yet: until its own last round is over, and what came too late is parked.
    """
    last_start = _function(template, "ReleaseFunction")["Timeout"] - READ_TIMEOUT_SECONDS - SPARE_SECONDS
    (client,) = [scope for scope in scopes(DEFINITION) if scope.name == "Deliver To Clients"]
    last_round, _ = longest({"StartAt": "Send Round", "States": client.states}, slow_client)
    parking = client.states["Park Events"]["TimeoutSeconds"]  # which the last round ends with, too
    later = last_start + RELEASE.delivery_seconds + last_round - parking
    earlier = RELEASE.delivery_seconds + last_round + parking
    assert last_start > 0
    assert later + earlier <= 5 * 60


@every_machine
def test_no_task_gives_up_on_a_function_that_still_runs(template: Template, machine: str):
    """A Lambda Task waits at least as long as the function may take."""
    replacements = _machine(template, machine)["DefinitionSubstitutions"]
    invoked = {
        name: task for name, task in tasks(_definition(machine)).items() if task["Resource"].endswith("lambda:invoke")
    }
    assert invoked
    for name, task in invoked.items():
        function = function_of(template, replacements[task["Parameters"]["FunctionName"].strip("${}")])
        assert task["TimeoutSeconds"] >= _function(template, function)["Timeout"], name


# ----------------------------------------------------------------------------------------------------------------------
# The machine and the functions
# ----------------------------------------------------------------------------------------------------------------------
def test_batches_run_as_express_executions(template: Template):
    """A batch is one Express execution: the converter waits for its end."""
    assert _machine(template, MACHINE)["StateMachineType"] == "EXPRESS"


def test_the_log_of_the_busiest_machine_is_a_cheap_one(template: Template):
    """Every event of it carries the machine's name; the class, which a group keeps for life, is in the group's name."""
    assert _machine(template, MACHINE)["StateMachineName"] == {"Ref": "AWS::StackName"}
    group = of_type(template, "AWS::Logs::LogGroup")[f"{MACHINE}LogGroup"]
    assert group["LogGroupClass"] == {"Ref": "ExecutionLogClass"}
    assert group["LogGroupName"]["Fn::Sub"].endswith("-${ExecutionLogClass}")
    assert template["Parameters"]["ExecutionLogClass"]["Default"] == "INFREQUENT_ACCESS"


def test_of_the_batches_a_share_is_traced(template: Template):
    """A rule of the template's own decides for the machine; what an execution calls is traced with it."""
    (rule,) = of_type(template, "AWS::XRay::SamplingRule").values()
    sampling = rule["SamplingRule"]
    assert sampling["ServiceName"] == {"Fn::GetAtt": [MACHINE, "Name"]}
    assert sampling["ServiceType"] == "AWS::StepFunctions::StateMachine"
    assert (sampling["FixedRate"], sampling["ReservoirSize"]) == ({"Ref": "TraceRate"}, 0)
    assert template["Parameters"]["TraceRate"]["Default"] == TRACED


@every_machine
def test_machine_is_traced_and_logged(template: Template, machine: str):
    """Each execution can be opened in the console: level ALL by default, in a log group that needs no resource policy.

    Step Functions wants the group's ARN with ":*" at its end. Fn::GetAtt gives it so on AWS
    (CloudFormation, AWS::Logs::LogGroup, return values), so nothing must be put behind it.
    """
    properties = _machine(template, machine)
    assert properties["TracingConfiguration"] == {"Enabled": True}
    level = properties["LoggingConfiguration"]["Level"]
    assert (template["Parameters"][level["Ref"]]["Default"] if "Ref" in level else level) == "ALL"
    (destination,) = properties["LoggingConfiguration"]["Destinations"]
    assert destination == {"CloudWatchLogsLogGroup": {"LogGroupArn": arn(f"{machine}LogGroup")}}
    group = of_type(template, "AWS::Logs::LogGroup")[f"{machine}LogGroup"]
    assert group["LogGroupName"]["Fn::Sub"].startswith("/aws/vendedlogs/states/")
    assert group["RetentionInDays"] <= 30


@every_function
def test_functions_are_traced_and_log_json(template: Template, function: str):
    """Every function is traced, logs JSON, and runs on the runtime and processor that the parameters say."""
    properties = _function(template, function)
    assert properties["TracingConfig"] == {"Mode": "PassThrough"}
    assert properties["LoggingConfig"]["LogFormat"] == "JSON"
    assert properties["Runtime"] == {"Ref": "PythonRuntime"}
    assert properties["Architectures"] == [{"Ref": "Architecture"}]


@every_function
def test_functions_have_the_settings_that_they_require(template: Template, function: str):
    """The template sets what the function's modules require, and beside POWERTOOLS_* nothing else."""
    variables = _function(template, function)["Environment"]["Variables"]
    own = {name for name in variables if not name.startswith("POWERTOOLS_")}
    assert {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE"} <= variables.keys()
    module, _, _ = _function(template, function)["Handler"].rpartition(".")
    assert own == _required_by(module)


# Starts each handler in a process of its own, which has nothing of ours loaded; the libraries are loaded once for all.
_START_EACH = """
import importlib, json, os, sys
import aws_lambda_powertools, boto3
for function, (module, name, settings) in json.load(sys.stdin).items():
    if not os.fork():
        os.environ.update(settings)
        assert callable(getattr(importlib.import_module(module), name))
        os._exit(0)
    if os.wait()[1]:
        print(function, flush=True)
"""


def test_handlers_start_with_nothing_but_these_settings(template: Template):
    """Each handler can be imported and called in a process that has the template's environment and no other."""
    given = {}
    for function in of_type(template, "AWS::Lambda::Function"):
        properties = _function(template, function)
        module, _, name = properties["Handler"].rpartition(".")
        settings = {name: _value(template, value) for name, value in properties["Environment"]["Variables"].items()}
        if "SCHEMAS_FOLDER" in settings:  # where Lambda unpacks the layer
            assert settings["SCHEMAS_FOLDER"] == "/opt"
            settings["SCHEMAS_FOLDER"] = str(ROOT / "schemas")
        given[function] = (module, name, settings)
    result = subprocess.run(
        [sys.executable, "-c", _START_EACH],
        cwd=FUNCTIONS,
        env={"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION},
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, ""), result.stderr


def _value(template: Template, setting: Any) -> str:
    """Return a setting as a stack without parameters has it; what is known to AWS alone, as some text."""
    parameter = template["Parameters"].get(setting["Ref"], {}) if isinstance(setting, dict) and "Ref" in setting else {}
    return str(parameter.get("Default", setting))


def _required_by(module: str) -> set[str]:
    """Return the settings that a module, or one of ours that it imports, asks for at import."""
    required: set[str] = set()
    seen: set[str] = set()
    ahead = [module]
    while ahead:
        name = ahead.pop()
        path = _source_of(name)
        if path is None or name in seen:
            continue
        seen.add(name)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Import(names=names):
                    ahead += [alias.name for alias in names]
                case ast.ImportFrom(module=str(parent), names=names):
                    ahead += [parent, *(f"{parent}.{alias.name}" for alias in names)]
                case ast.Call(func=ast.Name(id="required"), args=[ast.Constant(value=str(setting))]):
                    required.add(setting)
    return required


def _source_of(module: str) -> Path | None:
    base = FUNCTIONS.joinpath(*module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


# ----------------------------------------------------------------------------------------------------------------------
# A client's own stack
# ----------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "path"), [(MAIN, "/${AWS::StackName}/clients/original"), (CLIENT, "${ClientsPath}/${ClientName}")]
)
def test_registration_is_one_parameter_under_the_path(name: str, path: str):
    """A client's registration is a text under the path that the converter reads."""
    registration = of_type(translated(name), "AWS::SSM::Parameter")["ClientRegistration"]
    assert registration["Name"] == {"Fn::Sub": path}
    assert registration["Type"] == "String"


def test_the_original_client_registers_with_its_queue_and_no_more(template: Template):
    """It gets what it always got."""
    registration = of_type(template, "AWS::SSM::Parameter")["ClientRegistration"]
    assert json.loads(registration["Value"]["Fn::Sub"]) == {"queueUrl": "${ClientQueue}"}


def _said(**parameters: str) -> str:
    """Return the value of a client's registration as CloudFormation makes it of the template and these parameters."""
    template = source(CLIENT)
    given = {name: str(one.get("Default", "")) for name, one in template["Parameters"].items()} | parameters
    url = f"https://sqs.{REGION}.amazonaws.com/123456789012/MarkFanOutClientA.fifo"

    def made(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        ((function, of),) = node.items()
        if function == "Ref":
            return given[of]
        if function == "Fn::Equals":
            return made(of[0]) == made(of[1])
        if function == "Fn::Not":
            return not made(of[0])
        if function == "Fn::If":
            return made(of[1] if made(template["Conditions"][of[0]]) else of[2])
        text, names = of if isinstance(of, list) else (of, {})
        values = given | {"ClientQueue": url} | {name: made(value) for name, value in names.items()}
        return re.sub(r"\$\{(\w+)}", lambda found: values[found[1]], text)

    value: str = made(of_type(template, "AWS::SSM::Parameter")["ClientRegistration"]["Value"])
    return value


# Of each parameter what may be given, and what the registration then says.
_SAYINGS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "Paused": [("false", {}), ("true", {"paused": True})],
    "Filter": [
        ("", {}),
        ("{}", {"filter": {}}),
        (
            ' {"properties": {"mark": {"pattern": "^A[0-9]{1,3}$"}}}\n',
            {"filter": {"properties": {"mark": {"pattern": "^A[0-9]{1,3}$"}}}},
        ),
    ],
    "From": [
        ("", {}),
        ("beginning", {"from": "beginning"}),
        ("2026-01-31T09:30:00Z", {"from": "2026-01-31T09:30:00Z"}),
        ("2024-02-29T23:59:59.123456789Z", {"from": "2024-02-29T23:59:59.123456789Z"}),
    ],
    "Notices": [("", {}), ("forgotten", {"notices": ["forgotten"]})],
    "Major": [("", {}), ("2", {"major": 2})],
}


def _is_allowed(name: str, given: str) -> bool:
    """Say whether CloudFormation takes a value for a parameter; patterns have to match the whole of it."""
    parameter = source(CLIENT)["Parameters"][name]
    pattern, values = parameter.get("AllowedPattern", ""), parameter.get("AllowedValues", [given])
    return bool(re.search(pattern, given)) and given in values and len(given) <= parameter.get("MaxLength", len(given))


def _admitted(value: str) -> Admission:
    return admit([Registration("A", "String", value, datetime.now(UTC), REGION, "123456789012")])


@pytest.mark.parametrize("choice", list(product(*_SAYINGS.values())))
def test_a_client_says_by_parameters_all_that_a_registration_can_say(choice: tuple[tuple[str, dict[str, Any]], ...]):
    """In all combinations: what is empty is left out, and what comes out is a registration that is understood."""
    parameters = {name: given for name, (given, _) in zip(_SAYINGS, choice, strict=True)}
    said = {key: one for _, says in choice for key, one in says.items()}
    assert all(_is_allowed(name, given) for name, given in parameters.items())

    value = _said(**parameters)

    assert {name: one for name, one in json.loads(value).items() if name != "queueUrl"} == said
    subscription = _admitted(value).subscriptions["A"]
    assert subscription.paused is said.get("paused", False)
    assert (subscription.filter is not None) is ("filter" in said)
    assert subscription.since == said.get("from", "")
    assert subscription.notices == frozenset(said.get("notices", []))


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("Paused", "yes"),
        ("Filter", "[]"),
        ("Filter", '{"mark": "' + "A" * 4000 + '"}'),
        ("From", "yesterday"),
        ("From", "2026-01-31"),
        ("From", "2026-01-31T09:30:00"),
        ("From", "2026-13-31T09:30:00Z"),
        ("From", "2026-01-32T09:30:00Z"),
        ("From", "2026-01-31T24:00:00Z"),
        ("From", "2026-12-31T23:59:60Z"),
        ("Notices", "deleted"),
        ("Major", "0"),
        ("Major", "1.0"),
        ("ConsumerAccountId", "*"),
    ],
)
def test_what_makes_no_sense_is_refused_before_it_is_a_registration(name: str, given: str):
    """CloudFormation says so at once, and not the converter's log later."""
    assert not _is_allowed(name, given)


def test_a_filter_says_nothing_but_the_filter():
    """What closes the filter and goes on is a malformed registration, and no other wish."""
    assert _admitted(_said(Filter='{}, "paused": true, "notices": {}')).malformed.keys() == {"A"}


def test_the_longest_registration_fits_its_parameter():
    """Systems Manager takes 4 KB in a standard parameter."""
    parameters = source(CLIENT)["Parameters"]
    longest = {name: max((given for given, _ in sayings), key=len) for name, sayings in _SAYINGS.items()}
    longest["Filter"] = "{" + " " * (parameters["Filter"]["MaxLength"] - 2) + "}"

    assert len(_said(**longest)) + LONGEST_QUEUE_URL <= 4096


@pytest.mark.parametrize(
    ("alarm", "metric", "parameter", "default", "advice"),
    [
        (
            "OldestMessageAlarm",
            "ApproximateAgeOfOldestMessage",
            "LongestWaitSeconds",
            3600,
            "Look at the consumer's errors",
        ),
        ("QueueDepthAlarm", "ApproximateNumberOfMessagesVisible", "DeepestQueue", 10_000, "meq history --stop"),
    ],
)
def test_a_clients_queue_has_alarms_that_say_what_to_do(
    alarm: str, metric: str, parameter: str, default: int, advice: str
):
    """One that waits too long and one that is too deep, of this very queue, at limits that a parameter sets."""
    properties = of_type(translated(CLIENT), "AWS::CloudWatch::Alarm")[alarm]
    assert source(CLIENT)["Parameters"][parameter]["Default"] == default
    assert (properties["Namespace"], properties["MetricName"]) == ("AWS/SQS", metric)
    assert properties["Dimensions"] == [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["ClientQueue", "QueueName"]}}]
    assert (properties["Statistic"], properties["ComparisonOperator"]) == ("Maximum", "GreaterThanThreshold")
    assert properties["Threshold"] == {"Ref": parameter}
    assert properties["TreatMissingData"] == "notBreaching"
    assert advice in properties["AlarmDescription"]


def test_another_account_may_read_a_clients_queue_and_no_more():
    """The account that is named, by roles of its own; nobody else, and nothing but what a consumer does."""
    (allowing,) = [one.body for one in statements(source(CLIENT)) if one.body["Effect"] == "Allow"]
    assert allowing["Principal"] == {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${ConsumerAccountId}:root"}}
    assert allowing["Resource"] == arn("ClientQueue")
    assert set(allowing["Action"]) == {
        f"sqs:{action}"
        for action in (
            "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes", "GetQueueUrl",
        )
    }  # fmt: skip
    assert source(CLIENT)["Parameters"]["ConsumerAccountId"]["Default"] == ""


def test_clients_path_is_the_one_that_clients_register_under(template: Template):
    """The output, the main stack's own registration and the default of client.yaml agree."""
    stack = _samconfig()["deploy"]["parameters"]["stack_name"]
    path = template["Outputs"]["ClientsPath"]["Value"]["Fn::Sub"]
    assert path == "/${AWS::StackName}/clients"
    assert path.replace("${AWS::StackName}", stack) == source(CLIENT)["Parameters"]["ClientsPath"]["Default"]


def test_every_client_name_gives_a_queue_that_can_be_sent_to():
    """Whatever name the template accepts gives a queue that is served: a legal name, that the machine may send to."""
    pattern = source(CLIENT)["Parameters"]["ClientName"]["AllowedPattern"]
    queue_name = of_type(translated(CLIENT), "AWS::SQS::Queue")["ClientQueue"]["QueueName"]["Fn::Sub"]
    longest = max((length for length in range(1, 200) if re.search(pattern, "a" * length)), default=0)
    assert not re.search(pattern, "no spaces")
    for name in ("a" * longest, "Archive", "a-1"):
        assert re.search(pattern, name)
        queue = queue_name.replace("${ClientName}", name)
        assert len(queue) <= 80, "SQS API Reference, CreateQueue"
        value = json.dumps({"queueUrl": f"https://sqs.{REGION}.amazonaws.com/123456789012/{queue}"})
        registration = Registration(name, "String", value, datetime.now(UTC), REGION, "123456789012")
        assert [client["name"] for client in admit([registration]).clients] == [name]


# ----------------------------------------------------------------------------------------------------------------------
# The tools
# ----------------------------------------------------------------------------------------------------------------------
def test_sam_deploys_without_questions_or_parameters():
    """`sam build && sam deploy` finds everything it needs in samconfig.toml."""
    deploy = _samconfig()["deploy"]["parameters"]
    assert deploy["stack_name"] == "mark-event-queue"
    assert deploy["capabilities"] == "CAPABILITY_IAM"
    assert deploy["resolve_s3"] is True
    assert "s3_bucket" not in deploy


@every_function
def test_every_package_is_made_for_what_it_runs_on(function: str):
    """The Makefile learns of it by its folder alone, and there is one for whatever the parameters allow."""
    metadata = source(MAIN)["Resources"][function]["Metadata"]
    assert metadata["BuildMethod"] == "makefile"
    folder = metadata["WorkingDirectory"]["Fn::Sub"]
    parameters = source(MAIN)["Parameters"]
    for runtime, architecture in product(
        *(parameters[name]["AllowedValues"] for name in ("PythonRuntime", "Architecture"))
    ):
        target = folder.replace("${PythonRuntime}", runtime).replace("${Architecture}", architecture)
        wheels = (ROOT / target / "wheels.txt").read_text("utf-8").split()
        assert wheels
        assert all(name.endswith({"arm64": "aarch64", "x86_64": "x86_64"}[architecture]) for name in wheels)


@every_template
def test_what_checkov_finds_and_is_not_followed_has_its_reason(name: str):
    """It stands beside the resource; nothing is passed over for a whole template."""
    template = source(name)
    skips = [
        (logical_id, skip)
        for logical_id, resource in template["Resources"].items()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    ]
    assert [logical_id for logical_id, skip in skips if not skip.get("comment", "").endswith(".")] == []
    assert "checkov" not in template.get("Metadata", {})


def _samconfig() -> dict[str, Any]:
    config: dict[str, Any] = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))["default"]
    return config
