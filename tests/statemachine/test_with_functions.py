"""Proves that the definition and the functions fit together: the real logic behind every Lambda Task.

The definition runs on the interpreter; queues are moto's, the table is the one in memory; validator, selection and
parking are the application's own code. The handlers around it, IAM, and what AWS refuses are for the tiers that
deploy; where a queue refuses single entries, fails a whole call or takes its time, which moto's never do, a wrapper
does it for them.
"""

import io
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.domain.batches import LIVE, RELEASE, Batch, input_of
from mark_event_queue.domain.contract import Judgement, load
from mark_event_queue.domain.events import Event, to_group_id
from mark_event_queue.domain.held import GATE
from mark_event_queue.domain.rounds import Entry, entry_of, plan
from mark_event_queue.forgetting.forgetting import forget_marks
from mark_event_queue.gate.gate import hold_at_gate
from mark_event_queue.parking.parking import park
from mark_event_queue.redrive.redrive import conclude, list_lanes
from mark_event_queue.release.release import release_lane, withheld_in
from mark_event_queue.selection.selection import select
from mark_event_queue.validator.validation import validate
from tests.builders import NOW, SCHEMAS, event_input, numbers
from tests.dynamodb_in_memory import DynamoDBInMemory
from tests.fakes import HistoriesFake, SubscriptionsFake
from tests.statemachine.cases import DELIVER, definition
from tests.statemachine.interpreter import Execution, mocked, run

REGION = "eu-west-2"
CONTRACT = load(SCHEMAS.parent)
LAMBDA_TASKS = ("Validate Events", "Hold At Gate", "Hold Rest At Gate", "Select Events", "Park Events")

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


ONCE, ALWAYS = "once", "always"


def _never(entry: Entry) -> str:
    return ""


def _always(*marks: str) -> Callable[[Entry], str]:
    """Refuse the events of these marks for good."""
    groups = {to_group_id(mark) for mark in marks}
    return lambda entry: ALWAYS if entry["MessageGroupId"] in groups else ""


def _none(wave: Sequence[Entry]) -> bool:
    return False


@dataclass
class Troubled:
    """An SQS client that lets one queue refuse messages, once or always, fail whole calls, or take its time."""

    sqs: Any
    queue_url: str = ""
    refuses: Callable[[Entry], str] = _never
    loses: Callable[[Sequence[Entry]], bool] = _none
    seconds_per_wave: int = 0
    time: datetime = NOW

    def send_message_batch(self, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """Send the entries that are not refused; answer as SQS does when it refused some entries."""
        if QueueUrl != self.queue_url:
            return dict(self.sqs.send_message_batch(QueueUrl=QueueUrl, Entries=Entries))
        self.time += timedelta(seconds=self.seconds_per_wave)
        if self.loses(Entries):
            raise self._error("KmsDisabled", "SendMessageBatch")
        refused = [entry for entry in Entries if self.refuses(entry)]
        accepted = [entry for entry in Entries if entry not in refused]
        answer: dict[str, Any] = {"Successful": []}
        if accepted:
            answer = self.sqs.send_message_batch(QueueUrl=QueueUrl, Entries=accepted)
        failures = [{"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in refused]
        return answer | ({"Failed": failures} if failures else {})

    def send_message(self, **message: Any) -> Any:
        """Send a message, or refuse it by an error."""
        if message["QueueUrl"] == self.queue_url and self.refuses(message) == ALWAYS:
            raise self._error("RequestThrottled", "SendMessage")
        return self.sqs.send_message(**message)

    def _error(self, name: str, operation: str) -> Exception:
        response = {
            "Error": {"Code": name, "Message": "It was refused."},
            "ResponseMetadata": {"HTTPStatusCode": 400, "RequestId": "1"},
        }
        error: Exception = getattr(self.sqs.exceptions, name)(response, operation)
        return error


class OneAtATime:
    """A client whose calls wait for one another: moto's services are not made for a Map's iterations at once."""

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
        self.dynamodb = DynamoDBInMemory()
        self.fan_out = self.queue("MarkFanOutQueue.fifo")
        self.troubled = Troubled(self.sqs)
        self.contract = CONTRACT
        self.hold_marks = True
        self.subscriptions = SubscriptionsFake()
        self.store = store = HeldEventsTable("held", self.dynamodb)
        functions: dict[str, Function] = {
            "ValidatorFunctionArn": lambda event: validate(
                event["batch"], event["clients"], self.contract, self.hold_marks
            ),
            "GateFunctionArn": lambda event: hold_at_gate(event, store, self.hold_marks),
            "SelectFunctionArn": lambda event: {
                "plan": select(event, self.subscriptions, store, HistoriesFake(), NOW).plan
            },
            "ParkFunctionArn": lambda event: park(event, store),
            "ForgetFunctionArn": lambda event: forget_marks(event, store, HistoriesFake())._asdict(),
        }
        clients = {"lambda": InvokedHere(functions), "sqs": self.troubled}
        turn = threading.Lock()
        self._clients = {service: OneAtATime(client, turn) for service, client in clients.items()}

    def queue(self, name: str) -> str:
        """Create a FIFO queue; return its URL."""
        url: str = self.sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
        return url

    def client(self, name: str) -> dict[str, str]:
        """Subscribe a client with a queue of its own."""
        return {"name": name, "queueUrl": self.queue(f"MarkFanOutClient{name}.fifo"), "selects": ""}

    def missing(self, name: str) -> dict[str, str]:
        """Subscribe a client whose queue is not there."""
        client = self.client(name)
        self.sqs.delete_queue(QueueUrl=client["queueUrl"])
        return client

    def execute(
        self, events: list[dict[str, str]], clients: list[dict[str, str]], case: str = "", released: bool = False
    ) -> Execution:
        """Run one execution, begun at NOW; a case, if given, answers for everything but the functions."""
        self.troubled.time = NOW
        machine = definition(FanOutQueueUrl=self.fan_out)
        timing, mentions = RELEASE if released else LIVE, self.store.mentions()
        given = json.loads(input_of(Batch(()), clients, NOW, timing, mentions))
        given["batch"]["events"] = events
        mocks = mocked(DELIVER, case, without=LAMBDA_TASKS) if case else None
        return run(machine, given, mocks, self._clients.__getitem__, lambda: self.troubled.time)

    def release(self, clients: list[dict[str, str]]) -> dict[str, Any]:
        """Release what is held at the gate, as the steps of the redrive machine do; return what it came to."""
        stack = self

        class Deliveries:
            room = 200_000

            def put_through(self, events: Sequence[Event]) -> list[Entry]:
                execution = stack.execute([event.as_input() for event in events], clients, released=True)
                assert execution.status == "SUCCEEDED"
                return withheld_in(json.dumps(execution.output))

        page: dict[str, Any] = {"after": "", "listed": False, "turn": 0}
        totals: dict[str, Any] = {"sequences": 0, "delivered": 0, "stoppedSequences": 0, "errors": []}
        lanes: list[dict[str, Any]] = []
        while True:
            asked = {"recipient": GATE, "groupId": "", "page": page, "totals": totals, "lanes": lanes}
            page, totals = list_lanes(asked, self.store).values()
            if not page["lanes"]:
                return conclude({"request": {"recipient": GATE, "discarded": 0}, "totals": totals}, self.store)
            lanes = [
                release_lane({"groupIds": ids}, self.store, Deliveries(), self.hold_marks, lambda: True)
                for ids in page["lanes"]
            ]

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

    def held(self, recipient: str) -> dict[str, list[str]]:
        """Return the event ids of each sequence that is held for a recipient, in order."""
        prefix = f"SEQUENCE#{recipient}#"
        events = sorted(
            (pk.removeprefix(prefix), sk, item["eventId"]["S"])
            for (pk, sk), item in self.dynamodb.contents().items()
            if pk.startswith(prefix)
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


# Thirteen marks, so two waves in the first round of five; the first has five events, the second three, the others one.
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
    """Fan-out queue and each client get all events of all rounds and waves, each mark's in its order."""
    events, clients = _events(MARKS), [stack.client("A"), stack.client("B")]
    execution = stack.execute(events, clients)
    assert execution.output == {
        "counts": {"valid": len(events), "rejected": 0, "behind": 0},
        "clients": [{"client": client["name"], "parked": 0} for client in clients],
    }
    rounds = plan(map(entry_of, events))["rounds"]
    assert [len(round_) for round_ in rounds] == [2, 1, 1, 1, 1]
    assert len(execution.calls("Write Wave")) == sum(map(len, rounds))
    assert len(execution.calls("Send Wave")) == sum(map(len, rounds)) * len(clients)
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
        "schema": "EntitlementCreateEvent/1.0.0",
    }


def _broken(event: dict[str, str]) -> dict[str, str]:
    body = json.loads(event["body"])
    body["RegistrationNumber"]["Status"] = "SOLD"
    return event | {"body": json.dumps(body)}


class Lenient:
    """A contract, deployed since, that allows what the one before forbade."""

    def judge(self, body: str) -> Judgement:
        """Find nothing wrong."""
        return Judgement("LockEvent", ["1.0.0"], [])


def test_what_breaks_the_contract_holds_its_mark_and_no_other(stack: Stack):
    """What came before in the batch is delivered; from the broken event on the mark is held, in later batches, too."""
    client, events = stack.client("A"), _events(["AFC 6", "AFC 7", "AFC 6", "AFC 6", "AFC 7"])
    events[2] = _broken(events[2])
    execution = stack.execute(events, [client])
    later = _events(["AFC 6", "AFC 7"], start=6)
    stack.execute(later, [client])
    assert execution.output["counts"] == {"valid": 3, "rejected": 1, "behind": 1}
    for url in (client["queueUrl"], stack.fan_out):
        assert stack.by_group(url) == _in_order([events[0], events[1], events[4], later[1]])
    assert stack.held(GATE) == _in_order([events[2], events[3], later[0]])
    sequence = stack.store.sequence(GATE, events[0]["groupId"])
    assert sequence is not None
    assert (sequence.events, sequence.first_event_id, sequence.mark) == (3, events[2]["eventId"], "AFC 6")
    assert json.loads(sequence.violations) == [{"path": "/RegistrationNumber/Status", "rule": "enum"}]


def test_what_is_held_at_the_gate_is_released_in_order_once_the_contract_allows_it(stack: Stack):
    """Every client gets the mark's events in order, each once, and the next batch goes straight through."""
    clients, events = [stack.client("A"), stack.client("B")], _events(["AFC 6", "AFC 7", "AFC 6", "AFC 6"])
    events[2] = _broken(events[2])
    stack.execute(events, clients)
    assert stack.release(clients) == {
        "recipient": GATE, "sequences": 1, "delivered": 0, "stoppedSequences": 1, "errors": ["ContractBroken"],
        "discarded": 0, "nothingHeld": False,
    }  # fmt: skip
    stack.contract = Lenient()  # type: ignore[assignment]
    told = stack.release(clients)
    later = _events(["AFC 6"], start=5)
    stack.execute(later, clients)
    assert (told["delivered"], told["nothingHeld"]) == (2, True)
    for client in clients:
        assert stack.by_group(client["queueUrl"]) == _in_order([*events, *later])
    assert stack.held(GATE) == {}


def test_marks_pass_a_rejected_event_where_that_is_wanted(stack: Stack):
    """With PassMark the rejected event alone is held; a release brings it after those that passed it."""
    client, events = stack.client("A"), _events(["AFC 6", "AFC 6", "AFC 6"])
    events[1] = _broken(events[1])
    stack.hold_marks = False
    stack.execute(events, [client])
    assert stack.held(GATE) == _in_order([events[1]])
    stack.contract = Lenient()  # type: ignore[assignment]
    assert stack.release([client])["delivered"] == 1
    assert stack.by_group(client["queueUrl"]) == _in_order([events[0], events[2], events[1]])


def test_a_batch_of_broken_events_goes_by_as_few_calls_as_a_sound_one(stack: Stack):
    """Two hundred events of a hundred marks, all broken, take one invocation of the gate and no call of a queue."""
    client = stack.client("A")
    events = [_broken(event) for event in _events([f"M{number % 100}" for number in range(200)])]
    execution = stack.execute(events, [client])
    assert execution.output["counts"] == {"valid": 0, "rejected": 200, "behind": 0}
    assert [attempt.state for attempt in execution.attempts] == ["Validate Events", "Hold At Gate"]
    assert sum(len(held) for held in stack.held(GATE).values()) == 200


def test_a_client_without_a_queue_holds_up_nobody(stack: Stack):
    """Everything of the client is parked, in order, and everything of the other one is delivered."""
    events, broken, sound = _events(MARKS), stack.missing("Broken"), stack.client("Sound")
    execution = stack.execute(events, [broken, sound])
    assert execution.status == "SUCCEEDED"
    assert stack.by_group(sound["queueUrl"]) == _in_order(events)
    assert stack.by_group(stack.fan_out) == _in_order(events)
    assert stack.held("Broken") == _in_order(events)
    assert stack.held("Sound") == {}
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
    assert stack.held("Client") == _in_order([*first, second[0], second[2]])
    (selection,) = execution.calls("Select Events")
    assert selection.parameters["Payload"]["client"] == "Client"


def test_a_batch_that_comes_again_after_a_discard_overtakes_nothing(stack: Stack):
    """While it is not known which event is a sequence's first, none passes for one from before it."""
    client, events = stack.missing("Client"), _events(["AFC 6"] * 5)
    stack.execute(events[:3], [client])
    stack.store.discard("Client", stack.store.events("Client", events[0]["groupId"], 1), "jo", "sent by hand")
    stack.client("Client")
    stack.execute(events[3:4], [client])
    stack.execute(events[2:], [client])
    assert stack.by_group(client["queueUrl"]) == {}
    assert stack.held("Client") == _in_order(events[1:])


def test_refused_event_is_parked_with_its_followers_alone(stack: Stack):
    """A mark whose event is refused for good is parked from there on; the marks beside it lose nothing."""
    client = stack.client("Client")
    events = _events(["AFC 6", "AFC 7", "AFC 6", "AFC 7", "AFC 6", "B1 GAP"])
    refused = [event for event in events if event["mark"] == "AFC 7"]
    stack.troubled.queue_url, stack.troubled.refuses = client["queueUrl"], _always("AFC 7")
    execution = stack.execute(events, [client])
    assert execution.status == "SUCCEEDED"
    assert stack.held("Client") == _in_order(refused)
    assert stack.by_group(client["queueUrl"]) == _in_order([event for event in events if event not in refused])
    assert stack.by_group(stack.fan_out) == _in_order(events)


def test_what_is_accepted_at_last_arrives_in_its_place(stack: Stack):
    """Refused in every wave and accepted alone, in the fan-out queue or a client's, all marks arrive in order."""
    client, events = stack.client("Client"), _events(MARKS)
    stack.troubled.refuses = lambda entry: ONCE if entry["MessageGroupId"] != to_group_id("AFC 7") else ""
    for number, queue_url in enumerate((stack.fan_out, client["queueUrl"])):
        stack.troubled.queue_url = queue_url
        batch = _events(MARKS, start=1 + number * len(MARKS))
        execution = stack.execute(batch, [client])
        assert execution.output["clients"] == [{"client": "Client", "parked": 0}]
        alone = execution.calls(("Write Refused Event", "Send Refused Event")[number])
        assert len(alone) == len([mark for mark in MARKS if mark != "AFC 7"])
        events = batch if number == 0 else events + batch
    for queue_url in (stack.fan_out, client["queueUrl"]):
        assert stack.by_group(queue_url) == _in_order(events)


def test_lost_waves_and_refused_events_of_a_round_are_parked_and_the_rest_goes_on(stack: Stack):
    """A round loses one wave, and of the other an event for good and one for now: its later rounds are still sent."""
    client = stack.client("Client")
    marks = [f"C{number} ABC" for number in range(13)]
    events = _events([*marks, *marks, *marks])
    lost, refused = marks[10:], marks[3]
    stack.troubled.queue_url = client["queueUrl"]
    stack.troubled.loses = lambda wave: to_group_id(lost[0]) in [entry["MessageGroupId"] for entry in wave]
    stack.troubled.refuses = lambda entry: {to_group_id(refused): ALWAYS, to_group_id(marks[4]): ONCE}.get(
        entry["MessageGroupId"], ""
    )
    execution = stack.execute(events, [client])
    parked = [event for event in events if event["mark"] in (*lost, refused)]
    assert execution.output["clients"] == [{"client": "Client", "parked": len(parked)}]
    assert stack.held("Client") == _in_order(parked)
    assert stack.by_group(client["queueUrl"]) == _in_order([event for event in events if event not in parked])
    (call,) = execution.calls("Park Events")
    assert len(call.parameters["Payload"]["sent"]["lost"]) == 1
    errors = {one.group_id: one.error for one in stack.store.sequences("Client", "", 99)}
    told = {mark: errors[to_group_id(mark)] for mark in (*lost, refused)}
    assert told == dict.fromkeys(lost, "Sqs.KmsDisabledException") | {refused: "Sqs.RequestThrottledException"}


def test_what_a_slow_client_has_not_taken_by_the_deadline_is_parked(stack: Stack):
    """The rounds that started in time are delivered; those after them are parked, in order, and nothing is lost."""
    client = stack.client("Slow")
    events = _events(["AFC 6", "AFC 6", "AFC 6", "AFC 7", "AFC 6", "AFC 6"])
    stack.troubled.queue_url, stack.troubled.seconds_per_wave = client["queueUrl"], LIVE.delivery_seconds // 2 + 1
    execution = stack.execute(events, [client])
    assert execution.status == "SUCCEEDED"
    assert stack.by_group(client["queueUrl"]) == _in_order([events[0], events[1], events[3]])
    assert stack.held("Slow") == _in_order([events[2], *events[4:]])
    assert stack.by_group(stack.fan_out) == _in_order(events)
    (call,) = execution.calls("Park Events")
    assert call.parameters["Payload"]["sent"] == {
        "refused": [], "lost": None, "errors": ["DeliveryDeadlinePassed"], "resent": {"refused": [], "errors": []},
    }  # fmt: skip


def test_the_rest_of_a_client_that_refuses_slowly_is_parked_in_its_order(stack: Stack):
    """A round that ends late with a refused event: that is parked first, and all later rounds behind the deadline."""
    client = stack.client("Slow")
    events = _events(["AFC 6", "AFC 7", "AFC 6", "AFC 7", "AFC 6", "AFC 7"])
    stack.troubled.queue_url, stack.troubled.seconds_per_wave = client["queueUrl"], LIVE.delivery_seconds + 1
    stack.troubled.refuses = _always("AFC 7")
    execution = stack.execute(events, [client])
    assert execution.output["clients"] == [{"client": "Slow", "parked": 5}]
    assert stack.by_group(client["queueUrl"]) == _in_order(events[:1])
    assert stack.held("Slow") == _in_order(events[1:])
    assert [call.parameters["Payload"]["sent"]["lost"] for call in execution.calls("Park Events")] == [[], None]


# The marks of a batch, what becomes of its events and waves in a queue, and the seconds that a wave takes.
_TROUBLES = st.fixed_dictionaries(
    {
        "marks": st.lists(st.sampled_from([f"M{number}" for number in range(14)]), min_size=1, max_size=30),
        "refused": st.lists(st.sampled_from(["", "", "", ONCE, ALWAYS]), min_size=1, max_size=9),
        "lost": st.lists(st.sampled_from([False, False, False, True]), min_size=1, max_size=5),
        "seconds": st.sampled_from([0, 0, 10, 40]),
        "of_fan_out": st.booleans(),
    }
)


def _troubles(troubled: Troubled, queue_url: str, refused: list[str], lost: list[bool], seconds: int) -> None:
    """Let a queue refuse, lose and delay what these lists say: an event, or a wave by its first one, has its place."""

    def place(entry: Entry) -> int:
        return crc32(entry["MessageDeduplicationId"].encode())

    troubled.queue_url, troubled.seconds_per_wave = queue_url, seconds
    troubled.refuses = lambda entry: refused[place(entry) % len(refused)]
    troubled.loses = lambda wave: lost[place(wave[0]) % len(lost)]


@settings(max_examples=25, deadline=None)
@given(st.lists(_TROUBLES, min_size=1, max_size=2))
def test_whatever_a_queue_does_every_event_arrives_or_waits_and_none_overtakes(batches: list[dict[str, Any]]):
    """Of each mark a client has got the first events, in order, and the others wait for it, in order: none is lost.

    Batch after batch the queue of one client loses waves, refuses events, for good or once, and takes its time, so that
    the deadline passes; or the fan-out queue refuses events once. The fan-out queue gets all, and so does the other
    client, unless the time, which is everybody's here, has passed for it, too.
    """
    with mock_aws():
        stack = Stack()
        clients = troubled, other = stack.client("Troubled"), stack.client("Other")
        events: list[dict[str, str]] = []
        for batch in batches:
            if batch["of_fan_out"]:
                refused = [ONCE if one else "" for one in batch["refused"]]
                _troubles(stack.troubled, stack.fan_out, refused, [False], 0)
            else:
                _troubles(stack.troubled, troubled["queueUrl"], batch["refused"], batch["lost"], batch["seconds"])
            brought = _events(batch["marks"], start=len(events) + 1)
            assert stack.execute(brought, list(clients)).status == "SUCCEEDED"
            events += brought
        assert stack.by_group(stack.fan_out) == _in_order(events)
        for client in clients:
            got, waiting = stack.by_group(client["queueUrl"]), stack.held(client["name"])
            groups = dict.fromkeys([*got, *waiting])
            assert {group: got.get(group, []) + waiting.get(group, []) for group in groups} == _in_order(events)
        assert stack.held(other["name"]) == {} or any(batch["seconds"] for batch in batches)


def test_parking_is_handed_exactly_what_it_needs(stack: Stack):
    """Parking refused events gets the client, the plan, what was not accepted and why, and nothing beside them."""
    client, events = stack.client("Client"), _events(["AFC 6", "AFC 7", "AFC 6", "AFC 7"])
    stack.troubled.queue_url, stack.troubled.refuses = client["queueUrl"], _always("AFC 7")
    (call,) = stack.execute(events, [client]).calls("Park Events")
    payload = call.parameters["Payload"]
    assert payload.keys() == {"client", "plan", "sent"}
    assert payload["client"] == "Client"
    assert payload["sent"] == {
        "refused": ["0-1"], "lost": [], "errors": [],
        "resent": {"refused": ["0-1"], "errors": ["Sqs.RequestThrottledException"]},
    }  # fmt: skip
    assert payload["plan"].keys() == {"waves", "rounds", "now", "cursor", "last", "parked"}
    assert [numbers(wave) for wave in payload["plan"]["waves"]] == [[1, 2], [3, 4]]


def test_parking_says_by_its_name_that_its_table_is_gone(stack: Stack):
    """The error that the parking function raises is the one that the definition retries, and then fails with."""

    def refuse(operation: str, arguments: object) -> None:
        if operation != "query":  # by which the batch's input was made
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "no such table"}}, operation)

    stack.dynamodb.before = refuse
    client = {"name": "original", "queueUrl": "mocked", "selects": ""}
    execution = stack.execute(_events(["AFC 6"]), [client], case="ClientQueueMissing")
    assert (execution.status, execution.error) == ("FAILED", "HeldEventsUnavailableError")
    assert [call.error for call in execution.calls("Park Events")] == ["HeldEventsUnavailableError"] * 5
