"""Proves that the definition and the functions fit together: the real logic behind every Lambda Task.

The definition runs on the interpreter; queues and table are moto's; validator, selection and parking are
the application's own code. The handlers around it, IAM, and what AWS refuses are for the tiers that
deploy; where a queue refuses single entries, which moto's never do, a wrapper does it for them.
"""

import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from mark_event_queue.adapters.parked_events import ParkedEventsTable
from mark_event_queue.domain.batches import DELIVERY_SECONDS
from mark_event_queue.domain.contract import load
from mark_event_queue.parking.parking import park, select
from mark_event_queue.validator.validation import validate
from tests.builders import NOW, SCHEMAS, event_input, example, numbers
from tests.statemachine.cases import DELIVER, definition
from tests.statemachine.interpreter import Execution, mocked, run

REGION = "eu-west-2"
CONTRACT = load(SCHEMAS)
DEADLINE = NOW + timedelta(seconds=DELIVERY_SECONDS)
DEADLINES = {"storesDeadline": DEADLINE.isoformat(), "deadline": DEADLINE.isoformat()}
LAMBDA_TASKS = ("Validate Events", "Select Events", "Park Wave", "Park Refused Events")

Function = Callable[..., Any]


@dataclass
class InvokedHere:
    """A Lambda client whose functions run in this process, and fail as Lambda says that they did."""

    functions: dict[str, Function]

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """Invoke a function by its name."""
        try:
            return self._answer(self.functions[FunctionName](json.loads(Payload)))
        except Exception as error:
            failure = {"errorType": type(error).__name__, "errorMessage": str(error)}
            return self._answer(failure) | {"FunctionError": "Unhandled"}

    @staticmethod
    def _answer(payload: Any) -> dict[str, Any]:
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(payload).encode())}


@dataclass
class Troubled:
    """An SQS client that lets one queue refuse the messages of one group, in a batch and alone, or take its time."""

    sqs: Any
    queue_url: str = ""
    group_id: str = ""
    seconds_per_wave: int = 0
    time: datetime = NOW

    def send_message_batch(self, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """Send the entries of other groups; answer as SQS does when it refused some entries."""
        if QueueUrl == self.queue_url:
            self.time += timedelta(seconds=self.seconds_per_wave)
        refused = [entry for entry in Entries if self._refuses(QueueUrl, entry["MessageGroupId"])]
        accepted = [entry for entry in Entries if entry not in refused]
        answer: dict[str, Any] = {"Successful": []}
        if accepted:
            answer = self.sqs.send_message_batch(QueueUrl=QueueUrl, Entries=accepted)
        failures = [{"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in refused]
        return answer | ({"Failed": failures} if failures else {})

    def send_message(self, **message: Any) -> Any:
        """Send a message, or refuse it by an error."""
        if self._refuses(message["QueueUrl"], message["MessageGroupId"]):
            response = {
                "Error": {"Code": "RequestThrottled", "Message": "Request is throttled."},
                "ResponseMetadata": {"HTTPStatusCode": 400, "RequestId": "1"},
            }
            raise self.sqs.exceptions.RequestThrottled(response, "SendMessage")
        return self.sqs.send_message(**message)

    def _refuses(self, queue_url: str, group_id: str) -> bool:
        return (queue_url, group_id) == (self.queue_url, self.group_id)


class OneAtATime:
    """A client whose calls wait for one another: moto's services are not made for the lanes of a Map at once."""

    def __init__(self, client: Any, turn: threading.Lock) -> None:
        self._client, self._turn = client, turn

    def __getattr__(self, operation: str) -> Function:
        def call(**arguments: Any) -> Any:
            with self._turn:
                return getattr(self._client, operation)(**arguments)

        return call


class Stack:
    """What an execution needs around it: the queues, the table, the functions."""

    def __init__(self) -> None:
        self.sqs: Any = boto3.client("sqs", REGION)
        self.dynamodb: Any = boto3.client("dynamodb", REGION)
        self.fan_out = self.queue("MarkFanOutQueue.fifo")
        self.quarantine = self.queue("Quarantine.fifo")
        self.troubled = Troubled(self.sqs)
        self.dynamodb.create_table(
            TableName="parked",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        store = ParkedEventsTable("parked")
        functions: dict[str, Function] = {
            "ValidatorFunctionArn": lambda event: validate(event["batch"]["events"], event["clients"], CONTRACT),
            "SelectFunctionArn": lambda event: {"lanes": select(event, store)},
            "ParkFunctionArn": lambda event: park(event, store),
        }
        clients = {"lambda": InvokedHere(functions), "sqs": self.troubled, "dynamodb": self.dynamodb}
        turn = threading.Lock()
        self._clients = {service: OneAtATime(client, turn) for service, client in clients.items()}

    def queue(self, name: str) -> str:
        """Create a FIFO queue; return its URL."""
        url: str = self.sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
        return url

    def client(self, name: str) -> dict[str, str]:
        """Subscribe a client with a queue of its own."""
        return {"name": name, "queueUrl": self.queue(f"MarkFanOutClient{name}.fifo")}

    def missing(self, name: str) -> dict[str, str]:
        """Subscribe a client whose queue is not there."""
        client = self.client(name)
        self.sqs.delete_queue(QueueUrl=client["queueUrl"])
        return client

    def execute(self, events: list[dict[str, str]], clients: list[dict[str, str]], case: str = "") -> Execution:
        """Run one execution, begun at NOW; a case, if given, answers for everything but the functions."""
        machine = definition(
            FanOutQueueUrl=self.fan_out, QuarantineQueueUrl=self.quarantine, ParkedEventsTableName="parked"
        )
        given = {"batch": {"events": events}, "clients": clients} | DEADLINES
        mocks = mocked(DELIVER, case, without=LAMBDA_TASKS) if case else None
        return run(machine, given, mocks, self._clients.__getitem__, lambda: self.troubled.time)

    def messages(self, url: str) -> list[dict[str, Any]]:
        """Take all messages out of a queue, in the order in which it gives them."""
        taken: list[dict[str, Any]] = []
        while found := self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in found:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            taken += found
        return taken

    def by_group(self, url: str) -> dict[str, list[str]]:
        """Take all messages out of a queue; return the event ids of each group in order."""
        groups: dict[str, list[str]] = {}
        for message in self.messages(url):
            group = message["Attributes"]["MessageGroupId"]
            groups.setdefault(group, []).append(message["MessageAttributes"]["eventId"]["StringValue"])
        return groups

    def parked(self, client: str) -> dict[str, list[str]]:
        """Return the event ids of each sequence that is parked for a client, in order."""
        items = self.dynamodb.scan(TableName="parked", ConsistentRead=True)["Items"]
        prefix = f"SEQUENCE#{client}#"
        events = sorted(
            (item["pk"]["S"].removeprefix(prefix), item["sk"]["S"], item["eventId"]["S"])
            for item in items
            if item["pk"]["S"].startswith(prefix)
        )
        groups: dict[str, list[str]] = {}
        for group, _, event in events:
            groups.setdefault(group, []).append(event)
        return groups


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A stack with empty queues and nothing parked."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        yield Stack()


# Thirteen marks, so two lanes; the first has five events, the second three, the others one each.
MARKS = ["AFC 6", "AFC 7", "AFC 6", "AFC 6", "AFC 7", *(f"B{number} GAP" for number in range(11)), "AFC 6", "AFC 7",
         "AFC 6"]  # fmt: skip


def _events(marks: list[str], start: int = 1) -> list[dict[str, str]]:
    return [event_input(number, mark) for number, mark in enumerate(marks, start)]


def _in_order(events: list[dict[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for event in events:
        groups.setdefault(event["groupId"], []).append(event["eventId"])
    return groups


def test_everybody_gets_every_event_in_order(stack: Stack):
    """Fan-out queue and each client get all events of all lanes and waves, each mark's in its order."""
    events, clients = _events(MARKS), [stack.client("A"), stack.client("B")]
    execution = stack.execute(events, clients)
    assert execution.output == {
        "counts": {"valid": len(events), "rejected": 0},
        "clients": [{"client": client["name"], "parkedPerLane": [0, 0]} for client in clients],
    }
    for url in (stack.fan_out, *(client["queueUrl"] for client in clients)):
        assert stack.by_group(url) == _in_order(events)


def test_the_message_is_the_event_and_its_identity(stack: Stack):
    """A client's message is the event's JSON text, byte for byte, with its id and its sequence number."""
    client, (event,) = stack.client("A"), _events(["AFC 6"])
    stack.execute([event], [client])
    (message,) = stack.messages(client["queueUrl"])
    assert message["Body"] == event["body"]
    assert message["Attributes"]["MessageGroupId"] == event["groupId"]
    assert message["Attributes"]["MessageDeduplicationId"] == event["eventId"]
    assert {name: value["StringValue"] for name, value in message["MessageAttributes"].items()} == {
        "eventId": event["eventId"],
        "sequenceNumber": event["sequenceNumber"],
    }


def test_what_breaks_the_contract_reaches_no_client(stack: Stack):
    """A rejected event is in quarantine, with what it broke; its neighbours are delivered."""
    client, events = stack.client("A"), _events(["AFC 6", "AFC 7", "AFC 6"])
    events[1]["body"] = json.dumps(example() | {"eventName": "UnheardOfEvent"})
    execution = stack.execute(events, [client])
    assert execution.output["counts"] == {"valid": 2, "rejected": 1}
    assert stack.by_group(client["queueUrl"]) == _in_order([events[0], events[2]])
    (message,) = stack.messages(stack.quarantine)
    assert message["Body"] == events[1]["body"]
    violations = json.loads(message["MessageAttributes"]["violations"]["StringValue"])
    assert violations == [{"path": "/eventName", "rule": "enum"}]


def test_a_client_without_a_queue_holds_up_nobody(stack: Stack):
    """Everything of the client is parked, in order, and everything of the other one is delivered."""
    events, broken, sound = _events(MARKS), stack.missing("Broken"), stack.client("Sound")
    execution = stack.execute(events, [broken, sound])
    assert execution.status == "SUCCEEDED"
    assert stack.by_group(sound["queueUrl"]) == _in_order(events)
    assert stack.by_group(stack.fan_out) == _in_order(events)
    assert stack.parked("Broken") == _in_order(events)
    assert stack.parked("Sound") == {}
    errors = {(attempt.state, attempt.error) for attempt in execution.attempts if attempt.error}
    assert errors == {("Send Wave", "Sqs.QueueDoesNotExistException")}


def test_what_follows_a_parked_event_is_parked_behind_it(stack: Stack):
    """With the queue back, marks with parked events stay parked, and the client's other marks go on."""
    client = stack.missing("Client")
    first, second = _events(["AFC 6", "AFC 7"]), _events(["AFC 6", "B1 GAP", "AFC 6"], start=3)
    stack.execute(first, [client])
    stack.client("Client")
    execution = stack.execute(second, [client, stack.client("Other")])
    assert stack.by_group(client["queueUrl"]) == _in_order([second[1]])
    assert stack.parked("Client") == _in_order([*first, second[0], second[2]])
    (selection,) = execution.calls("Select Events")
    assert selection.parameters["Payload"]["client"] == "Client"


def test_refused_event_is_parked_with_its_followers_alone(stack: Stack):
    """A mark whose event is refused for good is parked from there on; the marks beside it lose nothing."""
    client = stack.client("Client")
    events = _events(["AFC 6", "AFC 7", "AFC 6", "AFC 7", "AFC 6", "B1 GAP"])
    refused = [event for event in events if event["mark"] == "AFC 7"]
    stack.troubled.queue_url, stack.troubled.group_id = client["queueUrl"], "AFC%207"
    execution = stack.execute(events, [client])
    assert execution.status == "SUCCEEDED"
    assert stack.parked("Client") == _in_order(refused)
    assert stack.by_group(client["queueUrl"]) == _in_order([event for event in events if event not in refused])
    assert stack.by_group(stack.fan_out) == _in_order(events)


def test_what_a_slow_client_has_not_taken_by_the_deadline_is_parked(stack: Stack):
    """The waves that started in time are delivered; those after them are parked, in order, and nothing is lost."""
    client = stack.client("Slow")
    events = _events(["AFC 6", "AFC 6", "AFC 6", "AFC 7", "AFC 6", "AFC 6"])
    stack.troubled.queue_url, stack.troubled.seconds_per_wave = client["queueUrl"], DELIVERY_SECONDS // 2 + 1
    execution = stack.execute(events, [client])
    assert execution.status == "SUCCEEDED"
    assert stack.by_group(client["queueUrl"]) == _in_order([events[0], events[1], events[3]])
    assert stack.parked("Slow") == _in_order([events[2], *events[4:]])
    assert stack.by_group(stack.fan_out) == _in_order(events)
    (call,) = execution.calls("Park Wave")
    assert call.parameters["Payload"]["error"] == "DeliveryDeadlinePassed"


def test_parking_is_handed_exactly_what_it_needs(stack: Stack):
    """Parking refused events gets the client, the lane, the refused Ids and the error, and nothing beside them."""
    client, events = stack.client("Client"), _events(["AFC 6", "AFC 7", "AFC 6", "AFC 7"])
    stack.troubled.queue_url, stack.troubled.group_id = client["queueUrl"], "AFC%207"
    (call,) = stack.execute(events, [client]).calls("Park Refused Events")
    payload = call.parameters["Payload"]
    assert payload.keys() == {"client", "lane", "refused", "error"}
    assert (payload["client"], payload["refused"]) == ("Client", ["1"])
    assert payload["error"] == "Sqs.RequestThrottledException"
    assert payload["lane"].keys() == {"waves", "cursor", "last", "parked"}
    assert [numbers(wave) for wave in payload["lane"]["waves"]] == [[1, 2], [3, 4]]


def test_parking_says_by_its_name_that_its_table_is_gone(stack: Stack):
    """The error that the parking function raises is the one that the definition retries, and then fails with."""
    stack.dynamodb.delete_table(TableName="parked")
    client = {"name": "original", "queueUrl": "mocked"}
    execution = stack.execute(_events(["AFC 6"]), [client], case="ClientQueueMissing")
    assert (execution.status, execution.error) == ("FAILED", "ParkedEventsUnavailableError")
    assert [call.error for call in execution.calls("Park Wave")] == ["ParkedEventsUnavailableError"] * 5
