"""Proves, on the deployed stack, that nothing waits of a mark that the producer deleted, and that a client is told."""

import json
import time
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pytest

from local.marks import TABLE, Item, Mark, put_in_batches
from local.queues import drain, until
from local.session import Session


def _scan(stack: Session) -> list[dict[str, Any]]:
    dynamodb, table = stack.engine.client("dynamodb"), stack.outputs["ParkedEventsTableName"]
    pages = dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    return [item for page in pages for item in page["Items"]]


def _delete(stack: Session, items: list[Item]) -> None:
    """Delete events as the producer forgets a mark: all in one transaction."""
    deletes = [
        {"Delete": {"TableName": TABLE, "Key": {name: item[name] for name in ("mark", "createTime")}}} for item in items
    ]
    stack.engine.client("dynamodb").transact_write_items(TransactItems=deletes)


def _say(stack: Session, client: str, **said: Any) -> None:
    value = json.dumps({"queueUrl": stack.queues[client]} | said)
    name = f"{stack.outputs['ClientsPath']}/{client}"
    stack.engine.client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)


@pytest.fixture
def plain_again(stack: Session) -> Iterator[None]:
    """Have the clients' registrations say no more than a queue when the test is over, whatever came of it."""
    yield
    for client in ("Police", "Insurer"):
        _say(stack, client)
    time.sleep(3)


def test_a_forgotten_mark_waits_nowhere_and_the_client_has_its_notice(stack: Session, plain_again: None):
    """Held for a paused client and quarantined at the gate: deleted; another client is told; the mark begins anew."""
    forgotten, other = Mark("FOR 1"), Mark("OTH 2")
    _say(stack, "Police", paused=True)
    _say(stack, "Insurer", notices=["forgotten"])
    time.sleep(6)
    broken = [forgotten.lock(), forgotten.unlock(), forgotten.lock()]
    broken[1]["RegistrationNumber"]["M"]["Status"] = {"S": "SOLD"}
    stack.deliver([broken[0], other.lock(), *broken[1:]])
    before = json.dumps(_scan(stack), default=str)
    assert [broken[number]["eventId"]["S"] in before for number in range(3)] == [True, True, True]

    _delete(stack, broken)
    until(lambda: "FOR%201" not in json.dumps(_scan(stack), default=str), "the mark to be forgotten")
    anew = Mark("FOR 1", begin=forgotten.begin.replace(year=2027)).lock()
    anew["eventId"] = {"S": "11111111-1111-4111-8111-111111111111"}
    put_in_batches(stack.engine, [anew])
    until(lambda: any("1111-4111" in json.dumps(item) for item in _scan(stack)), "the mark to begin anew")

    left = json.dumps(_scan(stack), default=str)
    assert [item["eventId"]["S"] in left for item in broken] == [False, False, False]
    insurer = [message for message in drain(stack.engine, stack.queues["Insurer"]) if "FOR 1" in message.body]
    # The removals of a transaction may come in several invocations; then so does the notice.
    told = [kind for kind, _ in groupby(message.attributes.get("notice", message.event["mark"]) for message in insurer)]
    assert told == ["FOR 1", "forgotten", "FOR 1"]
    numbers = [message.sequence_number for message in insurer]
    assert numbers == sorted(numbers)
    assert "notice" not in "".join(message.body for message in drain(stack.engine, stack.queues["original"]))
