"""Unit tier, sizes: proves that no state of an execution can pass 262,144 bytes, whatever the events.

Every input and output of every state of deliver-events.asl.json is built here as JSON, in its widest
spelling, from what the real packer, validator, gate, planner, parking and release make of the records; of
redrive-events.asl.json those of a turn of a hundred sequences; of deliver-history.asl.json those of a history
in as many segments as there can be. SQS, Lambda and Step Functions add what
they are documented to answer; that they add no more cannot be proven offline.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import count, cycle, islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.adapters.histories import HistoriesTable
from mark_event_queue.domain.batches import LIVE, RELEASE, Batch, Timing, cost, input_of, pack
from mark_event_queue.domain.budget import (
    LARGEST_EVENT_BYTES,
    LONGEST_CLIENT_NAME,
    LONGEST_QUEUE_URL,
    STATE_BYTES,
    budget,
)
from mark_event_queue.domain.clients import Registration, Subscription, admit
from mark_event_queue.domain.contract import Violation
from mark_event_queue.domain.events import Event, convert
from mark_event_queue.domain.held import GATE, PARKED, QUARANTINED
from mark_event_queue.domain.holding import hold_followers
from mark_event_queue.domain.lanes import Entry, Lane, entry_of, part, sequences_of
from mark_event_queue.gate.gate import hold_at_gate
from mark_event_queue.history.bringing import Sender, bring_mark, read_segment
from mark_event_queue.history.course import begin
from mark_event_queue.history.course import conclude as conclude_history
from mark_event_queue.history.course import describe as describe_history
from mark_event_queue.history.due import Moment, check
from mark_event_queue.history.past import Rules
from mark_event_queue.history.ports import Stores
from mark_event_queue.history.request import HistoryRequest
from mark_event_queue.redrive.redrive import SEQUENCES_PER_TURN, conclude, describe, list_lanes, redrive_lane
from mark_event_queue.redrive.request import parse
from mark_event_queue.release.release import release_lane
from mark_event_queue.validator.validation import validate
from tests.builders import NOW, Item, client, item, record
from tests.dynamodb_in_memory import DynamoDBInMemory
from tests.fakes import HeldEventsInMemory, QueueInMemory, VerdictContract

# Lambda hands a function at most 6 MB of a stream (Lambda Developer Guide, quotas); a sixth of that
# already makes several full batches of every kind.
_STREAM_BYTES = 1_000_000
_ARN = "arn:aws:lambda:eu-west-2:123456789012:function:" + "f" * 140

# What a character of the table costs in JSON within JSON: 1, 3, 4, 7 and 14 bytes.
_FILLERS = ["x", '"', "\\", "\x01", "é", "\ufffe", "\U0001f600"]
_LONGEST_VIOLATION = Violation("/" + "p" * 99, "unevaluatedProperties")
_VERDICTS = {
    "all valid": lambda number: [],
    "all rejected": lambda number: [_LONGEST_VIOLATION] * 25,
    "all rejected, one rule each": lambda number: [_LONGEST_VIOLATION],
    "mixed": lambda number: [_LONGEST_VIOLATION] * 5 if number % 2 else [],
    "the first rejected": lambda number: [] if number else [_LONGEST_VIOLATION],
}


def _contract(kind: str) -> Any:
    numbers = count()
    return VerdictContract(lambda body: _VERDICTS[kind](next(numbers)))


def _deciding(violations: list[Violation]) -> Any:
    return VerdictContract(lambda body: violations)


def _lambda_answer(payload: Any) -> dict[str, Any]:
    """Return what `lambda:invoke` hands to a ResultSelector."""
    headers = {
        "Connection": ["keep-alive"],
        "Content-Length": ["262144"],
        "Content-Type": ["application/json"],
        "Date": ["Sun, 01 Mar 2026 09:30:00 GMT"],
        "X-Amz-Executed-Version": ["$LATEST"],
        "x-amzn-Remapped-Content-Length": ["0"],
        "x-amzn-RequestId": ["52fdfc07-2182-454f-963f-5f0f9a621d72"],
        "X-Amzn-Trace-Id": ["root=1-67c2d1b8-" + "0" * 24 + ";parent=" + "0" * 16 + ";sampled=1"],
    }
    metadata = {"AllHttpHeaders": headers, "HttpHeaders": headers, "HttpStatusCode": 200}
    return {
        "ExecutedVersion": "$LATEST",
        "Payload": payload,
        "SdkHttpMetadata": metadata,
        "SdkResponseMetadata": {"RequestId": "52fdfc07-2182-454f-963f-5f0f9a621d72"},
        "StatusCode": 200,
    }


def _sqs_answer() -> dict[str, Any]:
    """Return the widest answer of SendMessageBatch: ten entries, and each in the wider of its two shapes."""
    failed = {"Id": "0", "Code": "ReceiptHandleIsInvalid", "Message": "m" * 500, "SenderFault": False}
    accepted = {
        "Id": "0",
        "MD5OfMessageAttributes": "0" * 32,
        "MD5OfMessageBody": "0" * 32,
        "MD5OfMessageSystemAttributes": "0" * 32,
        "MessageId": "52fdfc07-2182-454f-963f-5f0f9a621d72",
        "SequenceNumber": "18849496460467696128",
    }
    return {"Failed": [failed] * 10, "Successful": [accepted] * 10}


def _lane_states(of: dict[str, str], deadline: str, lane: Lane) -> Iterator[tuple[str, Any]]:
    iteration = {"client": of["name"], "queueUrl": of["queueUrl"], "deadline": deadline, "lane": lane}
    refused = [str(position) for position in range(10)]
    sent = iteration | {"sent": _sqs_answer()}
    error = {"Error": "Sqs.KmsAccessDeniedException", "Cause": "c" * 4_000}
    resent = sent | {"resent": {"refused": refused, "errors": [error["Error"]] * 10}, "error": error}
    yield "Send Lanes, iteration", iteration
    yield "Send Wave, sent", sent
    yield "Send Refused Alone, resent", resent
    request = {"client": of["name"], "lane": lane, "refused": refused, "error": error["Error"]}
    yield "Park, request", {"FunctionName": _ARN, "Payload": request}
    for named, ids in (("all", None), ("none", []), ("one", ["0"])):
        parted = part(lane, ids).lane
        yield f"Park {named}, answer", _lambda_answer(parted)
        yield f"Park {named}, output", resent | {"lane": parted}


def _states(batch: Batch, clients: Sequence[dict[str, str]], kind: str, timing: Timing) -> Iterator[tuple[str, Any]]:
    execution = json.loads(input_of(batch, clients, NOW, timing))
    yield "execution, input", execution
    yield "Validate Events, request", {"FunctionName": _ARN, "Payload": execution}
    validated = validate(execution["batch"], clients, _contract(kind), hold_marks=True)
    yield "Validate Events, answer", _lambda_answer(validated)
    state = execution | {"batch": validated}
    yield "Validate Events, output", state
    state |= {
        "held": {
            "recipients": [GATE, *(of["name"] for of in clients), *(of["selects"] for of in clients)],
            "atGate": True,
        }
    }
    yield "Find Held Sequences, output", state
    if not timing.released:
        yield "Hold At Gate, request", {"FunctionName": _ARN, "Payload": validated}
        gone_on = hold_at_gate(validated, HeldEventsInMemory(), hold_marks=True)
        yield "Hold At Gate, answer", _lambda_answer(gone_on)
        state |= {"batch": gone_on}
        yield "Hold At Gate, output", state

    widest = max(clients, key=lambda of: len(of["name"]) + len(of["queueUrl"]))
    lanes, deadline = state["batch"]["lanes"], execution["deadline"]
    receiver = {"client": widest["name"], "queueUrl": widest["queueUrl"]}
    of_receiver = {"isHeld": True, "selects": widest["selects"], "hasSettled": True}
    iteration = receiver | of_receiver | {"deadline": deadline, "batch": {"lanes": lanes}}
    parked_per_lane = [sum(map(len, lane["waves"])) for lane in lanes]
    yield "Deliver To Clients, iteration", iteration
    yield "Send Lanes, output", iteration | {"parked": parked_per_lane}
    yield "Select Events, request", {"FunctionName": _ARN, "Payload": {"client": widest["name"], "lanes": lanes}}
    selected = hold_followers(widest["name"], lanes, HeldEventsInMemory())
    yield "Select Events, answer", _lambda_answer({"lanes": selected})
    yield "Select Events, output", iteration | {"batch": {"lanes": selected}}
    for lane in lanes:
        yield from _lane_states(widest, deadline, lane)

    deliveries = [{"client": of["name"], "parkedPerLane": parked_per_lane} for of in clients]
    state |= {"deliveries": deliveries}
    yield "Deliver To Clients, output", state
    told = {"counts": state["batch"]["counts"], "clients": deliveries}
    yield "Batch Released, output", told | {"withheld": state["batch"]["withheld"]}
    rest = state["batch"] | {"lanes": []}
    yield "Hold Rest At Gate, request", {"FunctionName": _ARN, "Payload": rest}
    yield "Hold Rest At Gate, answer", _lambda_answer(hold_at_gate(rest, HeldEventsInMemory(), hold_marks=True))
    yield "Batch Handled, output", told


def _released(batch: Batch, room: int) -> list[Batch]:
    """Return the batches in which a release puts the events of a batch through that were all held at the gate."""
    store, batches = HeldEventsInMemory(), []

    class Pipeline:
        def __init__(self) -> None:
            self.room = room

        def put_through(self, events: Sequence[Event]) -> list[Entry]:
            batches.append(Batch(tuple(events)))
            return []

    given_events = [event.as_input() for event in batch.events]
    withheld = validate({"events": given_events}, [], _deciding([_LONGEST_VIOLATION]), hold_marks=True)["withheld"]
    store.hold(GATE, sequences_of(withheld), QUARANTINED, "ContractBroken")
    groups = {event.group_id: None for event in batch.events}
    release_lane({"groupIds": list(groups)}, store, Pipeline(), hold_marks=True, has_time=lambda: True)
    return batches


def _assert_fits(states: Iterator[tuple[str, Any]], about: str) -> None:
    for name, value in states:
        size = len(json.dumps(value))
        assert size <= STATE_BYTES, f"{name}: {size} bytes, {about}"


def _assert_within_limits(records: list[dict[str, Any]], clients: Sequence[dict[str, str]], kind: str) -> list[Batch]:
    batches = list(pack(records, budget(clients)))
    checkpoints = [event.checkpoint for batch in batches for event in batch.events]
    assert checkpoints == [one["dynamodb"]["SequenceNumber"] for one in records]
    for batch in batches:
        _assert_fits(_states(batch, clients, kind, LIVE), f"{len(batch.events)} events")
        for released in _released(batch, budget(clients)):
            _assert_fits(_states(released, clients, kind, RELEASE), f"{len(released.events)} events released")
    return batches


def _record_of(number: int, size: int, filler: str, marks: int) -> dict[str, Any]:
    """Return a record of a replay whose item takes about `size` bytes in the table."""
    whole = item(number, f"M {number % marks}")
    bare = len(convert(record(whole)).body)
    return _replayed(filler * (max(0, size - bare) // len(filler.encode())), number, whole)


def _replayed(text: str, number: int = 1, image: Item | None = None) -> dict[str, Any]:
    """Return a record of a replay, whose events take the most."""
    return record((image or item(number, "M 0")) | {"unknown": {"S": text}}, number) | {"late": True}


def _small_record(number: int, marks: int) -> dict[str, Any]:
    """Return a record of some 100 bytes: more of them go into a batch than of anything that is valid."""
    return record({"eventId": {"S": f"{number}"}, "mark": {"S": f"{number % marks}"}, "v": {"N": "1"}}, number)


@cache
def _clients(registrations: int, name_length: int = 20, url_length: int = 90) -> list[dict[str, str]]:
    """Return those who are served when so many register, by names and queue URLs of these lengths."""
    return admit(_registration(number, name_length, url_length) for number in range(registrations)).clients


def _registration(number: int, name_length: int, url_length: int) -> Registration:
    queue = f"/123456789012/MarkFanOutClient{number}.fifo"
    url = "https://" + "h" * max(1, url_length - len("https://" + queue)) + queue
    name = f"{number:03}".ljust(name_length, "n")
    return Registration(
        name, "String", json.dumps({"queueUrl": url, "from": "beginning"}), NOW, "eu-west-2", "123456789012"
    )


@dataclass(frozen=True)
class Invocation:
    """What an invocation brings, by its dimensions; sizes and fillers take turns."""

    sizes: list[int]
    fillers: list[str]
    count: int
    marks: int
    registrations: int
    name_length: int
    url_length: int
    kind: str

    def records(self) -> list[dict[str, Any]]:
        """Return the records, as many of them as a stream's invocation holds."""
        fitting = max(1, min(self.count, _STREAM_BYTES * len(self.sizes) // sum(self.sizes)))
        shapes = islice(zip(cycle(self.sizes), cycle(self.fillers), strict=False), fitting)
        return [_record_of(number, size, filler, self.marks) for number, (size, filler) in enumerate(shapes)]


_INVOCATIONS = st.builds(
    Invocation,
    sizes=st.lists(
        st.one_of(st.integers(100, 2_000), st.integers(2_000, 30_000), st.integers(30_000, 400_000)),
        min_size=1,
        max_size=4,
    ),
    fillers=st.lists(st.sampled_from(_FILLERS), min_size=1, max_size=3),
    count=st.integers(1, 1_000),
    marks=st.sampled_from([1, 2, 9, 10, 11, 100, 1_000]),
    registrations=st.one_of(st.integers(1, 40), st.integers(41, 400)),
    name_length=st.integers(3, LONGEST_CLIENT_NAME),
    url_length=st.integers(1, LONGEST_QUEUE_URL),
    kind=st.sampled_from(sorted(_VERDICTS)),
)


@pytest.mark.slow  # whole invocations of a megabyte, each state of every batch measured
@settings(max_examples=40)
@given(_INVOCATIONS)
def test_no_state_can_pass_what_step_functions_allows(invocation):
    """Over event sizes, 1 to 1,000 records, 1 to 400 registrations, any mix of marks and verdicts: every state fits."""
    clients = _clients(invocation.registrations, invocation.name_length, invocation.url_length)

    _assert_within_limits(invocation.records(), clients, invocation.kind)


@pytest.mark.parametrize("kind", sorted(_VERDICTS))
@pytest.mark.parametrize("marks", [1, 1_000])
def test_the_smallest_events_fit_in_any_number(kind, marks):
    """A thousand events of some 100 bytes: what carries them outweighs them, and still fits."""
    batches = _assert_within_limits([_small_record(number, marks) for number in range(1_000)], _clients(40), kind)

    assert len(batches) < 10


@pytest.mark.parametrize("kind", sorted(_VERDICTS))
@pytest.mark.parametrize("filler", _FILLERS)
def test_the_largest_events_fit_or_go_without_their_body(kind, filler):
    """Events of 400 KB of any character become events that fit, beside small ones that keep their bodies."""
    records = [_record_of(1, 400_000, filler, 10), _record_of(2, 500, filler, 10), _record_of(3, 400_000, filler, 10)]

    (batch,) = _assert_within_limits(records, _clients(40), kind)

    assert [bool(event.unfit) for event in batch.events] == [True, False, True]


@pytest.mark.parametrize("kind", sorted(_VERDICTS))
@pytest.mark.parametrize("filler", _FILLERS)
def test_an_event_that_just_fits_fits_every_state(kind, filler):
    """The largest event that keeps its body leaves room for whatever the states add to it."""
    clients = _clients(1)
    empty = cost(convert(_record_of(1, 0, filler, 1)))
    grown = cost(convert(_replayed(filler))) - empty
    largest = _replayed(filler * ((budget(clients) - empty) // grown - 10))

    (batch,) = _assert_within_limits([largest], clients, kind)

    assert not batch.events[0].unfit
    assert cost(batch.events[0]) > budget(clients) * 0.99


@pytest.mark.parametrize("kind", sorted(_VERDICTS))
@pytest.mark.parametrize("character", ['"', "\\", "é", "\U0001f600", "\ud800"])
def test_the_longest_ids_and_keys_fit(kind, character):
    """Marks and event ids as long as DynamoDB's keys, of characters that grow in ids and in JSON alike."""
    width = len(character.encode("utf-8", "surrogatepass"))
    mark, short = character * (2_048 // width), character * (128 // width)
    records = [
        record(item(number, text, eventId={"S": text}, unknown={"S": "x" * size}), number)
        for number, (text, size) in enumerate(islice(cycle([(mark, 10), (short, 10), (mark, 400_000)]), 60))
    ]

    _assert_within_limits(records, _clients(40), kind)


@pytest.mark.parametrize("name", ['"', "\\", "\x00", "\ud800"])
def test_the_reasons_of_unfit_events_fit(name):
    """A reason is a rule within JSON within JSON: whatever it quotes is counted as it grows."""
    records = [record(item(number, **{name * 1_000: {"N": "x"}}), number) for number in range(1_000)]

    batches = _assert_within_limits(records, _clients(40), "all valid")

    assert all(event.unfit for batch in batches for event in batch.events)


@pytest.mark.parametrize(
    ("name_length", "url_length"),
    [(LONGEST_CLIENT_NAME, LONGEST_QUEUE_URL), (LONGEST_CLIENT_NAME, 1), (3, LONGEST_QUEUE_URL), (3, 1)],
)
@pytest.mark.slow  # ninety clients, six hundred events, every kind of verdict
@pytest.mark.parametrize("kind", sorted(_VERDICTS))
def test_as_many_clients_as_are_served_fit(kind, name_length, url_length):
    """A thousand registrations, of the longest and the shortest names and queue URLs, every one with parked events."""
    clients = _clients(1_000, name_length, url_length)

    assert len(clients) >= 90
    for records in (
        [_small_record(number, 1_000) for number in range(600)],
        [_small_record(number, 1) for number in range(600)],
        [_small_record(1, 1)],
        [_record_of(number, 24_500, "x", 1_000) for number in range(10)],
    ):
        _assert_within_limits(records, clients, kind)


@pytest.mark.parametrize("mark", ["AFC 6", '"' * 2_048, "é" * 1_024, "\ufffe" * 682, "\x01" * 2_048])
@pytest.mark.parametrize("filler", _FILLERS)
def test_the_largest_event_that_is_promised_is_delivered_whoever_registers(filler, mark):
    """Beside a thousand registrations an event of the README's size keeps its body, whatever its characters."""
    for clients in (_clients(1_000), _clients(1_000, LONGEST_CLIENT_NAME, LONGEST_QUEUE_URL)):
        bare = len(convert(record(item(1, mark, unknown={"S": ""}))).body)
        grown = len(json.dumps(filler)) - 2
        image = item(1, mark, unknown={"S": filler * ((LARGEST_EVENT_BYTES - bare) // grown)})

        (batch,) = _assert_within_limits([record(image)], clients, "all valid")

        (event,) = batch.events
        assert not event.unfit
        assert LARGEST_EVENT_BYTES - grown < len(event.body) <= LARGEST_EVENT_BYTES


@given(
    st.integers(0, 60),
    st.text(min_size=1, max_size=150),
    st.text(max_size=60),
    st.sampled_from(_FILLERS),
    st.booleans(),
)
def test_no_event_takes_more_in_any_shape_than_it_costs(size, mark, identity, filler, late):
    """As an input, as the entry of a wave and as a withheld event with one violation, an event is below its cost."""
    event = convert(record(item(1, mark, eventId={"S": identity}, unknown={"S": filler * size})) | {"late": late})

    shapes = [event.as_input()]
    for violations in ([], [_LONGEST_VIOLATION]):
        answer = validate({"events": [event.as_input()]}, [], _deciding(violations), hold_marks=True)
        shapes += [*answer["withheld"], *answer["lanes"]]
    assert len(shapes) == 3
    assert max(len(json.dumps(shape)) for shape in shapes) <= cost(event)


@given(st.text('"\\ax', min_size=1, max_size=200))
def test_no_unfit_event_takes_more_than_it_costs(reason):
    """Withheld, it carries its reason beside its body; its rule as a violation is made of that in the table alone."""
    reason = json.dumps(reason)[1:-1]
    event = convert(record())._replace(unfit=reason)

    (withheld,) = validate({"events": [event.as_input()]}, [], _deciding([]), hold_marks=True)["withheld"]

    assert max(len(json.dumps(shape)) for shape in (event.as_input(), withheld)) <= cost(event)


# ----------------------------------------------------------------------------------------------------------------------
# A turn of a redrive
# ----------------------------------------------------------------------------------------------------------------------
_LONGEST_MARKS = [
    pytest.param(lambda number: f"{number:03}".ljust(128, "x"), id="as long as a group id"),
    pytest.param(lambda number: f"{number:03}".ljust(2_048, "x"), id="as long as a key"),
    pytest.param(lambda number: f"{number:03}".ljust(2_048, '"'), id="as long as a key, of quotation marks"),
    pytest.param(lambda number: f"{number:03}".ljust(512, "\U0001f600"), id="as long as a key, of emoji"),
]


def _turn_states(store: HeldEventsInMemory, request: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the states of a redrive of which no sequence can be delivered, each for a reason of its own."""
    totals = {"sequences": 10**6, "delivered": 10**9, "stoppedSequences": 10**6, "errors": []}
    state = {"request": request, "page": {"after": "", "listed": False, "turn": 0}, "totals": totals, "lanes": []}
    yield "Describe Effect, answer", _lambda_answer(describe(request, store))
    listed = list_lanes(request | state, store)
    assert sum(map(len, listed["page"]["lanes"])) == SEQUENCES_PER_TURN
    yield "List Sequences, output", state | {"listed": listed}
    named = iter(range(10**6))
    refusing = QueueInMemory(lambda entry: f"KmsAccessDenied{next(named):03}".ljust(60, "x"))
    asked = [request | {"groupIds": lane} for lane in listed["page"]["lanes"]]
    yield "Redrive Lane, request", {"FunctionName": _ARN, "Payload": {"step": "redrive", "request": asked[0]}}
    left = [{"groupIds": lane, "delivered": 10**6, "stopped": []} for lane in listed["page"]["lanes"]]
    stopped = [redrive_lane(lane, store, refusing, lambda: True) for lane in asked]
    for lanes in (left, stopped):
        turn = {"request": request, "page": listed["page"], "totals": listed["totals"], "lanes": lanes}
        yield "Redrive Lanes, output", turn
        again = list_lanes(request | turn, store)
        yield "List Sequences, answer", _lambda_answer(again)
        yield "List Sequences, output", turn | {"listed": again}
        yield "Continue Anew, request", {"StateMachineArn": _ARN, "Input": {"continued": turn}}
        yield (
            "Conclude Redrive, answer",
            _lambda_answer(conclude({"request": request, "totals": again["totals"]}, store)),
        )


@pytest.mark.parametrize("mark", _LONGEST_MARKS)
def test_a_turn_of_the_longest_marks_fits(mark: Callable[[int], str]):
    """A hundred sequences that are all told of, left over, or stopped with an error each: every state fits."""
    store = HeldEventsInMemory()
    for number in range(SEQUENCES_PER_TURN):
        event = convert(record(item(number, mark(number)), number))
        store.hold("archive", [[entry_of(event.as_input())]], PARKED, "Sqs.KmsAccessDeniedException")
    asked = {
        "client": "archive",
        "action": "discard",
        "all": True,
        "reason": "\U0001f600" * 1_000,
        "by": "\x01" * 1_000,
    }
    request = parse(asked).as_state() | {"queueUrl": client()["queueUrl"], "after": "x" * 128}

    _assert_fits(_turn_states(store, request), "a turn")


# ----------------------------------------------------------------------------------------------------------------------
# A history
# ----------------------------------------------------------------------------------------------------------------------
_RUN = "f" * 12
_MOST_SEGMENTS = 40
_LONGEST_ERROR = {"Error": "E" * 256, "Cause": "c" * 32_768}  # Step Functions API Reference, TaskFailedEventDetails
_SMALL = 100_000


class _PastOf:
    """A producer's table whose every segment has so many marks of one event each."""

    def __init__(self, marks: int) -> None:
        self._marks = marks

    def size(self) -> tuple[int, int]:
        return 10**12, 10**15

    def marks(self, segment: int, segments: int, after: Item) -> Iterator[list[Item]]:
        for number in range(self._marks):
            yield self.mark(f"{segment}-{number}".ljust(512, "\U0001f600"))

    def mark(self, mark: str) -> list[Item]:
        return [item(1, mark)]


class _AtOnce:
    def wait_for(self, events: int) -> None:
        """Wait for nothing."""

    def pause(self, attempt: int) -> None:
        """Wait for nothing."""


def _history(marks: int, error: str = "") -> tuple[Stores, Subscription, Rules, Sender]:
    """Return a client of the longest name, whose queue refuses with an error, or takes everything."""
    dynamodb = DynamoDBInMemory()
    name, url = "n" * LONGEST_CLIENT_NAME, "https://" + "h" * (LONGEST_QUEUE_URL - len("https://"))
    table: Any = _PastOf(marks)
    queue = QueueInMemory(lambda entry: error)
    stores = Stores(table, HistoriesTable("held", dynamodb), HeldEventsTable("held", dynamodb), queue)
    said = Subscription(name, url, NOW, since="2026-01-31T09:30:00.123456789Z")
    rules: Any = Rules(_deciding([]), said, _RUN, (), True, NOW)
    return stores, said, rules, Sender(_AtOnce(), lambda: True)


def _history_states(marks: int, error: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the states of a history in as many segments as there can be, each of them brought, or refused."""
    stores, said, rules, sender = _history(marks, error)
    asked = HistoryRequest(said.name, segments=_MOST_SEGMENTS, events_per_second=10_000, settle_seconds=3_600)
    checked = check(asked, said, stores, Moment(NOW, _RUN, 3_600))
    yield "Check Request, answer", _lambda_answer(checked)
    yield "Describe History, answer", _lambda_answer(describe_history(checked, stores))
    request = begin(checked, stores)
    yield "Begin History, answer", _lambda_answer(request)
    shared = {name: request[name] for name in ("client", "queueUrl", "run", "eventsPerSecond")}
    read, failed = [], []
    for number in request["segments"]:
        part = shared | {"segments": len(request["segments"]), "segment": number}
        answer = read_segment(part, rules, stores, sender)
        assert bool(answer["stopped"]) == bool(error)
        yield "Read Segment, request", {"FunctionName": _ARN, "Payload": {"step": "read", "request": part}}
        yield "Read Segment, answer", _lambda_answer(answer)
        yield "Read Segment, output", part | {"read": answer}
        yield "Read Segment, caught", part | {"read": answer, "error": _LONGEST_ERROR}
        read.append({name: answer[name] for name in ("done", "stopped", "ended")})
        failed.append({"done": False, "stopped": f"{number:02}".ljust(256, "E")})
    for segments in (failed, read):
        yield "Read Segments, output", {"request": request, "segments": segments}
        given_ = {"step": "conclude", "request": {"request": request, "segments": segments}}
        yield "Conclude History, request", {"FunctionName": _ARN, "Payload": given_}
        concluded = conclude_history({"request": request, "segments": segments}, stores)
        yield "Conclude History, answer", _lambda_answer(concluded)
    assert concluded["outcome"] == ("refused" if error else "brought")
    assert concluded["counts"]["sent"] == (0 if error else _MOST_SEGMENTS * marks)


@pytest.mark.parametrize("error", ["", "KmsAccessDenied".ljust(60, "x")])
def test_a_history_is_small_however_many_marks_there_are(error: str):
    """In forty segments of longest names every state fits many times, and more marks add digits to counts alone."""
    few, many = list(_history_states(1, error)), list(_history_states(230, error))

    _assert_fits(iter(many), "a history")
    assert [name for name, _ in few] == [name for name, _ in many]
    for (name, small), (_, large) in zip(few, many, strict=True):
        assert len(json.dumps(large)) - len(json.dumps(small)) <= 3 * 4, name
        assert len(json.dumps(large)) < _SMALL, name


@pytest.mark.parametrize("error", ["", "KmsAccessDenied".ljust(60, "x")])
@pytest.mark.parametrize("mark", _LONGEST_MARKS)
def test_the_history_of_one_longest_mark_is_small(mark: Callable[[int], str], error: str):
    """The mark goes along from step to step, as long as a key can be."""
    stores, said, rules, sender = _history(1, error)
    request = check(HistoryRequest(said.name, mark=mark(1)), replace(said, since=""), stores, Moment(NOW, _RUN, 60))
    stores.held.close(said.name, mark(1))

    brought = bring_mark(request, rules, stores, sender)

    assert (brought["mark"], brought["stopped"]) == (mark(1), error)
    for state in (request, brought):
        assert len(json.dumps(_lambda_answer(state))) < _SMALL
