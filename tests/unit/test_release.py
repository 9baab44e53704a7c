"""Unit tier, `meq.release`: proves that an event leaves quarantine only once it was delivered, and marks in order.

The quarantine queue is a fake that keeps SQS's promises of a FIFO queue (a group waits for its message in
flight); Systems Manager and Step Functions are local endpoints that give fixed answers.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from mark_event_queue.domain.contract import load
from mark_event_queue.domain.errors import BatchNotDeliveredError
from mark_event_queue.domain.events import Event
from meq.release import Quarantined, Released, Staying, release, sort
from meq.stack import Stack
from tests.builders import SCHEMAS, client, event_id, event_input, sequence_number
from tests.fakes import AwsFake, StackClients, aws_fake

URL = "https://sqs.eu-west-2.amazonaws.com/123456789012/Quarantine.fifo"
CONTRACT = load(SCHEMAS)
INVALID = '{"eventName":"UnheardOfEvent"}'


@dataclass
class QuarantineFake:
    """A FIFO queue: gives what is visible in order, and of a group nothing while a message of it is in flight."""

    messages: list[dict[str, Any]]
    in_flight: set[str] = field(default_factory=set)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def receive_message(self, MaxNumberOfMessages: int, **options: Any) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """Hand out messages, which are then in flight."""
        self.asked.append(options)
        busy = {message["Attributes"]["MessageGroupId"] for message in self._flying()}
        given = [message for message in self.messages if message["Attributes"]["MessageGroupId"] not in busy]
        self.in_flight |= {message["ReceiptHandle"] for message in given[:MaxNumberOfMessages]}
        return {"Messages": given[:MaxNumberOfMessages]} if given else {}

    def delete_message(self, QueueUrl: str, ReceiptHandle: str) -> None:  # noqa: N803 - boto3's names
        """Take a message in flight out of the queue."""
        (found,) = [message for message in self._flying() if message["ReceiptHandle"] == ReceiptHandle]
        self.messages.remove(found)

    def change_message_visibility(self, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:  # noqa: N803
        """Give a message back."""
        assert VisibilityTimeout == 0
        self.in_flight.remove(ReceiptHandle)

    def left(self) -> list[str]:
        """Return the ids of what is still quarantined, once all of it can be received again."""
        assert not self._flying()
        return [message["MessageAttributes"]["eventId"]["StringValue"] for message in self.messages]

    def _flying(self) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["ReceiptHandle"] in self.in_flight]


@dataclass
class World:
    """A stack with something in quarantine, and executions that end as a test says."""

    queue: QuarantineFake
    machine: AwsFake

    def stack(self) -> Stack:
        """Return the stack, its services faked."""
        outputs = {"QuarantineQueueUrl": URL, "StateMachineArn": "arn:machine", "ClientsPath": "/stack/clients"}
        return Stack("stack", StackClients(outputs, {"sqs": self.queue}))

    def delivered(self) -> list[list[str]]:
        """Return the ids of the events of each execution."""
        given = [json.loads(request["input"]) for request in self.machine.requests]
        return [[event["eventId"] for event in one["batch"]["events"]] for one in given]


def _message(number: int, mark: str, body: str | None = None) -> dict[str, Any]:
    event = event_input(number, mark, body)
    attributes = {"eventId": event["eventId"], "sequenceNumber": event["sequenceNumber"], "violations": "[]"}
    return {
        "ReceiptHandle": f"receipt-{number}",
        "Body": event["body"],
        "Attributes": {"MessageGroupId": event["groupId"]},
        "MessageAttributes": {name: {"StringValue": value} for name, value in attributes.items()},
    }


def _ended(status: str = "SUCCEEDED", rejected: int = 0) -> tuple[int, dict[str, Any]]:
    output = json.dumps({"counts": {"valid": 1, "rejected": rejected}})
    return 200, {"executionArn": "x", "startDate": 1, "stopDate": 2, "status": status, "output": output}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A stack with one client and an empty quarantine."""
    parameter = {
        "Name": "/stack/clients/archive",
        "Type": "String",
        "Value": json.dumps({"queueUrl": client()["queueUrl"]}),
        "LastModifiedDate": 0,
        "ARN": "arn:aws:ssm:eu-west-2:123456789012:parameter/stack/clients/archive",
    }
    with aws_fake() as machine, aws_fake((200, {"Parameters": [parameter]})) as parameters:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", machine.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", parameters.url)
        monkeypatch.setenv("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")
        yield World(QuarantineFake([]), machine)


# ----------------------------------------------------------------------------------------------------------------------
# What is sorted out
# ----------------------------------------------------------------------------------------------------------------------
def _quarantined(number: int, group_id: str, body: str | None = None, unfit: str = "") -> Quarantined:
    event = event_input(number, group_id, body)
    return Quarantined(
        f"receipt-{number}", Event(event["eventId"], group_id, group_id, event["sequenceNumber"], event["body"], unfit)
    )


def test_what_is_valid_by_now_is_sorted_from_what_is_not():
    """In the order in which it came; no group is held back for another's sake."""
    received = [_quarantined(1, "A"), _quarantined(2, "B", INVALID), _quarantined(3, "C"), _quarantined(4, "A")]
    stuck: set[str] = set()

    assert sort(received, CONTRACT, stuck) == ([received[0], received[2], received[3]], [received[1]])
    assert stuck == {"B"}


@pytest.mark.parametrize("staying", [{"body": INVALID}, {"unfit": "no event"}])
def test_what_stays_holds_back_the_later_ones_of_its_mark(staying):
    """An event that still breaks the contract, or never was one, is overtaken by none of its mark; earlier ones go."""
    received = [_quarantined(1, "A"), _quarantined(2, "A", **staying), _quarantined(3, "A"), _quarantined(4, "B")]

    assert sort(received, CONTRACT, set()) == ([received[0], received[3]], received[1:3])


def test_what_stayed_before_still_holds_back():
    """Messages come ten at a time: what stayed of the ones before is remembered."""
    later = [_quarantined(5, "A"), _quarantined(6, "B")]

    assert sort(later, CONTRACT, {"A"}) == (later[1:], later[:1])


# ----------------------------------------------------------------------------------------------------------------------
# The whole release
# ----------------------------------------------------------------------------------------------------------------------
def test_what_is_valid_is_delivered_and_leaves_quarantine(world):
    """In the order of its mark, to the clients of today, as the event that was quarantined."""
    world.queue.messages = [_message(number, "AFC 6") for number in range(1, 26)]
    world.machine.answers.append(_ended())

    assert release(world.stack()) == Released(25)
    assert [name for batch in world.delivered() for name in batch] == [event_id(number) for number in range(1, 26)]
    assert world.queue.left() == []
    given = json.loads(world.machine.requests[0]["input"])
    assert given["clients"] == [client()]
    assert given["batch"]["events"][0] == event_input(1, "AFC 6")
    assert given["batch"]["events"][0]["sequenceNumber"] == sequence_number(1)


def test_what_is_still_invalid_stays_and_holds_its_mark_back(world):
    """It is told of by id and mark, and can be received again at once; the other marks go."""
    world.queue.messages = [_message(1, "A"), _message(2, "A", INVALID), _message(3, "A"), _message(4, "B")]
    world.machine.answers.append(_ended())

    outcome = release(world.stack())

    assert outcome == Released(2, staying=[Staying(event_id(2), "A"), Staying(event_id(3), "A")])
    assert not outcome.done
    assert world.delivered() == [[event_id(1), event_id(4)]]
    assert world.queue.left() == [event_id(2), event_id(3)]


def test_what_never_was_an_event_stays(world):
    """A message that holds a table key only has nothing to deliver, whatever the contract allows."""
    world.queue.messages = [_message(1, "A", '{"tableKey":{"mark":"A"}}')]

    assert not release(world.stack()).done
    assert world.machine.requests == []
    assert world.queue.left() == [event_id(1)]


@pytest.mark.parametrize("change", [{"Body": "a note"}, {"Body": "[]"}, {"MessageAttributes": {}}])
def test_a_message_that_is_no_quarantined_event_is_passed_over(world, change):
    """It is named and stays; messages of other groups go."""
    world.queue.messages = [_message(1, "A") | {"MessageId": "m-1"} | change, _message(2, "B")]
    world.machine.answers.append(_ended())

    outcome = release(world.stack())

    assert outcome == Released(1, unreadable=["m-1"])
    assert not outcome.done
    assert [message["ReceiptHandle"] for message in world.queue.messages] == ["receipt-1"]


def test_ctrl_c_gives_back_what_was_in_hand(world):
    """What was not released stays, and can be received again at once."""
    world.queue.messages = [_message(1, "A", INVALID), _message(2, "B", INVALID)]

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    outcome = release(world.stack(), interrupt)

    assert (outcome.interrupted, outcome.done) == (True, False)
    assert world.queue.left() == [event_id(1), event_id(2)]


def test_an_empty_quarantine_is_soon_done(world):
    """Nothing is started; the one question waits for an answer, so that "nothing" is no accident of short polling."""
    assert release(world.stack()) == Released()
    assert Released().done
    assert world.machine.requests == []
    assert [asked["WaitTimeSeconds"] > 0 for asked in world.queue.asked] == [True]


@pytest.mark.parametrize("answer", [_ended("FAILED"), _ended("TIMED_OUT"), _ended(rejected=1)])
def test_an_execution_that_did_not_deliver_leaves_its_messages(world, answer):
    """Failed, or rejected by the contract that is deployed: its messages stay, and can be received again at once."""
    world.queue.messages = [_message(1, "A"), _message(2, "B", INVALID), _message(3, "C")]
    world.machine.answers.append(answer)

    with pytest.raises(BatchNotDeliveredError):
        release(world.stack())

    assert world.queue.left() == [event_id(1), event_id(2), event_id(3)]


def test_what_was_delivered_before_a_failure_does_not_come_back(world):
    """The first ten messages were delivered and are gone; those of the failed execution stay."""
    world.queue.messages = [_message(number, "A") for number in range(1, 13)]
    world.machine.answers += [_ended(), _ended("FAILED")]

    with pytest.raises(BatchNotDeliveredError):
        release(world.stack())

    assert world.queue.left() == [event_id(11), event_id(12)]
