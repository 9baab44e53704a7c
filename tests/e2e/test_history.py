"""Proves, on the deployed stack, that a client gets the past and then the present of every mark, each event once.

The local engine tells EventBridge of no change of a parameter, so the history is started by hand.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest

from local.marks import Item, Mark, put_in_batches
from local.queues import Message, drain, until
from local.session import Session
from tests.builders import DENY_ALL
from tests.by_mark import by_mark, received, written


@pytest.fixture
def joiner(stack: Session) -> Iterator[str]:
    """The queue of a client that has not registered yet."""
    sqs, ssm = stack.engine.client("sqs"), stack.engine.client("ssm")
    url: str = sqs.create_queue(QueueName="MarkFanOutClientJoiner.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    yield url
    ssm.delete_parameters(Names=[f"{stack.outputs['ClientsPath']}/Joiner"])
    sqs.delete_queue(QueueUrl=url)


def _write(stack: Session, items: list[Item]) -> None:
    for item in items:
        put_in_batches(stack.engine, [item])
        time.sleep(0.15)


def _register(stack: Session, url: str, **said: Any) -> None:
    value = json.dumps({"queueUrl": url} | said)
    name = f"{stack.outputs['ClientsPath']}/Joiner"
    stack.engine.client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)


def _start(stack: Session, **asked: Any) -> str:
    machine = stack.engine.client("stepfunctions")
    answer = machine.start_execution(
        stateMachineArn=stack.outputs["HistoryStateMachineArn"], input=json.dumps({"client": "Joiner"} | asked)
    )
    return str(answer["executionArn"])


def _ended(stack: Session, execution: str) -> dict[str, Any]:
    machine = stack.engine.client("stepfunctions")

    def told() -> dict[str, Any]:
        return dict(machine.describe_execution(executionArn=execution))

    until(lambda: told()["status"] != "RUNNING", "the history to end", 120)
    return told()


def _marks(name: str, count: int, begin: datetime) -> list[Mark]:
    return [Mark(f"{name} {number}", begin=begin + timedelta(seconds=60 * number)) for number in range(count)]


def _of_marks(messages: list[Message], name: str) -> list[Message]:
    return [message for message in messages if message.event["mark"].startswith(f"{name} ")]


def test_a_late_joiner_gets_the_past_and_then_the_present_each_event_once(stack: Session, joiner: str):
    """400 events of 40 marks lie in the table, 200 come meanwhile, the queue refuses for a while, and it is stopped."""
    old = _marks("HIS", 36, datetime(2025, 3, 1, 9, 30, tzinfo=UTC))
    young = _marks("HIT", 4, datetime.now(UTC) - timedelta(minutes=5))
    past = [mark.lock() for _ in range(10) for mark in [*old, *young]]
    stack.deliver(past[:360])
    put_in_batches(stack.engine, past[360:])
    before = {client: len(drain(stack.engine, url)) for client, url in stack.queues.items()}

    _register(stack, joiner, **{"from": "beginning"})
    sqs = stack.engine.client("sqs")
    sqs.set_queue_attributes(QueueUrl=joiner, Attributes={"Policy": DENY_ALL})
    execution = _start(stack, segments=4)
    for mark in old:
        mark.begin = datetime.now(UTC)  # what is written now says so, as the producer's events do
    present = [mark.lock() for _ in range(5) for mark in [*old, *young]]
    writing = Thread(target=_write, args=(stack, present[:160]))
    writing.start()

    time.sleep(20)
    stack.engine.client("stepfunctions").stop_execution(executionArn=execution)
    sqs.set_queue_attributes(QueueUrl=joiner, Attributes={"Policy": ""})
    execution = _start(stack, segments=4)
    writing.join()
    ended = _ended(stack, execution)
    put_in_batches(stack.engine, present[160:])
    until(lambda: stack.executions.handled() >= 600, "all events to be handled")

    assert (ended["status"], ended.get("error"), ended.get("cause")) == ("SUCCEEDED", None, None)
    got = drain(stack.engine, joiner)
    mine = [*_of_marks(got, "HIS"), *_of_marks(got, "HIT")]
    assert received(mine) == written([*past, *present])
    for numbers in by_mark((message.event["mark"], message.sequence_number) for message in mine).values():
        assert numbers == sorted(numbers)
    assert {"history" in message.attributes for message in mine} == {True, False}
    for client, url in stack.queues.items():
        assert before[client] + len(drain(stack.engine, url)) == len(past) + len(present), client
