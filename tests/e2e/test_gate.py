"""Proves, on the deployed stack, that a broken contract holds its mark at the gate, and no other mark.

The redrive machine is started with the input that its console takes; test_operations.py does it by `meq`. That a
release lets a mark go on once the contract allows it is proven in test_contract_change.py.
"""

import json
from typing import Any

from local import inspection
from local.marks import Item, Mark
from local.queues import drain, until
from local.session import Session
from mark_event_queue.domain.held import GATE


def redrive(stack: Session, **asked: Any) -> dict[str, Any]:
    """Run the redrive machine with this input; return its output."""
    machine = stack.engine.client("stepfunctions")
    arn = machine.start_execution(stateMachineArn=stack.outputs["RedriveStateMachineArn"], input=json.dumps(asked))[
        "executionArn"
    ]
    until(lambda: machine.describe_execution(executionArn=arn)["status"] != "RUNNING", "the redrive to end", 120)
    ended = machine.describe_execution(executionArn=arn)
    assert ended["status"] == "SUCCEEDED", ended
    told: dict[str, Any] = json.loads(ended["output"])
    return told


def at_gate(stack: Session, mark: str) -> list[str]:
    """Return the ids of the events of a mark that are held at the gate, in order."""
    held = inspection.held(stack.engine, stack.outputs["ParkedEventsTableName"]).get(GATE, [])
    return [event["eventId"] for event in held if event["mark"] == mark]


def ids(items: list[Item]) -> list[str]:
    """Return the ids of events."""
    return [item["eventId"]["S"] for item in items]


def received(stack: Session, mark: str) -> dict[str, list[str]]:
    """Take what every queue holds; return the ids of one mark's events by queue."""
    return {
        name: [message.event_id for message in drain(stack.engine, url) if message.event["mark"] == mark]
        for name, url in stack.queues.items()
    }


def leased(mark: Mark) -> Item:
    """The mark's next event, with a status that the contract does not know."""
    item = mark.lock()
    item["RegistrationNumber"]["M"]["Status"] = {"S": "MARK_LEASED"}
    return item


def test_a_discarded_event_makes_way_for_those_behind_it(stack: Session):
    """What is given up at the gate is on record, without its body, and its followers are released."""
    mark = Mark("GD TE")
    items = [mark.lock(), leased(mark), mark.lock(), mark.unlock()]
    stack.deliver(items)
    told = redrive(
        stack, gate=True, mark="GD TE", action="discard", reason="sent by a test of theirs", by="an operator"
    )
    assert (told["discarded"], told["delivered"], told["errors"]) == (1, 2, [])
    got = received(stack, "GD TE")
    assert got == {name: ids([items[0], *items[2:]]) for name in got}
    table = stack.engine.client("dynamodb")
    records = table.query(
        TableName=stack.outputs["ParkedEventsTableName"],
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"DISCARDED#{GATE}"}},
    )["Items"]
    (record,) = [record for record in records if record["mark"]["S"] == "GD TE"]
    assert record["eventId"]["S"] == items[1]["eventId"]["S"]
    assert (record["reason"]["S"], record["discardedBy"]["S"]) == ("sent by a test of theirs", "an operator")
    assert "body" not in record


def test_a_stream_of_broken_events_holds_up_nothing(stack: Session):
    """Two hundred events of a hundred marks, all broken: each is held, and what comes behind them is delivered."""
    marks = [Mark(f"GX {number}") for number in range(100)]
    stack.deliver([leased(mark) for _ in range(2) for mark in marks])
    sound = Mark("GS TE")
    item = sound.lock()
    stack.deliver([item])
    got = received(stack, "GS TE")
    assert got == {name: ids([item]) for name in got}
    held = inspection.held(stack.engine, stack.outputs["ParkedEventsTableName"])[GATE]
    assert len([event for event in held if event["mark"].startswith("GX ")]) == 200
    told = redrive(stack, gate=True, all=True, action="discard", reason="the test is over", by="a test")
    assert told["nothingHeld"] is True
