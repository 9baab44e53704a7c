"""Proves that every branch of the definition that delivers events leads where it should.

Each case of MockConfigFile.json names what AWS answers, success or error, and is run on the interpreter
that moto and LocalStack share; the same file drives Step Functions Local, case by case. What AWS really
answers is not proven: names and shapes are held against AWS's service models, no more.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest

from adapters.parked_events import CLIENTS
from domain.contract import Contract
from domain.lanes import entries_of, plan
from tests.builders import event_input
from tests.statemachine import rules
from tests.statemachine.cases import CASES, CLIENT, RESPONSES, definition, first_and_last, mocked
from tests.statemachine.definitions import states, targets, tasks
from tests.statemachine.interpreter import Execution, run
from validator.validation import validate

TASKS = tasks(definition())


class Case(NamedTuple):
    """What a case has to come to: the states on its way, how often each Task was tried, how it ended."""

    way: list[str]
    tries: dict[str, int] = {}  # noqa: RUF012 - never changed
    parked: int = 0
    error: str = ""


_ONE_WAVE_WRITTEN = ["Waves To Write?", "Write Wave", "All Written?", "Next Wave To Write"]
_ONE_WAVE_SENT = ["Waves To Send?", "Send Wave", "All Accepted?", "Next Wave"]
_REFUSED = ["Waves To Send?", "Send Wave", "All Accepted?", "Send Refused Alone", "Send Refused Event"]

_VALIDATED = ["Validate Events", "Any Rejected?"]
_WRITTEN = ["Write To Fan-Out Queue", *_ONE_WAVE_WRITTEN, "Waves To Write?", "Lane Written"]
_FOUND = ["Find Parked Sequences", "Deliver To Clients"]
_UP_TO_CLIENT = [*_VALIDATED, *_WRITTEN, *_FOUND, "Needs Selection?"]
_UP_TO_SEND = [*_UP_TO_CLIENT, "Send Lanes"]
_LANE_SENT = ["Waves To Send?", "Lane Sent", "Client Served", "Batch Handled"]
_DELIVERED = ["Send Lanes", *_ONE_WAVE_SENT, *_LANE_SENT]

EXPECTED = {
    "AllDelivered": Case([*_UP_TO_CLIENT, *_DELIVERED]),
    "SeveralWaves": Case(
        [
            *_VALIDATED,
            "Write To Fan-Out Queue", *_ONE_WAVE_WRITTEN * 3, "Waves To Write?", "Lane Written",
            *_FOUND, "Needs Selection?",
            "Send Lanes", *_ONE_WAVE_SENT * 3, *_LANE_SENT,
        ]
    ),
    "NothingToDeliver": Case(
        [*_VALIDATED, "Write To Fan-Out Queue", *_FOUND, "Needs Selection?", "Send Lanes", "Client Served",
         "Batch Handled"]
    ),
    "NoClients": Case([*_VALIDATED, *_WRITTEN, *_FOUND, "Batch Handled"]),
    "RejectedQuarantined": Case(
        [*_VALIDATED, "Quarantine Rejected Events", "Quarantine Event", *_WRITTEN, *_FOUND, "Needs Selection?",
         *_DELIVERED]
    ),
    "QuarantineDown": Case(
        [*_VALIDATED, "Quarantine Rejected Events", "Quarantine Event"],
        {"Quarantine Event": 5},
        error="Sqs.KmsThrottledException",
    ),
    "ValidatorThrottledThenValidates": Case([*_UP_TO_CLIENT, *_DELIVERED], {"Validate Events": 3}),
    "ValidatorDown": Case(["Validate Events"], {"Validate Events": 5}, error="Lambda.ServiceException"),
    "FanOutThrottledThenWritten": Case([*_UP_TO_CLIENT, *_DELIVERED], {"Write Wave": 3}),
    "FanOutPartlyRefusedThenWritten": Case(
        [
            *_VALIDATED, "Write To Fan-Out Queue",
            "Waves To Write?", "Write Wave", "All Written?", "Write Refused Alone", "Write Refused Event",
            "Next Wave To Write", "Waves To Write?", "Lane Written",
            *_FOUND, "Needs Selection?", *_DELIVERED,
        ],
        {"Write Refused Event": 2},
    ),
    "FanOutDown": Case(
        [*_VALIDATED, "Write To Fan-Out Queue", "Waves To Write?", "Write Wave"],
        {"Write Wave": 5},
        error="Sqs.SqsException",
    ),
    "ParkedTableDown": Case(
        [*_VALIDATED, *_WRITTEN, "Find Parked Sequences"],
        {"Find Parked Sequences": 5},
        error="DynamoDb.InternalServerErrorException",
    ),
    "ClientHasParkedSequences": Case([*_UP_TO_CLIENT, "Select Events", *_DELIVERED], parked=1),
    "SelectionDown": Case(
        [*_UP_TO_CLIENT, "Select Events"], {"Select Events": 5}, error="ParkedEventsUnavailableError"
    ),
    "ClientThrottledThenAccepted": Case([*_UP_TO_CLIENT, *_DELIVERED], {"Send Wave": 3}),
    "ClientQueueMissing": Case(
        [*_UP_TO_SEND, "Waves To Send?", "Send Wave", "Park Wave", *_LANE_SENT], {"Send Wave": 1}, parked=2
    ),
    "ClientAccessRefused": Case(
        [*_UP_TO_SEND, "Waves To Send?", "Send Wave", "Access Refused?", "Park Wave", *_LANE_SENT],
        {"Send Wave": 1},
        parked=2,
    ),
    "ClientFaultThenAccepted": Case(
        [*_UP_TO_SEND, "Waves To Send?", "Send Wave", "Access Refused?", "Send Wave Again", "All Accepted?",
         "Next Wave", *_LANE_SENT],
        {"Send Wave": 1, "Send Wave Again": 1},
    ),
    "ClientFaultForGood": Case(
        [*_UP_TO_SEND, "Waves To Send?", "Send Wave", "Access Refused?", "Send Wave Again", "Park Wave", *_LANE_SENT],
        {"Send Wave": 1, "Send Wave Again": 4},
        parked=2,
    ),
    "ClientFaultThenQueueMissing": Case(
        [*_UP_TO_SEND, "Waves To Send?", "Send Wave", "Access Refused?", "Send Wave Again", "Park Wave", *_LANE_SENT],
        {"Send Wave": 1, "Send Wave Again": 1},
        parked=2,
    ),
    "ClientPartlyRefusedThenAccepted": Case(
        [*_UP_TO_SEND, *_REFUSED, "Any Refused For Good?", "Next Wave", *_LANE_SENT], {"Send Refused Event": 2}
    ),
    "ClientPartlyRefusedForGood": Case(
        [*_UP_TO_SEND, *_REFUSED, "Refused For Good", "Any Refused For Good?", "Park Refused Events", *_LANE_SENT],
        {"Send Refused Event": 4},
        parked=1,
    ),
    "ClientPartlyRefusedThenQueueMissing": Case(
        [*_UP_TO_SEND, *_REFUSED, "Refused For Good", "Any Refused For Good?", "Park Refused Events", *_LANE_SENT],
        {"Send Refused Event": 1},
        parked=1,
    ),
    "ParkingDown": Case(
        [*_UP_TO_SEND, "Waves To Send?", "Send Wave", "Park Wave"],
        {"Park Wave": 5},
        error="ParkedEventsUnavailableError",
    ),
    "ParkingOfRefusedDown": Case(
        [*_UP_TO_SEND, *_REFUSED, "Refused For Good", "Any Refused For Good?", "Park Refused Events"],
        {"Park Refused Events": 5},
        error="ParkedEventsUnavailableError",
    ),
}  # fmt: skip

every_case = pytest.mark.parametrize("case", CASES)


@cache
def _ran(case: str) -> Execution:
    clients = [] if case == "NoClients" else [CLIENT]
    return run(definition(), {"batch": {"events": [{"eventId": "1"}]}, "clients": clients}, mocked(case))


# ----------------------------------------------------------------------------------------------------------------------
# What each case comes to
# ----------------------------------------------------------------------------------------------------------------------
def test_every_case_has_an_expectation():
    """The file of cases and the expectations here name the same cases."""
    assert CASES.keys() == EXPECTED.keys()


@every_case
def test_case_goes_its_way(case: str):
    """The execution comes by exactly the expected states, in order."""
    assert _ran(case).visited == EXPECTED[case].way


@every_case
def test_case_ends_as_it_should(case: str):
    """Only what the batch cannot do without fails it, by the error's own name; a client's failure parks."""
    execution, expected = _ran(case), EXPECTED[case]
    assert (execution.status, execution.error) == ("FAILED" if expected.error else "SUCCEEDED", expected.error)


@every_case
def test_output_holds_counts_only(case: str):
    """An execution that succeeded says how many events went where, and holds no event."""
    execution, expected = _ran(case), EXPECTED[case]
    if expected.error:
        assert execution.output is None
        return
    validated = RESPONSES[CASES[case]["Validate Events"]]
    (counts,) = [answer["Return"]["Payload"]["counts"] for answer in validated.values() if "Return" in answer]
    lanes = [] if case == "NothingToDeliver" else [expected.parked]
    clients = [] if case == "NoClients" else [{"client": CLIENT["name"], "parkedPerLane": lanes}]
    assert execution.output == {"counts": counts, "clients": clients}


@every_case
def test_tasks_are_tried_as_often_as_it_makes_sense(case: str):
    """What may pass is tried again until it passed or patience is over; what will not is tried once."""
    execution = _ran(case)
    tries = {state: len(execution.calls(state)) for state in EXPECTED[case].tries}
    assert tries == EXPECTED[case].tries
    others = [attempt for attempt in execution.attempts if attempt.state not in tries]
    assert {(attempt.state, attempt.number) for attempt in others if attempt.number} == set()


@every_case
def test_waits_stay_within_what_the_definition_says(case: str):
    """There is one wait before each further try, and none is longer than MaxDelaySeconds."""
    execution = _ran(case)
    assert len(execution.waits) == sum(1 for attempt in execution.attempts if attempt.number)
    longest = max(retrier.get("MaxDelaySeconds", 0) for task in TASKS.values() for retrier in task.get("Retry", ()))
    assert all(0 <= wait <= longest for wait in execution.waits)


# ----------------------------------------------------------------------------------------------------------------------
# What the Tasks are handed
# ----------------------------------------------------------------------------------------------------------------------
def _lane(case: str) -> dict[str, Any]:
    (response,) = RESPONSES[CASES[case]["Validate Events"]].values()
    (lane,) = response["Return"]["Payload"]["lanes"]
    return dict(lane)


def test_validator_gets_the_whole_input():
    """The validator is handed the batch, and the clients for whom its answer has to leave room."""
    (call,) = _ran("AllDelivered").calls("Validate Events")
    assert call.parameters["Payload"] == {"batch": {"events": [{"eventId": "1"}]}, "clients": [CLIENT]}


def test_waves_are_written_and_sent_as_they_are():
    """Each wave goes, entry for entry, first to the fan-out queue and then to the client, in order."""
    waves = _lane("SeveralWaves")["waves"]
    execution = _ran("SeveralWaves")
    written, sent = execution.calls("Write Wave"), execution.calls("Send Wave")
    assert [call.parameters for call in written] == [{"QueueUrl": "FanOutQueueUrl", "Entries": wave} for wave in waves]
    assert [call.parameters for call in sent] == [{"QueueUrl": CLIENT["queueUrl"], "Entries": wave} for wave in waves]


def test_wave_sent_again_is_the_same():
    """The second call of a wave carries the same entries, so the queue can drop what it has."""
    (first,) = _ran("ClientFaultThenAccepted").calls("Send Wave")
    (second,) = _ran("ClientFaultThenAccepted").calls("Send Wave Again")
    assert second.parameters == first.parameters


@pytest.mark.parametrize(
    ("case", "state", "queue"),
    [
        ("FanOutPartlyRefusedThenWritten", "Write Refused Event", "FanOutQueueUrl"),
        ("ClientPartlyRefusedThenAccepted", "Send Refused Event", CLIENT["queueUrl"]),
    ],
)
def test_only_the_refused_entry_goes_again(case: str, state: str, queue: str):
    """Of a wave with one refused entry exactly that one is repeated, with all that made it an entry but the Id."""
    entry = {key: value for key, value in _lane(case)["waves"][0][1].items() if key != "Id"}
    assert [call.parameters for call in _ran(case).calls(state)] == [{"QueueUrl": queue, **entry}] * 2


def test_rejected_event_is_quarantined_with_its_violations():
    """The quarantined message is the event as it came, with its group, its identity and the rules it broke."""
    (call,) = _ran("RejectedQuarantined").calls("Quarantine Event")
    (response,) = RESPONSES["ValidatedTwoRejectedOne"].values()
    (rejected,) = response["Return"]["Payload"]["rejected"]
    attributes = {
        "eventId": rejected["MessageDeduplicationId"],
        "sequenceNumber": rejected["SequenceNumber"],
        "violations": rejected["Violations"],
    }
    assert call.parameters == {
        "QueueUrl": "QuarantineQueueUrl",
        "MessageBody": rejected["MessageBody"],
        "MessageGroupId": rejected["MessageGroupId"],
        "MessageDeduplicationId": rejected["MessageDeduplicationId"],
        "MessageAttributes": {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
    }


def test_rejected_events_are_quarantined_one_after_another():
    """Quarantine holds a mark's events in order only if each is accepted before the next is sent."""
    assert definition()["States"]["Quarantine Rejected Events"]["MaxConcurrency"] == 1


def test_one_consistent_read_finds_who_has_parked_events():
    """A client whose events were parked by the batch before is seen: the read is a consistent one."""
    (call,) = _ran("AllDelivered").calls("Find Parked Sequences")
    assert call.parameters == {
        "TableName": "ParkedEventsTableName",
        "KeyConditionExpression": "pk = :clients",
        "ExpressionAttributeValues": {":clients": {"S": CLIENTS}},
        "ProjectionExpression": "sk",
        "ConsistentRead": True,
    }


def test_selection_gets_the_client_and_the_lanes():
    """The selection is handed whose sequences to look for, and the lanes as the validator planned them."""
    (call,) = _ran("ClientHasParkedSequences").calls("Select Events")
    assert call.parameters["Payload"] == {"client": "original", "lanes": [_lane("ClientHasParkedSequences")]}


def test_what_the_selection_leaves_is_sent():
    """After a selection the lanes that it answered with are sent, and no others."""
    (response,) = RESPONSES["SelectedOne"].values()
    (lane,) = response["Return"]["Payload"]["lanes"]
    (call,) = _ran("ClientHasParkedSequences").calls("Send Wave")
    assert call.parameters["Entries"] == lane["waves"][0]


@pytest.mark.parametrize(
    ("case", "error"),
    [
        ("ClientQueueMissing", "Sqs.QueueDoesNotExistException"),
        ("ClientAccessRefused", "Sqs.SqsException"),
        ("ClientFaultForGood", "Sqs.SqsException"),
    ],
)
def test_whole_wave_is_parked_with_its_error(case: str, error: str):
    """Parking a wave is told whose it is, the whole lane, and why; null means that every entry was refused."""
    (call,) = _ran(case).calls("Park Wave")
    lane = _lane(case)
    assert call.parameters["Payload"] == {"client": "original", "lane": lane, "refused": None, "error": error}


@pytest.mark.parametrize(
    ("case", "error"),
    [
        ("ClientPartlyRefusedForGood", "Sqs.RequestThrottledException"),
        ("ClientPartlyRefusedThenQueueMissing", "Sqs.QueueDoesNotExistException"),
    ],
)
def test_only_refused_entries_are_parked_with_their_error(case: str, error: str):
    """Parking is told the Ids of the entries that were refused for good, and no others."""
    (call,) = _ran(case).calls("Park Refused Events")
    lane = _lane(case)
    assert call.parameters["Payload"] == {"client": "original", "lane": lane, "refused": ["1"], "error": error}


# ----------------------------------------------------------------------------------------------------------------------
# Nothing in the definition is left out
# ----------------------------------------------------------------------------------------------------------------------
def test_every_state_is_come_by():
    """There is no state that no case comes by."""
    assert {name for name, _ in states(definition())} - {name for case in CASES for name in _ran(case).visited} == set()


def test_every_choice_and_catch_is_taken():
    """Every branch of every Choice, and every Catch, is taken in some case: told from the histories."""
    branching = {
        (name, target)
        for name, state in states(definition())
        if state["Type"] == "Choice" or "Catch" in state
        for target in targets(state)
    }
    taken = {step for case in CASES for step in _ran(case).steps}
    assert branching - taken == set()


def test_every_retrier_is_used():
    """Every element of every Retry meets an error that it names; those with attempts try again, the others do not."""
    tries: dict[tuple[str, int], int] = {}
    for execution in map(_ran, CASES):
        for attempt in execution.attempts:
            if attempt.error and (position := _retrier(attempt.state, attempt.error)) is not None:
                place = attempt.state, position
                tries[place] = max(tries.get(place, 0), len(execution.calls(attempt.state)))
    assert {place: count > 1 for place, count in tries.items()} == {
        (name, position): retrier["MaxAttempts"] > 0
        for name, task in TASKS.items()
        for position, retrier in enumerate(task["Retry"])
    }


def _retrier(state: str, error: str) -> int | None:
    for position, retrier in enumerate(TASKS[state]["Retry"]):
        if error in retrier["ErrorEquals"]:
            return position
    return None


# ----------------------------------------------------------------------------------------------------------------------
# The file of cases is true to the definition, and to AWS
# ----------------------------------------------------------------------------------------------------------------------
def test_cases_name_tasks_and_responses_that_exist():
    """A case mocks Tasks of the definition, with responses that the file has, and each response is in use."""
    assert {state for states_of_case in CASES.values() for state in states_of_case} <= TASKS.keys()
    assert {response for states_of_case in CASES.values() for response in states_of_case.values()} == RESPONSES.keys()


@every_case
def test_every_response_of_a_case_is_given(case: str):
    """An execution calls each Task that its case mocks, and gets as far as the last of its responses."""
    for state, response in CASES[case].items():
        tries = len({attempt.number for attempt in _ran(case).calls(state)})
        last_starts = max(first_and_last(key)[0] for key in RESPONSES[response])
        assert tries > last_starts, (state, response)


def _answers() -> Iterator[tuple[str, dict[str, Any]]]:
    for case in CASES.values():
        for state, response in case.items():
            for answer in RESPONSES[response].values():
                yield state, answer


def test_errors_are_those_that_aws_gives():
    """Every error that a case throws is one that the Task's service, or a function of ours, can raise."""
    thrown = {(state, answer["Throw"]["Error"]) for state, answer in _answers() if "Throw" in answer}
    assert thrown
    assert {(state, error) for state, error in thrown if error not in rules.errors_of(TASKS[state])} == set()


def test_answers_have_the_fields_that_aws_gives():
    """Every answer of a service has only fields of the operation's output, and those that it always has."""
    checked = 0
    for state, answer in _answers():
        operation = rules.operation_of(TASKS[state])
        if operation and "Return" in answer:
            known = {name.lower(): name for name in operation.model.output_shape.members}
            given = {known.get(name.lower(), f"unknown: {name}") for name in answer["Return"]}
            # SendMessageBatch: AWS says that both lists are always there; Failed has been seen absent.
            always = set(operation.model.output_shape.required_members) - {"Failed"}
            assert always <= given <= set(known.values()), (state, answer)
            checked += 1
    assert checked


def test_mocked_lanes_are_such_as_the_planner_makes():
    """Every lane that a function answers with in a case is the plan of its own entries."""
    lanes = [lane for _, answer in _answers() for lane in answer.get("Return", {}).get("Payload", {}).get("lanes", ())]
    assert lanes
    for lane in lanes:
        assert plan(entries_of(lane)) == [lane | {"parked": 0}]


def test_mocked_rejected_events_are_such_as_the_validator_makes():
    """Every rejected event of a case has the fields that the validator gives one, and no others."""
    (made,) = validate([event_input(unfit="it is not fit")], [], Contract({}))["rejected"]
    rejected = [
        event for _, answer in _answers() for event in answer.get("Return", {}).get("Payload", {}).get("rejected", ())
    ]
    assert rejected
    assert {tuple(event) for event in rejected} == {tuple(made)}


def test_both_ways_of_saying_that_nothing_failed_are_answered():
    """Failed may be absent or empty: one case has it so, another the other way."""
    answers = [answer["Return"] for _, answer in _answers() if "Successful" in answer.get("Return", {})]
    assert {("Failed" in answer, bool(answer.get("Failed"))) for answer in answers} == {
        (False, False), (True, False), (True, True),
    }  # fmt: skip
