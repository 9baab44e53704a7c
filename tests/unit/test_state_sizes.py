"""Unit tier, sizes: proves that no state of an execution can pass 262,144 bytes, whatever the events.

Every input and output of every state of deliver-events.asl.json is built here as JSON, in its widest
spelling, from what the real packer, validator, gate, planner, parking and release make of the records; of
redrive-events.asl.json those of a turn of a hundred sequences; of deliver-history.asl.json those of a history
in as many segments as there can be. SQS, Lambda and Step Functions add what
they are documented to answer; that they add no more cannot be proven offline.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import count, cycle, islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.adapters.histories import HistoriesTable
from mark_event_queue.domain.batches import LIVE, RELEASE, Batch, Timing, cost, input_of
from mark_event_queue.domain.budget import (
    LARGEST_EVENT_BYTES,
    LONGEST_CLIENT_NAME,
    LONGEST_QUEUE_URL,
    STATE_BYTES,
    budget,
)
from mark_event_queue.domain.clients import Registration, Subscription, admit
from mark_event_queue.domain.contract import Contracts, Violation, load
from mark_event_queue.domain.events import Event, convert
from mark_event_queue.domain.held import GATE, PARKED, QUARANTINED
from mark_event_queue.domain.holding import hold_followers
from mark_event_queue.domain.rounds import Entry, Plan, entry_of, part, plan, sequences_of
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
from tests.builders import (
    EVENT_NAMES,
    EXAMPLES,
    NOTHING_HELD,
    NOW,
    SCHEMAS,
    Item,
    client,
    event_id,
    item,
    pack,
    record,
    removal,
    state_machine,
)
from tests.dynamodb_in_memory import DynamoDBInMemory
from tests.fakes import HeldEventsInMemory, QueueInMemory, VerdictContract

# Lambda hands a function at most 6 MB of a stream (Lambda Developer Guide, quotas); a sixth of that
# already makes several full batches of every kind.
_STREAM_BYTES = 1_000_000
_URL = "https://sqs.eu-west-2.amazonaws.com/123456789012/MarkFanOutQueue.fifo".ljust(LONGEST_QUEUE_URL, "u")
_ARN = "arn:aws:lambda:eu-west-2:123456789012:function:" + "f" * 140

# The longest of the errors that SendMessageBatch is documented to answer with.
_LONGEST_NAME = "Sqs.TooManyEntriesInBatchRequestException"
_CAUGHT = {"Error": _LONGEST_NAME, "Cause": "c" * 4_000}

# How long a message is with which SQS refuses an entry. An event whose body is too small to pass the contract gets to a
# queue only here, where a test calls it valid: a round has so many of these that their messages have to be shorter.
_REFUSAL, _REFUSAL_OF_WHAT_CANNOT_BE = 500, 450
_SMALLEST_BODY = 180

States = Iterator[tuple[str, Any]]

_LONGEST_MARKS = [
    pytest.param(lambda number: f"{number:03}".ljust(128, "x"), id="as long as a group id"),
    pytest.param(lambda number: f"{number:03}".ljust(2_048, "x"), id="as long as a key"),
    pytest.param(lambda number: f"{number:03}".ljust(2_048, '"'), id="as long as a key, of quotation marks"),
    pytest.param(lambda number: f"{number:03}".ljust(512, "\U0001f600"), id="as long as a key, of emoji"),
]

# What a character of the table costs in JSON within JSON: 1, 3, 4, 7 and 14 bytes.
_FILLERS = ["x", '"', "\\", "\x01", "é", "\ufffe", "\U0001f600"]
_LONGEST_VIOLATION = Violation("/" + "p" * 99, "unevaluatedProperties")
_MOST_VERSIONS = ["98.99.99", "99.99.99"]
_LONGEST_TYPE = max(EVENT_NAMES, key=len)
_VERDICTS = {
    "all valid": lambda number: [],
    "all rejected": lambda number: [_LONGEST_VIOLATION] * 25,
    "all rejected, one rule each": lambda number: [_LONGEST_VIOLATION],
    "mixed": lambda number: [_LONGEST_VIOLATION] * 5 if number % 2 else [],
    "the first rejected": lambda number: [] if number else [_LONGEST_VIOLATION],
}


def _contract(kind: str) -> Any:
    numbers = count()
    return VerdictContract(lambda body: _VERDICTS[kind](next(numbers)), _MOST_VERSIONS, _LONGEST_TYPE)


def _deciding(violations: list[Violation]) -> Any:
    return VerdictContract(lambda body: violations, _MOST_VERSIONS, _LONGEST_TYPE)


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


def _sqs_answers(wave: Sequence[Entry]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the widest answers of SendMessageBatch: it accepted all of a wave, or refused each entry with a message."""
    accepted = {
        "MD5OfMessageAttributes": "0" * 32,
        "MD5OfMessageBody": "0" * 32,
        "MD5OfMessageSystemAttributes": "0" * 32,
        "MessageId": "52fdfc07-2182-454f-963f-5f0f9a621d72",
        "SequenceNumber": "18849496460467696128",
    }
    yield "accepted", {"Successful": [accepted | {"Id": entry["Id"]} for entry in wave]}
    yield "refused", {"Failed": [_failed(entry) for entry in wave]}


def _failed(entry: Entry) -> dict[str, Any]:
    cannot_be = len(entry["MessageBody"]) < _SMALLEST_BODY and "notice" not in entry["MessageAttributes"]
    message = "m" * (_REFUSAL_OF_WHAT_CANNOT_BE if cannot_be else _REFUSAL)
    return {"Id": entry["Id"], "Code": "ReceiptHandleIsInvalid", "Message": message, "SenderFault": False}


def _alone(queue_url: str, entry: Entry) -> dict[str, Any]:
    """Return the request of SendMessage for an entry."""
    return {"QueueUrl": queue_url} | {name: part for name, part in entry.items() if name != "Id"}


_SENT_ALONE = {
    "MD5OfMessageAttributes": "0" * 32,
    "MD5OfMessageBody": "0" * 32,
    "MD5OfMessageSystemAttributes": "0" * 32,
    "MessageId": "52fdfc07-2182-454f-963f-5f0f9a621d72",
    "SequenceNumber": "18849496460467696128",
}


def _waves_of(of: Plan) -> list[list[Entry]]:
    """Return the waves of the plan's round; the first is the largest, because no mark is in a later one alone."""
    return [of["waves"][place] for place in of["now"]]


def _ids_of(waves: Sequence[Sequence[Entry]]) -> list[str]:
    return [entry["Id"] for wave in waves for entry in wave]


def _widest(of: Sequence[Any]) -> Any:
    return max(of, key=lambda one: len(json.dumps(one)))


def _moved(of: Plan, cursor: int) -> Plan:
    """Return the plan as it is before the round of this place."""
    return of | {"now": of["rounds"][cursor], "cursor": cursor}


def _calls_of_a_round(state: str, call: str, waves: Sequence[Sequence[Entry]], queue_url: str | None) -> States:
    """Yield what the iterations of a round take, and all their answers together."""
    wave = _widest(waves)
    yield f"{state}, iteration", {"wave": wave} | ({"queueUrl": queue_url} if queue_url else {})
    yield f"{call}, request", {"QueueUrl": queue_url or _URL, "Entries": wave}
    answers: dict[str, list[Any]] = {}
    for one in waves:
        for kind, answer in _sqs_answers(one):
            answers.setdefault(kind, []).append(answer)
    for kind, together in answers.items():
        yield f"{call}, {kind}", _widest(together)
        yield f"{state}, all {kind}", together


def _calls_of_refused(state: str, call: str, entries: Sequence[Entry], queue_url: str | None) -> States:
    """Yield what the iterations take that send refused entries alone, one of the entries each."""
    entry = _widest(entries)
    yield f"{state}, iteration", {"entry": entry} | ({"queueUrl": queue_url} if queue_url else {})
    yield f"{call}, request", _alone(queue_url or _URL, entry)
    yield f"{call}, answer", _SENT_ALONE
    yield f"{state}, all accepted", [{"accepted": True}] * len(entries)


def _write_states(state: dict[str, Any]) -> States:
    """Yield the states that write a plan to the fan-out queue, round by round."""
    of = state["batch"]["plan"]
    for cursor in {0, of["last"]} if of["rounds"] else ():
        at = _moved(of, cursor)
        waves = _waves_of(at)
        batch = state["batch"] | {"writing": {"now": at["now"], "cursor": cursor}}
        yield from _calls_of_a_round("Write Round", "Write Wave", waves, None)
        yield "Write Round, output", state | {"batch": batch | {"written": {"refused": _ids_of(waves)}}}
        yield from _calls_of_refused(
            "Write Refused Alone", "Write Refused Event", [entry for wave in waves for entry in wave], None
        )
        yield "Write Refused Alone, output", state | {"batch": batch | {"written": {"refused": []}}}
        yield "Next Round To Write, output", state | {"batch": batch | {"written": {"refused": _ids_of(waves)}}}
    if not of["rounds"]:
        yield "Write Round, output", state | {"batch": state["batch"] | {"written": {"refused": []}}}


def _client_states(iteration: dict[str, Any]) -> States:
    """Yield the states of a client's iteration, whatever its queue does."""
    name, url, plan = iteration["client"], iteration["queueUrl"], iteration["batch"]["plan"]
    yield "Select Events, request", {"FunctionName": _ARN, "Payload": {"client": name, "plan": plan}}
    selected = {"plan": hold_followers(name, plan, HeldEventsInMemory())}
    yield "Select Events, answer", _lambda_answer(selected)
    yield "Select Events, output", iteration | {"batch": selected}
    for cursor in {0, plan["last"]} if plan["rounds"] else ():
        at = _moved(plan, cursor)
        yield from _round_states(iteration | {"batch": {"plan": at}}, _waves_of(at), url)
    for parked in (0, 10**6):
        yield "Client Served, output", {"client": name, "parked": parked}


def _round_states(iteration: dict[str, Any], waves: Sequence[Sequence[Entry]], url: str) -> States:
    """Yield the states of a round: accepted, refused or lost as a whole, and out of time."""
    plan, ids = iteration["batch"]["plan"], _ids_of(waves)
    entries = [entry for wave in waves for entry in wave]
    nothing: dict[str, list[str]] = {"refused": [], "errors": []}
    yield from _calls_of_a_round("Send Round", "Send Wave", waves, url)
    caught = {"queueUrl": url, "wave": _widest(waves), "error": _CAUGHT}
    yield "Send Wave, caught", caught
    yield "Send Wave Again, request", {"QueueUrl": url, "Entries": _widest(waves)}
    yield from ((f"Send Wave Again, {kind}", answer) for kind, answer in _sqs_answers(_widest(waves)))
    yield "Send Wave Again, caught", caught
    lost = [{"lost": _ids_of([wave]), "error": _LONGEST_NAME} for wave in waves]
    yield "Wave Refused, output", lost[0]
    yield "Send Round, all lost", lost
    yield from _calls_of_refused("Send Refused Alone", "Send Refused Event", entries, url)
    yield "Send Refused Event, caught", {"queueUrl": url, "entry": _widest(entries), "error": _CAUGHT}
    yield "Refused For Good, output", {"refusedId": ids[-1], "error": _LONGEST_NAME}
    yield "Refused Too Late, output", {"refusedId": ids[-1], "error": _LONGEST_NAME}
    yield "Send Refused Alone, all refused", [{"refusedId": one, "error": _LONGEST_NAME} for one in ids]
    refused_for_good = {"refused": ids, "errors": [_LONGEST_NAME] * len(ids)}
    outcomes = {
        "Send Round, output, all accepted": {"refused": [], "lost": [], "errors": [], "resent": nothing},
        "Send Round, output, all refused": {"refused": ids, "lost": [], "errors": [], "resent": nothing},
        "Send Round, output, all lost": {
            "refused": [],
            "lost": [one["lost"] for one in lost],
            "errors": [one["error"] for one in lost],
            "resent": nothing,
        },
        "Send Refused Alone, output": {"refused": ids, "lost": [], "errors": [], "resent": refused_for_good},
        "Out Of Time, output": {"refused": [], "lost": None, "errors": ["DeliveryDeadlinePassed"], "resent": nothing},
    }
    for told, sent in outcomes.items():
        output = iteration | {"sent": sent}
        yield told, output
        yield f"Next Round, output, behind {told}", output | {"batch": {"plan": _moved(plan, plan["last"])}}
        payload = {"client": iteration["client"], "plan": plan, "sent": sent}
        yield f"Park Events, request, behind {told}", {"FunctionName": _ARN, "Payload": payload}
        for parted in (part(plan, which).plan for which in (None, [], ids[:1])):
            yield f"Park Events, answer, behind {told}", _lambda_answer(parted)
            yield f"Park Events, output, behind {told}", output | {"batch": {"plan": parted}}


class _Gate(HeldEventsInMemory):
    """A store of what waits, of whom something waits already: everybody that a test names."""

    def __init__(self, mentioned: list[str]) -> None:
        super().__init__()
        self._mentioned = mentioned

    def mentions(self) -> list[str]:
        """Return them."""
        return self._mentioned


def _with_writing(batch: dict[str, Any]) -> dict[str, Any]:
    return batch | {"writing": {"now": batch["plan"]["now"], "cursor": batch["plan"]["cursor"]}}


def _states(batch: Batch, clients: Sequence[dict[str, str]], kind: str, timing: Timing) -> States:
    mentioned = [GATE, *(of["name"] for of in clients), *(of["selects"] for of in clients)]
    execution = json.loads(input_of(batch, clients, NOW, timing, mentioned))
    assert execution["batch"]["held"] == {"recipients": mentioned, "atGate": True}
    yield "execution, input", execution
    yield "Validate Events, request", {"FunctionName": _ARN, "Payload": execution}
    validated = validate(execution["batch"], clients, _contract(kind), hold_marks=True)
    yield "Validate Events, answer", _lambda_answer(validated)
    state = execution | {"batch": _with_writing(validated)}
    yield "Validate Events, output", state
    if batch.forgotten:
        forget = {"forgotten": validated["forgotten"]}
        yield "Forget Marks, request", {"FunctionName": _ARN, "Payload": forget}
        told = {"marks": 10**6, "events": 10**9}
        yield "Forget Marks, answer", _lambda_answer(told)
        state |= {"forgotten": told}
        yield "Forget Marks, output", state
    elif not timing.released:
        yield "Hold At Gate, request", {"FunctionName": _ARN, "Payload": state["batch"]}
        gone_on = hold_at_gate(validated, _Gate(mentioned), hold_marks=True)
        yield "Hold At Gate, answer", _lambda_answer(gone_on)
        state |= {"batch": _with_writing(gone_on)}
        yield "Hold At Gate, output", state
    if not batch.forgotten:
        yield from _write_states(state)
        last = state["batch"]["plan"]["last"]
        writing = {"now": _moved(state["batch"]["plan"], last)["now"] if last >= 0 else [], "cursor": max(0, last)}
        state |= {"batch": state["batch"] | {"writing": writing, "written": {"refused": []}}}

    widest = max(clients, key=lambda of: len(of["name"]) + len(of["queueUrl"]))
    of_receiver = {"client": widest["name"], "queueUrl": widest["queueUrl"], "selects": widest["selects"]}
    asked = {"isHeld": False, "hasSettled": False, "deadline": execution["deadline"]}
    iteration = of_receiver | asked | {"batch": {"plan": state["batch"]["plan"]}}
    yield "Deliver To Clients, iteration", iteration
    yield from _client_states(iteration)

    parked = sum(map(len, state["batch"]["plan"]["waves"]))
    deliveries: list[dict[str, Any]] = [{"client": of["name"], "parked": parked} for of in clients]
    yield "Deliver To Clients, all served", deliveries
    state |= {"deliveries": deliveries}
    yield "Deliver To Clients, output", state
    told_at_end: dict[str, Any] = {"counts": state["batch"]["counts"], "clients": deliveries}
    yield "Batch Released, output", told_at_end | {"withheld": state["batch"]["withheld"]}
    rest = {"plan": plan([]), "withheld": state["batch"]["withheld"], "counts": state["batch"]["counts"]}
    yield "Hold Rest At Gate, request", {"FunctionName": _ARN, "Payload": rest}
    held = hold_at_gate(rest, _Gate(mentioned), hold_marks=True)
    yield "Hold Rest At Gate, answer", _lambda_answer(held)
    kept = {"withheld": held["withheld"], "counts": held["counts"]}
    yield "Hold Rest At Gate, output", state | {"batch": kept}
    yield "Batch Handled, output", told_at_end


def _names(states: Mapping[str, Any]) -> set[str]:
    """Return the states of a definition that make or hand on something, those of its Maps among them."""
    names = {name for name, state in states.items() if state["Type"] in {"Task", "Map", "Pass"}}
    within = (state["ItemProcessor"]["States"] for state in states.values() if state["Type"] == "Map")
    return names.union(*map(_names, within))


def test_every_state_of_the_machine_is_measured():
    """A state that is added to the definition has to be added here, too."""
    clients = _clients(2)
    told = list(pack([_record_of(number, 500, "x", 7) for number in range(20)] + [removal(21)], budget(clients)))
    measured = {
        name.partition(", ")[0]
        for batch in told
        for timing in (LIVE, RELEASE)
        for name, _ in _states(batch, clients, "mixed", timing)
    }

    assert measured == _names(state_machine()["States"]) | {"execution"}


def test_no_event_that_passes_the_contract_is_smaller_than_is_said_here():
    """Whatever can be left out of the published examples left out, and the mark a single character: this is left."""
    contract = load(SCHEMAS.parent)
    bodies = [
        _reduced(json.loads(path.read_text("utf-8")), contract) for path in sorted(EXAMPLES.glob("*Event/*.json"))
    ]

    assert bodies
    assert min(map(len, bodies)) >= _SMALLEST_BODY


def _reduced(event: dict[str, Any], contract: Contracts) -> str:
    event["mark"] = event["RegistrationNumber"]["mark"] = "A"
    for part_ in (event, event["RegistrationNumber"]):
        for name in list(part_):
            value = part_.pop(name)
            if contract.judge(_compact(event)).violations:
                part_[name] = value
    assert not contract.judge(_compact(event)).violations
    return _compact(event)


def _compact(event: dict[str, Any]) -> str:
    return json.dumps(event, separators=(",", ":"))


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
    withheld = validate(
        {"events": given_events, "held": NOTHING_HELD}, [], _deciding([_LONGEST_VIOLATION]), hold_marks=True
    )["withheld"]
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


def _smallest_record(number: int) -> dict[str, Any]:
    """Return a record of the smallest event that passes the contract."""
    mark, time = {"S": f"{number:x}"}, {"S": "2026-03-01T08:20:00Z"}
    registration = {"M": {"mark": mark, "eventTime": time, "version": {"N": "7"}}}
    names = {"eventId": {"S": event_id(number)}, "eventName": {"S": "DeleteEvent"}, "createTime": time, "mark": mark}
    return record(names | {"RegistrationNumber": registration}, number)


@pytest.mark.parametrize("registrations", [1, 40, 1_000])
def test_the_smallest_valid_events_fit_in_any_number(registrations):
    """As many marks in a round as there can be, of events that the contract lets through: all answers together fit."""
    contract = load(SCHEMAS.parent)
    records = [_smallest_record(number) for number in range(700)]
    assert not [one for one in records if contract.judge(convert(one).body).violations]

    batches = _assert_within_limits(records, _clients(registrations), "all valid")

    assert len(batches) < 4


@pytest.mark.parametrize("mark", [pytest.param(str, id="short"), *_LONGEST_MARKS])
@pytest.mark.parametrize("registrations", [1, 40, 1_000])
def test_forgotten_marks_fit(registrations, mark: Callable[[int], str]):
    """Of many marks, or of one again and again; every client asked to be told of them."""
    clients = _clients(registrations)
    for marks in (1_000, 30, 1):
        removals = min(1_000, 250_000 // len(mark(0)))
        records = [removal(number, mark(number % marks)) for number in range(removals)]
        batches = list(pack(records, budget(clients)))
        assert sum(len(one.create_times) for batch in batches for one in batch.forgotten) == len(records)
        for batch in batches:
            _assert_fits(_states(batch, clients, "all valid", LIVE), f"{len(batch.forgotten)} marks forgotten")


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
        given_ = {"events": [event.as_input()], "held": NOTHING_HELD}
        answer = validate(given_, [], _deciding(violations), hold_marks=True)
        shapes += [*answer["withheld"], *answer["plan"]["waves"]]
    assert len(shapes) == 3
    assert max(len(json.dumps(shape)) for shape in shapes) <= cost(event)


@given(st.text('"\\ax', min_size=1, max_size=200))
def test_no_unfit_event_takes_more_than_it_costs(reason):
    """Withheld, it carries its reason beside its body; its rule as a violation is made of that in the table alone."""
    reason = json.dumps(reason)[1:-1]
    event = convert(record())._replace(unfit=reason)

    given_ = {"events": [event.as_input()], "held": NOTHING_HELD}
    (withheld,) = validate(given_, [], _deciding([]), hold_marks=True)["withheld"]

    assert max(len(json.dumps(shape)) for shape in (event.as_input(), withheld)) <= cost(event)


# ----------------------------------------------------------------------------------------------------------------------
# A turn of a redrive
# ----------------------------------------------------------------------------------------------------------------------


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
