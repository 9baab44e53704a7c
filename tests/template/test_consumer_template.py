"""Proves what the worked consumer's template promises: who may do what, how its table is kept, how its queue is read.

The template goes through the real SAM translator, without AWS. This cannot say that CloudFormation deploys the result.
"""

from typing import Any

import pytest

from local.queues import Message
from mark_consumer import store
from tests.client_view import ClientView
from tests.template.translation import Template, arn, granted, of_type, translated

TEMPLATE = "examples/consumer/template.yaml"
DAY = 24 * 60 * 60

# What an event source mapping needs (Lambda Developer Guide, "Using Lambda with Amazon SQS").
_READING = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")

# What a call of the client asks for, where it is not what it is called (Service Authorization Reference, DynamoDB).
_ASKS_FOR = {"transact_write_items": "dynamodb:PutItem"}


@pytest.fixture
def template() -> Template:
    """The consumer's template after the SAM transform."""
    return translated(TEMPLATE)


def _only(template: Template, kind: str) -> dict[str, Any]:
    (resource,) = of_type(template, kind).values()
    return resource


def _consumed() -> ClientView:
    """Return a client that has had all kinds of messages."""
    view = ClientView()
    number = "9".zfill(40)
    view.consume(
        [
            Message("{}", "A", {"eventId": "1", "sequenceNumber": "1".zfill(40)}),
            Message("{}", "A", {"eventId": "2", "sequenceNumber": "2".zfill(40), "late": "true"}),
            Message("{}", "A", {"eventId": "1", "sequenceNumber": "1".zfill(40), "history": "true", "historyId": "r"}),
            Message("{}", "A", {"notice": "forgotten", "sequenceNumber": number}),
        ]
    )
    return view


def test_the_role_lets_the_function_do_what_it_does_and_no_more(template: Template):
    """One action to a statement, each on the one queue, table or log group; the table's are those that are called."""
    statements = granted(template, "ConsumerFunctionRole")
    allowed = {action: one.resources for one in statements for action in one.actions}
    called = {_ASKS_FOR.get(call, f"dynamodb:{call.title().replace('_', '')}") for call in _consumed().dynamodb.calls}

    assert all(len(one.actions) == 1 and one.body["Effect"] == "Allow" for one in statements)
    assert len(called) == 4
    assert allowed == {
        **{
            f"sqs:{action}": [{"Ref": "QueueArn"}]
            for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
        },
        "kms:Decrypt": [{"Ref": "KmsKeyArn"}],
        **{action: [arn("MarkTable")] for action in called},
        **{f"logs:{action}": [arn("ConsumerFunctionLogGroup")] for action in ("CreateLogStream", "PutLogEvents")},
    }


def test_the_role_is_the_functions_own(template: Template):
    """SAM had to make none, nobody else assumes it, and what it may do is written in the template."""
    role = _only(template, "AWS::IAM::Role")
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert _only(template, "AWS::Lambda::Function")["Role"] == arn("ConsumerFunctionRole")
    assert (trust["Principal"], trust["Action"]) == ({"Service": "lambda.amazonaws.com"}, "sts:AssumeRole")
    assert "ManagedPolicyArns" not in role


def test_a_key_is_asked_for_only_where_there_is_one(template: Template):
    """Without a key of one's own the statement is not there: it would name nothing."""
    (policy,) = _only(template, "AWS::IAM::Role")["Policies"]
    (choice,) = [one["Fn::If"] for one in policy["PolicyDocument"]["Statement"] if "Fn::If" in one]
    assert (choice[0], choice[2]) == ("HasKey", {"Ref": "AWS::NoValue"})
    assert template["Conditions"]["HasKey"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "KmsKeyArn"}, ""]}]}


def test_the_table_is_encrypted_can_be_restored_and_outlives_the_stack(template: Template):
    """What is kept of marks is nowhere else."""
    table = _only(template, "AWS::DynamoDB::Table")
    resource = template["Resources"]["MarkTable"]
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert "TableName" not in table
    assert (resource["UpdateReplacePolicy"], resource["DeletionPolicy"]) == ("Retain", "RetainExceptOnCreate")


def test_ids_of_events_expire_and_marks_do_not(template: Template):
    """Once a queue cannot repeat an event any more, its id goes; keys are those that the store uses."""
    table = _only(template, "AWS::DynamoDB::Table")
    attribute = table["TimeToLiveSpecification"]["AttributeName"]
    view = ClientView()
    view.consume([Message("{}", "A", {"eventId": "1", "sequenceNumber": "1".zfill(40)})])
    contents = view.dynamodb.contents()

    assert table["TimeToLiveSpecification"]["Enabled"] is True
    assert [sk for (_, sk), item in contents.items() if attribute in item] == ["event#1"]
    assert len(contents) == 2
    assert [one["AttributeName"] for one in table["KeySchema"]] == ["pk", "sk"]
    assert store.REMEMBERED_SECONDS > 14 * DAY, "SQS keeps a message for 14 days"


def test_the_queue_is_read_so_that_a_failed_message_comes_again(template: Template):
    """The answer names what failed; nothing is dropped, and a batch ends before its messages are visible again."""
    source = _only(template, "AWS::Lambda::EventSourceMapping")
    function = _only(template, "AWS::Lambda::Function")
    queue = of_type(translated("client.yaml"), "AWS::SQS::Queue")["ClientQueue"]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["EventSourceArn"] == {"Ref": "QueueArn"}
    assert source["BatchSize"] <= 10, "Lambda Developer Guide: the most that a FIFO queue allows"
    assert "DestinationConfig" not in source
    assert "FilterCriteria" not in source, "what Lambda filters out is deleted unseen"
    assert function["Timeout"] <= queue.get("VisibilityTimeout", 30)


def test_the_function_logs_to_a_group_that_forgets(template: Template):
    """Its name is told to the function, which may write to no other."""
    assert _only(template, "AWS::Lambda::Function")["LoggingConfig"]["LogGroup"] == {"Ref": "ConsumerFunctionLogGroup"}
    assert _only(template, "AWS::Logs::LogGroup")["RetentionInDays"] <= 30


def test_the_function_is_told_what_its_handler_reads(template: Template):
    """The table, and under which name it counts."""
    variables = _only(template, "AWS::Lambda::Function")["Environment"]["Variables"]
    assert variables["MARK_TABLE"] == {"Ref": "MarkTable"}
    assert variables.keys() >= {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE"}
