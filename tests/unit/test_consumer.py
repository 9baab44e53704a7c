"""Unit tier, the worked consumer: proves that each event takes effect once, in order, however the queue repeats it.

Its table is one in memory; its batches are those of a queue that loses answers, repeats, and brings messages late.
"""

import importlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mark_consumer.consumer import Mark, Verdict, consume, message_of
from mark_consumer.store import MarkTable
from mark_event_queue.domain.forgetting import forgotten_by
from tests.builders import item, registration_number, removal
from tests.dynamodb_in_memory import DynamoDBInMemory
from tests.fakes import LambdaContextFake
from tests.template.translation import granted, of_type, translated

TEMPLATE = "examples/consumer/template.yaml"
GROUP = "AFC%206"


def _record(number: int, version: int | None = None, group: str = GROUP, **said: str) -> dict[str, Any]:
    """Return a message of the queue as Lambda gets it; number 100 and above is live."""
    event = {
        "eventId": f"{group}-{version or number}",
        "RegistrationNumber": {"version": version or number, "Status": "X"},
    }
    attributes = {"eventId": event["eventId"], "sequenceNumber": str(number).zfill(40)} | said
    return {
        "messageId": f"{group}-{number}-{said}",
        "body": json.dumps(event),
        "attributes": {"MessageGroupId": group},
        "messageAttributes": {name: {"stringValue": text, "dataType": "String"} for name, text in attributes.items()},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-2:123456789012:MarkFanOutClientA.fifo",
        "receiptHandle": "r",
        "md5OfBody": "",
        "awsRegion": "eu-west-2",
    }


def _notice() -> dict[str, Any]:
    told = forgotten_by(removal(1)).as_input()
    said = {"notice": "forgotten", "sequenceNumber": told["sequenceNumber"]}
    return _record(500) | {
        "body": told["body"],
        "messageAttributes": {name: {"stringValue": text, "dataType": "String"} for name, text in said.items()},
    }


def _take(store: MarkTable, *records: dict[str, Any]) -> list[Verdict]:
    return [consume(message_of(record), store)[0] for record in records]


def _store() -> MarkTable:
    return MarkTable("marks", DynamoDBInMemory())


def test_an_event_is_taken_in_once():
    """A repeat is known by its id, an overtaken one by its number."""
    store = _store()

    verdicts = _take(store, _record(101, 1), _record(103, 3), _record(103, 3), _record(102, 2))

    assert verdicts == [Verdict.TAKEN_IN, Verdict.TAKEN_IN, Verdict.REPEATED, Verdict.OVERTAKEN]
    assert store.mark(GROUP) == Mark(str(103).zfill(40), 3, "", "X")


def test_missing_versions_are_counted_and_hold_nothing_up():
    """With a filter they are normal; without one somebody should look."""
    store = _store()

    assert consume(message_of(_record(101, 4)), store) == (Verdict.TAKEN_IN, 0)
    assert consume(message_of(_record(102, 7)), store) == (Verdict.TAKEN_IN, 2)


def test_history_comes_before_what_is_live():
    """Its numbers are lower than every live one, and grow."""
    verdicts = _take(
        _store(),
        _record(1, 1, history="true", historyId="r1"),
        _record(2, 2, history="true", historyId="r1"),
        _record(103, 3),
    )

    assert verdicts == [Verdict.TAKEN_IN] * 3


def test_history_that_comes_again_begins_the_mark_anew():
    """The numbers and ids of before do not stand in its way; a repeat of what is live does not undo it."""
    store = _store()
    _take(store, _record(101, 1), _record(102, 2))

    again = [_record(number, number, history="true", historyId="r2") for number in (1, 2)]
    verdicts = _take(store, *again, again[1], _record(102, 2), _record(103, 3))

    assert verdicts == [Verdict.TAKEN_IN, Verdict.TAKEN_IN, Verdict.REPEATED, Verdict.REPEATED, Verdict.TAKEN_IN]
    assert store.mark(GROUP).version == 3


def test_a_late_event_is_noted_and_changes_nothing():
    """What it says has been overtaken; that it was had is known."""
    store = _store()

    verdicts = _take(store, _record(103, 3), _record(102, 2, late="true"), _record(102, 2, late="true"))

    assert verdicts == [Verdict.TAKEN_IN, Verdict.LATE, Verdict.REPEATED]
    assert store.mark(GROUP).version == 3


def test_a_notice_deletes_all_that_is_kept():
    """The mark may begin anew, with version 1."""
    dynamodb = DynamoDBInMemory()
    store = MarkTable("marks", dynamodb)
    _take(store, _record(101, 1), _record(102, 2))

    assert _take(store, _notice(), _notice()) == [Verdict.FORGOTTEN] * 2
    assert dynamodb.contents() == {}
    assert _take(store, _record(601, 1)) == [Verdict.TAKEN_IN]


def test_nothing_of_people_is_kept():
    """Of an event full of names and addresses the table has version and status."""
    dynamodb = DynamoDBInMemory()
    entitlement = {"M": {"nomineeName": {"S": "Jane Hidden"}}}
    whole = item(RegistrationNumber={"M": registration_number(entitlement=entitlement)})
    record = _record(101, 1)
    record["body"] = json.dumps({"RegistrationNumber": {"version": 1, "entitlement": {"nomineeName": "Jane Hidden"}}})

    _take(MarkTable("marks", dynamodb), record)

    assert "Hidden" in str(whole)
    assert "Hidden" not in str(dynamodb.contents())


def test_numbers_are_read_exactly():
    """A price is no double."""
    record = _record(101) | {"body": '{"RegistrationNumber":{"version":1,"price":0.1}}'}

    assert message_of(record).event["RegistrationNumber"]["price"] == Decimal("0.1")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 3), st.booleans()), max_size=40),
    st.lists(st.integers(0, 9), max_size=60),
)
def test_each_event_takes_effect_once_in_order_whatever_the_queue_does(deliveries, crashes):
    """Batches are repeated whole and in part, and the function dies before and after its transaction."""
    dynamodb = DynamoDBInMemory()
    store = MarkTable("marks", dynamodb)
    dying = iter(crashes)
    effects: dict[str, list[int]] = {"A": [], "B": []}

    def die(operation: str, arguments: Any) -> None:
        if operation == "transact_write_items" and next(dying, 9) == 0:
            raise ConnectionError

    def note(operation: str, arguments: Any) -> None:
        if operation == "transact_write_items":
            mark = arguments["TransactItems"][1]["Put"]["Item"]
            effects[mark["pk"]["S"]].append(int(mark["version"]["N"]))
            if next(dying, 9) == 1:
                raise ConnectionError

    dynamodb.before, dynamodb.after = die, note
    waiting = {group: [_record(100 + version, version, group) for version in range(1, 6)] for group in "AB"}
    had: dict[str, list[dict[str, Any]]] = {"A": [], "B": []}

    def deliver(group: str, count: int, repeats: bool) -> None:
        batch = [*(had[group][-count:] if repeats else []), *waiting[group][:count]]
        for record in batch:
            try:
                consume(message_of(record), store)
            except ConnectionError:
                return  # its group waits behind it
            if record in waiting[group]:
                waiting[group].remove(record)
                had[group].append(record)

    for group, count, repeats in deliveries:
        deliver(group, count, repeats)
    dynamodb.before = lambda operation, arguments: None
    dying = iter(())
    for group in "AB":
        deliver(group, 5, True)

    assert effects == {"A": [1, 2, 3, 4, 5], "B": [1, 2, 3, 4, 5]}


def test_a_group_waits_behind_its_failed_message_and_the_others_go_on(monkeypatch):
    """The answer names the failed message and those behind it in its group, and no other."""
    monkeypatch.setenv("MARK_TABLE", "marks")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "mark-consumer")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "mark-consumer")
    handler = importlib.import_module("mark_consumer.handler")
    monkeypatch.setattr(handler, "store", _store())
    broken = _record(102, 2) | {"body": "{"}

    answer = handler.handler(
        {"Records": [_record(101, 1), broken, _record(103, 3), _record(101, 1, group="B")]}, LambdaContextFake()
    )

    failed = [one["itemIdentifier"] for one in answer["batchItemFailures"]]
    assert failed == [broken["messageId"], _record(103, 3)["messageId"]]


def test_the_consumers_role_does_what_it_needs_and_no_more():
    """One action to a statement, on its own queue and table; the table is encrypted and can be restored."""
    template = translated(TEMPLATE)
    statements = granted(template, "ConsumerFunctionRole")

    assert all(len(statement.actions) == 1 and "*" not in str(statement.resources) for statement in statements)
    assert {statement.actions[0] for statement in statements} == {
        "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "dynamodb:GetItem", "dynamodb:Query",
        "dynamodb:PutItem", "dynamodb:DeleteItem", "logs:CreateLogStream", "logs:PutLogEvents",
    }  # fmt: skip
    table = of_type(template, "AWS::DynamoDB::Table")["MarkTable"]
    assert table["SSESpecification"] == {"SSEEnabled": True}
    (source,) = of_type(template, "AWS::Lambda::EventSourceMapping").values()
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_a_name_that_a_metric_can_have(verdict):
    """Letters only, as the names of this project's metrics."""
    assert verdict.name.title().replace("_", "").isalpha()
