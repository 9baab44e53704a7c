"""Proves, on the deployed stack, that a broken contract holds its mark at the gate, and that a release lets it go on.

The contract is mended as a team would: a schema is changed, the stack is built and deployed again. The
redrive machine is started with the input that its console takes; test_operations.py does it by `meq`.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local import inspection
from local import stack as deployment
from local.marks import Item, Mark, put_in_batches
from local.queues import drain, until
from local.session import Session
from mark_event_queue.domain.held import GATE

PARTS = ("template.yaml", "functions", "schemas", "statemachines")


@pytest.fixture
def mended(stack: Session, tmp_path: Path) -> Iterator[Any]:
    """Deploys a contract that knows one more status; the published one is deployed again afterwards."""

    def deploy_with(*statuses: str) -> None:
        root = tmp_path / f"with-{len(statuses)}"
        root.mkdir()
        for part in PARTS:
            source = deployment.ROOT / part
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, root / part)
        shared = root / "schemas" / "v1" / "shared.json"
        schema = json.loads(shared.read_text("utf-8"))
        schema["$defs"]["status"]["enum"] += statuses
        shared.write_text(json.dumps(schema), "utf-8")
        deployment.deploy_pipeline(stack.engine, deployment.build(root / "built", root))

    yield deploy_with
    deploy_with()


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


def test_a_broken_event_holds_its_mark_until_the_mended_contract_releases_it(stack: Session, mended: Any):
    """Before it: delivered; from it on: held, in later batches too; released while more arrive: all in order, once."""
    held, other = Mark("GA TE"), Mark("GB TE")
    first = [held.lock(), leased(held), held.lock(), held.unlock(), held.lock()]
    stack.deliver([*first[:1], other.lock(), *first[1:], other.unlock()])
    assert at_gate(stack, "GA TE") == ids(first[1:])
    got = received(stack, "GA TE")
    assert got == {name: ids(first[:1]) for name in got}

    second = [held.unlock(), held.lock(), held.unlock()]
    stack.deliver(second)
    assert at_gate(stack, "GA TE") == ids([*first[1:], *second])
    assert redrive(stack, gate=True, mark="GA TE")["errors"] == ["ContractBroken"]

    mended("MARK_LEASED")
    third = [held.lock(), held.unlock(), held.lock()]
    put_in_batches(stack.engine, third)
    told = redrive(stack, gate=True, mark="GA TE")
    assert (told["errors"], told["stoppedSequences"]) == ([], 0)
    until(lambda: at_gate(stack, "GA TE") == [], "nothing of the mark to be held", 60)
    rest = ids([*first[1:], *second, *third])
    everything: dict[str, list[str]] = {name: [] for name in stack.queues}

    def all_there() -> bool:
        for name, some in received(stack, "GA TE").items():
            everything[name] += some
        return all(len(got) >= len(rest) for got in everything.values())

    until(all_there, "the mark's events to be in every queue", 60)
    assert everything == dict.fromkeys(stack.queues, rest)


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
