"""Proves, on the deployed stack, what clients get for what is put into the table.

It cannot prove what MiniStack does not do as AWS does: it refuses no entry of a batch, takes states
of any size, and goes on past a batch item failure; lower tiers cover those.
"""

import json
from string import ascii_letters, digits, punctuation
from typing import Any
from uuid import uuid4

from bench.calls import floor
from bench.chain import longest_chain
from local import inspection
from local.guarantees import Evidence, verdicts
from local.marks import Item, Mark
from local.queues import drain
from local.session import Session
from mark_event_queue.domain.held import GATE


def histories(marks: list[str], events: int) -> list[Item]:
    """Events of several marks, interleaved as a busy afternoon would."""
    lives = [Mark(name) for name in marks]
    return [life.lock() if turn % 2 == 0 else life.unlock() for turn in range(events) for life in lives]


def rejected(item: Item, **changes: Any) -> Item:
    """The item with some of its attributes replaced, or left out where None."""
    changed = item | changes
    return {name: value for name, value in changed.items() if value is not None}


def test_every_client_gets_every_event(stack: Session):
    """1,000 events of 50 marks: each client and the fan-out queue gets all, per mark in order, once, exact."""
    items = histories([f"T{number} EVT" for number in range(50)], events=20)
    stack.deliver(items)
    delivered = {client: drain(stack.engine, url) for client, url in stack.queues.items()}
    assert {client: len(messages) for client, messages in delivered.items()} == dict.fromkeys(stack.queues, 1000)
    judged = verdicts(Evidence(items, delivered, parked={}, quarantined=[]))
    assert [verdict for verdict in judged if verdict.found] == []


def test_group_ids_are_fit_for_sqs_and_tell_marks_apart(stack: Session):
    """Marks with spaces, percent signs, letters beyond ASCII or great length each have a group of their own."""
    marks = ["AFC F7", "AFC%20F7", "AFCF7", "ÄFC 7", "AFC\u20287", "X" * 200, "X" * 201]
    stack.deliver(histories(marks, events=2))
    messages = drain(stack.engine, stack.queues["Insurer"])
    groups = {message.event["mark"]: message.group_id for message in messages}
    assert set(groups) == set(marks)
    assert len(set(groups.values())) == len(marks)
    assert groups["AFC F7"] == "AFC%20F7"
    allowed = set(ascii_letters + digits + punctuation)
    assert [group for group in groups.values() if not set(group) <= allowed or len(group) > 128] == []


def test_what_breaks_the_contract_is_quarantined_and_its_neighbours_go_on(stack: Session):
    """A wrong status, no event id, an unknown event type, 399 KB: quarantined with the reason, the rest delivered."""
    good = histories(["Q1 OK", "Q2 OK"], events=3)
    bad = [Mark(f"Q{number} BAD").lock() for number in range(4)]
    bad[0]["RegistrationNumber"]["M"]["Status"] = {"S": "SOLD"}
    broken = [
        bad[0],
        rejected(bad[1], eventId=None),
        rejected(bad[2], eventName={"S": "MarkStolenEvent"}),
        rejected(bad[3], note={"S": "x" * 398 * 1024}),
    ]
    interleaved = [item for pair in zip(good, broken, strict=False) for item in pair] + good[4:]
    stack.deliver(interleaved)

    assert {message.event_id for message in drain(stack.engine, stack.queues["Police"])} == {
        item["eventId"]["S"] for item in good
    }
    held = inspection.held(stack.engine, stack.outputs["ParkedEventsTableName"])[GATE]
    quarantined = {
        event["groupId"]: (json.loads(event["body"]), json.loads(event.get("violations", "[]")), event.get("unfit", ""))
        for event in held
        if event["groupId"].endswith("BAD")
    }
    assert set(quarantined) == {f"Q{number}%20BAD" for number in range(4)}
    assert quarantined["Q0%20BAD"][1] == [{"path": "/RegistrationNumber/Status", "rule": "enum"}]
    assert quarantined["Q1%20BAD"][2] == "the item has no eventId"
    assert quarantined["Q2%20BAD"][1] == [{"path": "/eventName", "rule": "enum"}]
    assert quarantined["Q2%20BAD"][0]["eventName"] == "MarkStolenEvent"
    assert quarantined["Q3%20BAD"][2].startswith("too large for a batch")
    assert quarantined["Q3%20BAD"][0] == {"tableKey": {"mark": "Q3 BAD", "createTime": bad[3]["createTime"]["S"]}}


def test_each_execution_names_its_events_and_its_clients(stack: Session):
    """The list of executions shows each batch; the input says which events went to whom."""
    item = Mark("EX 1").lock()
    stack.deliver([item])
    machine = stack.engine.client("stepfunctions")
    listed = machine.list_executions(stateMachineArn=stack.outputs["StateMachineArn"])["executions"]
    inputs = [
        json.loads(machine.describe_execution(executionArn=execution["executionArn"])["input"]) for execution in listed
    ]
    (found,) = [given for given in inputs if item["eventId"]["S"] in json.dumps(given)]
    assert [client["name"] for client in found["clients"]] == ["Insurer", "Police", "original"]
    assert [event["mark"] for event in found["batch"]["events"]] == ["EX 1"]


def test_a_batch_of_many_marks_waits_no_longer_than_one_event(stack: Session):
    """Waves of different marks go at the same time, and there are no more calls than ten events to a call need."""
    chains: dict[int, set[int]] = {}
    for marks in (1, 100):
        before = {execution.name for execution in stack.executions.all()}
        stack.deliver(histories([f"W{marks} {number}" for number in range(marks)], events=1))
        for execution in stack.executions.all():
            if execution.name not in before:
                history = stack.executions.history(execution.name)
                chains.setdefault(marks, set()).add(longest_chain(history))
                sends = [event for event in history if _resource(event).endswith("aws-sdk:sqs:sendMessageBatch")]
                assert len(sends) == floor(execution.valid, len(execution.clients))
    # Validate, write to the fan-out queue, send.
    assert chains == {1: {3}, 100: {3}}


def _resource(event: dict[str, Any]) -> str:
    return str(event.get("taskScheduledEventDetails", {}).get("resource", ""))


def test_a_removal_delivers_nothing_and_holds_nothing_up(stack: Session):
    """Deleting a mark's events is an execution of its own; those who asked for no notice get nothing of it."""
    item = Mark("GD PR").lock()
    stack.deliver([item])
    before = len(stack.executions.all())
    key = {"mark": item["mark"], "createTime": item["createTime"]}
    stack.engine.client("dynamodb").delete_item(TableName="RegistrationNumberEvent", Key=key)
    stack.deliver([Mark("GD AFT").lock()])
    assert len(stack.executions.all()) == before + 2
    assert len(drain(stack.engine, stack.queues["original"])) == 2


def test_an_event_that_replaces_one_of_the_same_instant_is_delivered_too(stack: Session):
    """Two events with one key: the second arrives as MODIFY, and is an event like any other."""
    first = Mark("SA ME").lock()
    second = first | {"eventId": {"S": str(uuid4())}}
    stack.deliver([first])
    stack.deliver([second])
    ids = [message.event_id for message in drain(stack.engine, stack.queues["original"])]
    assert ids == [first["eventId"]["S"], second["eventId"]["S"]]


def test_no_personal_data_in_the_logs(stack: Session):
    """Names, addresses and telephone numbers stay out of what the functions log, also where an event is rejected."""
    mark = Mark("PR IV8")
    broken = mark.buy("Distinctive Purchaser")
    broken["RegistrationNumber"]["M"]["entitlement"]["M"]["expiryTime"] = {"S": "Distinctive Expiry"}
    stack.deliver([broken, mark.move_house("77 Distinctive Lane", "Distinctiveton", "DS7 7SD")])
    lines = inspection.logs(stack.engine)
    assert [line for line in lines if broken["eventId"]["S"] in line and "entitlement/expiryTime" in line] != []
    assert [line for line in lines if "Distinctive" in line or "01632 960001" in line] == []
