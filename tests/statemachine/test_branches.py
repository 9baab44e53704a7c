"""Proves that every branch of the definitions leads where it should.

Each case of MockConfigFile.json names what AWS answers, success or error, and is run on the interpreter
that moto and LocalStack share; the same file drives Step Functions Local, case by case. What AWS really
answers is not proven: names and shapes are held against AWS's service models, no more.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.adapters.histories import HistoriesTable
from mark_event_queue.domain.clients import Subscription
from mark_event_queue.domain.contract import load
from mark_event_queue.domain.filters import Filter
from mark_event_queue.domain.held import GATE, PARKED, QUARANTINED
from mark_event_queue.domain.history import Segment
from mark_event_queue.domain.rounds import entries_of, plan
from mark_event_queue.gate.gate import hold_at_gate
from mark_event_queue.history.bringing import Sender, bring_mark, read_segment
from mark_event_queue.history.course import begin
from mark_event_queue.history.course import conclude as conclude_history
from mark_event_queue.history.course import describe as describe_history
from mark_event_queue.history.due import Moment, check
from mark_event_queue.history.pace import Pace
from mark_event_queue.history.past import Rules
from mark_event_queue.history.ports import Stores
from mark_event_queue.history.request import HistoryRequest
from mark_event_queue.parking.parking import park
from mark_event_queue.redrive.redrive import aim, conclude, describe, discard, list_lanes, redrive_lane
from mark_event_queue.redrive.request import parse
from mark_event_queue.release.release import withheld_in
from mark_event_queue.selection.selection import select
from mark_event_queue.validator.validation import validate
from tests.builders import NOW, SCHEMAS, entries, event_input
from tests.dynamodb_in_memory import DynamoDBInMemory
from tests.fakes import HeldEventsInMemory, HistoriesFake, QueueInMemory, SubscriptionsFake
from tests.statemachine import rules
from tests.statemachine.cases import CASES, DELIVER, HISTORY, REDRIVE, RESPONSES, definition, first_and_last
from tests.statemachine.definitions import in_turn, states, targets, tasks
from tests.statemachine.expectations import CLIENT, EXPECTED, FAR
from tests.statemachine.interpreter import Clock, Execution, mocked, now, run

TASKS = {machine: tasks(definition(machine)) for machine in CASES}

every_machine = pytest.mark.parametrize("machine", CASES)
every_case = pytest.mark.parametrize(
    ("machine", "case"), [(machine, case) for machine in CASES for case in CASES[machine]]
)
every_delivery = pytest.mark.parametrize("case", CASES[DELIVER])


@cache
def _execution(machine: str, case: str) -> Execution:
    expected = EXPECTED[machine][case]
    clock = _late_at(expected.way.index(expected.late_at)) if expected.late_at else now
    return run(in_turn(definition(machine)), expected.given, mocked(machine, case), clock=clock)


def _late_at(position: int) -> Clock:
    """Return a clock by which the state at this position, and all behind it, are entered after every deadline."""
    entered = count()
    return lambda: now() if next(entered) < position else datetime.fromisoformat(FAR) + timedelta(seconds=1)


def _delivery(case: str) -> Execution:
    return _execution(DELIVER, case)


def _redrive(case: str) -> Execution:
    return _execution(REDRIVE, case)


def _history(case: str) -> Execution:
    return _execution(HISTORY, case)


def _requests(execution: Execution, state: str) -> list[Any]:
    """Return what the function is asked for by each try of a state."""
    return [call.parameters["Payload"]["request"] for call in execution.calls(state)]


def _answered(machine: str, case: str, state: str) -> list[Any]:
    """Return what the function behind a state answers in a case, in order."""
    answers = _responses(machine, case, state).values()
    return [answer["Return"]["Payload"] for answer in answers if "Return" in answer]


def _responses(machine: str, case: str, state: str) -> dict[str, Any]:
    return dict(RESPONSES[CASES[machine][case][state]])


def _payloads(case: str, *states: str) -> list[dict[str, Any]]:
    """Return what the functions behind these states of a delivery return in a case, in this order."""
    return [
        answer["Return"]["Payload"]
        for state in states
        if state in CASES[DELIVER][case]
        for answer in _responses(DELIVER, case, state).values()
        if "Return" in answer
    ]


# ----------------------------------------------------------------------------------------------------------------------
# What each case comes to
# ----------------------------------------------------------------------------------------------------------------------
def test_every_case_has_an_expectation():
    """The file of cases and the expectations name the same cases of the same machines."""
    assert {machine: set(cases) for machine, cases in CASES.items()} == {
        machine: set(cases) for machine, cases in EXPECTED.items()
    }


@every_case
def test_case_goes_its_way(machine: str, case: str):
    """The execution comes by exactly the expected states, in order."""
    assert _execution(machine, case).visited == EXPECTED[machine][case].way


@every_case
def test_case_ends_as_it_should(machine: str, case: str):
    """Only what the execution cannot do without fails it, by the error's own name; a client's failure does not."""
    execution, expected = _execution(machine, case), EXPECTED[machine][case]
    assert (execution.status, execution.error) == ("FAILED" if expected.error else "SUCCEEDED", expected.error)


@every_delivery
def test_output_holds_counts_only(case: str):
    """An execution that succeeded says how many events went where, and holds no event but what a release withheld."""
    execution, expected = _delivery(case), EXPECTED[DELIVER][case]
    if expected.error:
        assert execution.output is None
        return
    *_, judged = _payloads(case, "Validate Events", "Hold At Gate", "Hold Rest At Gate")
    clients = [] if case == "NoClients" else [{"client": CLIENT["name"], "parked": expected.parked}]
    withheld = {"withheld": judged["withheld"]} if expected.given["released"] else {}
    assert execution.output == {"counts": judged["counts"], "clients": clients} | withheld


@every_case
def test_tasks_are_tried_as_often_as_it_makes_sense(machine: str, case: str):
    """What may pass is tried again until it passed or patience is over; what will not is tried once."""
    execution, expected = _execution(machine, case), EXPECTED[machine][case]
    tries = {state: len(execution.calls(state)) for state in expected.tries}
    assert tries == expected.tries
    others = [attempt for attempt in execution.attempts if attempt.state not in tries]
    assert {(attempt.state, attempt.number) for attempt in others if attempt.number} == set()


@every_case
def test_waits_stay_within_what_the_definition_says(machine: str, case: str):
    """There is one wait before each further try, and none is longer than MaxDelaySeconds."""
    execution = _execution(machine, case)
    assert len(execution.waits) == sum(1 for attempt in execution.attempts if attempt.number)
    retriers = [retrier for task in TASKS[machine].values() for retrier in task.get("Retry", ())]
    assert all(0 <= wait <= max(retrier.get("MaxDelaySeconds", 0) for retrier in retriers) for wait in execution.waits)


# ----------------------------------------------------------------------------------------------------------------------
# What the Tasks are handed
# ----------------------------------------------------------------------------------------------------------------------
def _plan(case: str, state: str = "Validate Events") -> dict[str, Any]:
    """Return the plan that a function of a case answers with, the validator unless another is named."""
    (answer,) = _answered(DELIVER, case, state)
    return dict(answer["plan"])


def _waves(case: str, *states: str) -> list[Any]:
    """Return the waves of the calls of these states, in order."""
    return [call.parameters["Entries"] for state in states for call in _delivery(case).calls(state)]


def test_validator_gets_the_whole_input():
    """The validator is handed the batch, and the clients for whom its answer has to leave room."""
    (call,) = _delivery("AllDelivered").calls("Validate Events")
    assert call.parameters["Payload"] == EXPECTED[DELIVER]["AllDelivered"].given


@pytest.mark.parametrize("case", ["SeveralRounds", "SeveralWaves"])
def test_waves_are_written_and_sent_as_they_are(case: str):
    """Each wave goes, entry for entry, first to the fan-out queue and then to the client, round by round."""
    waves = _plan(case)["waves"]
    written, sent = _delivery(case).calls("Write Wave"), _delivery(case).calls("Send Wave")
    assert [call.parameters for call in written] == [{"QueueUrl": "FanOutQueueUrl", "Entries": wave} for wave in waves]
    assert [call.parameters for call in sent] == [{"QueueUrl": CLIENT["queueUrl"], "Entries": wave} for wave in waves]


def test_wave_sent_again_is_the_same():
    """The second call of a wave carries the same entries, so the queue can drop what it has."""
    (first,) = _delivery("ClientFaultThenAccepted").calls("Send Wave")
    (second,) = _delivery("ClientFaultThenAccepted").calls("Send Wave Again")
    assert second.parameters == first.parameters


@pytest.mark.parametrize(
    ("case", "places"),
    [
        ("FanOutPartlyRefusedThenWritten", [1, 1]),
        ("FanOutPartlyRefusedBeforeMoreRounds", [1, 1]),
        ("FanOutPartlyRefusedInLastRound", [3, 3]),
        ("FanOutPartlyRefusedInTwoWaves", [1, 11]),
        ("ClientPartlyRefusedThenAccepted", [1, 1]),
        ("ClientPartlyRefusedBeforeMoreRounds", [1, 1]),
        ("ClientLosesOneWaveAcceptsRefused", [11]),
        ("ClientRefusesInLaterRound", [2, 2, 2, 2]),
    ],
)
def test_only_the_refused_entries_go_again(case: str, places: list[int]):
    """Of a round exactly the refused entries are repeated, of whichever wave, with all that made them but the Id."""
    state, queue = ("Send Refused Event", CLIENT["queueUrl"])
    if case.startswith("FanOut"):
        state, queue = ("Write Refused Event", "FanOutQueueUrl")
    all_entries = entries_of(_plan(case))
    refused = [{key: value for key, value in all_entries[place].items() if key != "Id"} for place in places]
    assert [call.parameters for call in _delivery(case).calls(state)] == [
        {"QueueUrl": queue, **entry} for entry in refused
    ]


@pytest.mark.parametrize("case", ["RejectedHeldAtGate", "FollowersHeldAtGate", "RestHeldAtGate"])
def test_the_gate_gets_what_the_validator_made_of_the_batch(case: str):
    """The gate is handed plan, withheld events and counts as they are; of whom anything is held it asks itself."""
    (validated,) = _payloads(case, "Validate Events")
    (call,) = _delivery(case).calls("Hold At Gate")
    assert {name: call.parameters["Payload"][name] for name in validated} == validated


@pytest.mark.parametrize("case", ["RejectedHeldAtGate", "FollowersHeldAtGate", "RestHeldAtGate"])
def test_what_the_gate_leaves_is_written_and_sent(case: str):
    """After the gate the plan that it answered with goes on, to the fan-out queue and to the client, and no other."""
    assert _waves(case, "Write Wave", "Send Wave") == _plan(case, "Hold At Gate")["waves"] * 2


def test_what_had_to_wait_for_the_batch_is_held_behind_it():
    """The gate's second call is handed what its first one withheld, the counts, and the plan of no events at all."""
    (held,) = _payloads("RestHeldAtGate", "Hold At Gate")
    (call,) = _delivery("RestHeldAtGate").calls("Hold Rest At Gate")
    assert call.parameters["Payload"] == {"plan": plan([]), "withheld": held["withheld"], "counts": held["counts"]}


def test_a_release_is_told_what_still_breaks_the_contract():
    """A released batch is not held anew; what it withheld is in its output, where the release looks for it."""
    execution = _delivery("Released")
    (validated,) = _payloads("Released", "Validate Events")
    assert not execution.calls("Hold At Gate")
    assert withheld_in(json.dumps(execution.output)) == validated["withheld"] != []


def test_an_ordinary_batch_makes_no_call_more():
    """Nothing held anywhere: one call for each of validating, writing and sending, and no other."""
    assert [attempt.state for attempt in _delivery("AllDelivered").attempts] == [
        "Validate Events", "Write Wave", "Send Wave",
    ]  # fmt: skip


@pytest.mark.parametrize("case", ["ClientHasHeldSequences", "ClientHasFilter", "ClientIsPaused"])
def test_selection_gets_the_client_and_the_plan(case: str):
    """The selection is handed whose sequences to look for, and the plan as the validator made it."""
    (call,) = _delivery(case).calls("Select Events")
    assert call.parameters["Payload"] == {"client": "original", "plan": _plan(case)}


@pytest.mark.parametrize("case", ["ClientHasHeldSequences", "ClientHasFilter", "ClientIsPaused"])
def test_what_the_selection_leaves_is_sent(case: str):
    """After a selection the plan that it answered with is sent, and no other: nothing, if it has no waves."""
    assert _waves(case, "Send Wave") == _plan(case, "Select Events")["waves"]


def test_a_client_of_whom_the_gate_finds_something_held_gets_a_selection():
    """What a release parked since the batch began is seen: the gate's answer counts, and no longer the input."""
    case = "ClientHeldSinceTheBatchBegan"
    assert EXPECTED[DELIVER][case].given["batch"]["held"]["recipients"] == []
    (call,) = _delivery(case).calls("Select Events")
    assert call.parameters["Payload"] == {"client": "original", "plan": _plan(case, "Hold At Gate")}


_NONE_ALONE: dict[str, Any] = {"refused": [], "errors": []}


def _parked(case: str) -> dict[str, Any]:
    """Return what the one call of parking in a case is handed."""
    (call,) = _delivery(case).calls("Park Events")
    return dict(call.parameters["Payload"])


@pytest.mark.parametrize(
    ("case", "error"),
    [
        ("ClientQueueMissing", "Sqs.QueueDoesNotExistException"),
        ("ClientAccessRefused", "Sqs.SqsException"),
        ("ClientFaultForGood", "Sqs.SqsException"),
        ("ClientFaultThenQueueMissing", "Sqs.QueueDoesNotExistException"),
    ],
)
def test_whole_wave_is_parked_with_its_error(case: str, error: str):
    """Parking is told whose it is, the whole plan, the Ids of the wave whose call failed, and why it did."""
    sent = {"refused": [], "lost": [["0-0", "0-1"]], "errors": [error], "resent": _NONE_ALONE}
    assert _parked(case) == {"client": "original", "plan": _plan(case), "sent": sent}


@pytest.mark.parametrize(
    ("case", "planner"), [("ClientTurnComesLate", "Validate Events"), ("SelectionComesLate", "Select Events")]
)
def test_what_there_is_no_time_for_is_parked_unsent(case: str, planner: str):
    """Behind the deadline no round is sent, and null says that all of it is to be parked."""
    sent = {"refused": [], "lost": None, "errors": ["DeliveryDeadlinePassed"], "resent": _NONE_ALONE}
    assert _parked(case) == {"client": "original", "plan": _plan(case, planner), "sent": sent}
    assert _waves(case, "Send Wave") == []


@pytest.mark.parametrize(
    ("case", "refused", "error"),
    [
        ("ClientPartlyRefusedForGood", "0-1", "Sqs.RequestThrottledException"),
        ("ClientPartlyRefusedThenQueueMissing", "0-1", "Sqs.QueueDoesNotExistException"),
        ("ClientRefusesInLaterRound", "1-0", "Sqs.RequestThrottledException"),
    ],
)
def test_only_refused_entries_are_parked_with_their_error(case: str, refused: str, error: str):
    """Parking is told the Ids of the entries that were refused for good, and no others."""
    sent = _parked(case)["sent"]
    assert sent == {
        "refused": [refused], "lost": [], "errors": [], "resent": {"refused": [refused], "errors": [error]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("case", "resent"),
    [
        ("ClientLosesOneWave", _NONE_ALONE),
        ("ClientLosesOneWaveAcceptsRefused", _NONE_ALONE),
        ("ClientLosesOneWaveAndOneEvent", {"refused": ["1-1"], "errors": ["Sqs.RequestThrottledException"]}),
    ],
)
def test_a_lost_wave_and_what_is_refused_beside_it_are_parked_together(case: str, resent: dict[str, Any]):
    """One call of parking has all that a round could not bring, each with its error, and nothing that was accepted."""
    parked = _parked(case)
    assert parked["plan"] == _plan(case)
    assert (parked["sent"]["lost"], parked["sent"]["errors"]) == (
        [[f"0-{place}" for place in range(10)]],
        ["Sqs.SqsException"],
    )
    assert parked["sent"]["resent"] == resent


def test_parking_is_told_which_round_failed():
    """The plan comes as far as it is: its cursor, and `now`, name the round that was under way."""
    validated = _plan("ClientRefusesInLaterRound")
    assert _parked("ClientRefusesInLaterRound")["plan"] == validated | {"cursor": 1, "now": validated["rounds"][1]}


@pytest.mark.parametrize(
    "case", ["ClientLosesOneWave", "ClientLosesOneWaveAcceptsRefused", "ClientLosesOneWaveAndOneEvent"]
)
def test_what_parking_leaves_is_sent(case: str):
    """After parking the plan that it answered with is sent from its first round on."""
    (left,) = _answered(DELIVER, case, "Park Events")
    assert _waves(case, "Send Wave") == [*_plan(case)["waves"][:2], *left["waves"]]


@pytest.mark.parametrize(
    "case", [case for case, mocks in CASES[REDRIVE].items() if mocks.keys() & {"Conclude Redrive", "Describe Effect"}]
)
def test_a_redrive_answers_what_its_last_step_says(case: str):
    """The output is the conclusion, or what a dry run would do, as the function words it."""
    execution = _redrive(case)
    *_, last = _responses(REDRIVE, case, execution.attempts[-1].state).values()
    assert execution.output == last["Return"]["Payload"]


@pytest.mark.parametrize(
    ("case", "steps"),
    [
        ("AllRedriven", ["check", "list", "redrive", "list", "conclude"]),
        ("TwoTurns", ["check", "list", "redrive", "list", "redrive", "list", "conclude"]),
        ("DryRun", ["check", "describe"]),
        ("Discard", ["check", "discard", "list", "redrive", "list", "conclude"]),
        ("Release", ["check", "list", "list", "conclude"]),
        ("TakenOver", ["list", "redrive", "list", "conclude"]),
    ],
)
def test_a_redrive_names_the_steps_that_the_function_knows(case: str, steps: list[str]):
    """Each Task says which step it wants done, in this order; tries of the same step count once."""
    payloads = [attempt.parameters["Payload"] for attempt in _redrive(case).attempts if not attempt.number]
    assert [payload["step"] for payload in payloads if "step" in payload] == steps


def test_a_redrive_is_checked_as_it_was_asked():
    """The function gets the input of the execution, whatever it is."""
    (call,) = _redrive("BadRequest").calls("Check Request")
    assert call.parameters["Payload"] == {"step": "check", "request": EXPECTED[REDRIVE]["BadRequest"].given}


@pytest.mark.parametrize(("case", "state"), [("DryRun", "Describe Effect"), ("Discard", "Discard Events")])
def test_what_was_checked_is_what_is_done(case: str, state: str):
    """Dry run and discard are handed the request as the check left it, with the event that it aims at."""
    (checked,) = _responses(REDRIVE, case, "Check Request").values()
    assert {json.dumps(call.parameters["Payload"]["request"]) for call in _redrive(case).calls(state)} == {
        json.dumps(checked["Return"]["Payload"])
    }


@pytest.mark.parametrize("state", ["Describe Effect", "Discard Events"])
def test_every_try_of_a_step_is_the_same(state: str):
    """What Step Functions tries again it hands over as it was."""
    calls = [call.parameters for case in ("DryRun", "Discard") for call in _redrive(case).calls(state)]
    assert calls == [calls[0]] * 2


def test_a_discard_goes_on_where_its_last_invocation_stopped():
    """The request comes back with what it gave up so far, and is handed on as it is, to the conclusion too."""
    first, second = [
        call.parameters["Payload"]["request"] for call in _redrive("DiscardInTwoSteps").calls("Discard Events")
    ]
    answered = [answer["Return"]["Payload"] for answer in RESPONSES["DiscardedInTwoSteps"].values()]
    assert (first["discarded"], second) == (0, answered[0])
    (concluded,) = _redrive("DiscardInTwoSteps").calls("Conclude Redrive")
    assert concluded.parameters["Payload"]["request"]["request"] == answered[1]


def test_turns_follow_one_another_with_what_was_left_and_the_totals():
    """Each listing is handed the page before it, its totals, and what its lanes came to and left."""
    calls = [call.parameters["Payload"]["request"] for call in _redrive("TwoTurns").calls("List Sequences")]
    listed = [answer["Return"]["Payload"] for answer in RESPONSES["ListedTwoTurns"].values()]
    lanes = [[answer["Return"]["Payload"]] for answer in RESPONSES["RedrivenInTwoTurns"].values()]
    of = {"recipient": "original", "groupId": ""}
    start = {
        "page": {"after": "", "listed": False, "turn": 0},
        "totals": {"sequences": 0, "delivered": 0, "stoppedSequences": 0, "errors": []},
    }
    assert calls == [
        of | start | {"lanes": []},
        of | listed[0] | {"lanes": lanes[0]},
        of | listed[1] | {"lanes": lanes[1]},
    ]
    (concluded,) = _redrive("TwoTurns").calls("Conclude Redrive")
    (checked,) = _responses(REDRIVE, "TwoTurns", "Check Request").values()
    assert concluded.parameters["Payload"]["request"] == {
        "request": checked["Return"]["Payload"],
        "totals": listed[2]["totals"],
    }


def test_a_lane_is_handed_its_sequences_and_their_queue():
    """A client's lane goes to its queue."""
    (call,) = _redrive("AllRedriven").calls("Redrive Lane")
    assert call.parameters["Payload"]["request"] == {
        "recipient": "original",
        "atGate": False,
        "queueUrl": CLIENT["queueUrl"],
        "groupIds": ["AFC%20F7", "BIG%201"],
    }


def test_a_lane_of_the_gate_is_released():
    """The release function is handed the sequences, and no queue: what it releases is for everybody."""
    execution = _redrive("Release")
    (call,) = execution.calls("Release Lane")
    assert call.parameters == {
        "FunctionName": "ReleaseFunctionArn",
        "Payload": {"groupIds": ["AFC%20F7", "BIG%201"]},
    }
    assert not execution.calls("Redrive Lane")


@pytest.mark.parametrize(
    ("case", "lane"),
    [
        (
            "SequenceStopped",
            {"groupIds": [], "delivered": 2, "stopped": [{"groupId": "BIG%201", "error": "AccessDenied"}]},
        ),
        ("Release", {"groupIds": [], "delivered": 2, "stopped": [{"groupId": "BIG%201", "error": "ContractBroken"}]}),
        ("LaneDown", {"groupIds": [], "delivered": 0, "stopped": [], "error": "HeldEventsUnavailableError"}),
        ("ReleaseDown", {"groupIds": [], "delivered": 0, "stopped": [], "error": "HeldEventsUnavailableError"}),
        ("BatchNotReleased", {"groupIds": [], "delivered": 0, "stopped": [], "error": "BatchNotDeliveredError"}),
    ],
)
def test_what_became_of_the_lanes_is_added_up(case: str, lane: dict[str, Any]):
    """A sequence that stopped, and a lane that could not go on, are told with their errors; the redrive goes on."""
    *_, call = _redrive(case).calls("List Sequences")
    assert call.parameters["Payload"]["request"]["lanes"] == [lane]


def test_an_execution_that_has_had_its_turns_starts_the_next_one_with_the_rest():
    """The new execution of the same machine gets the request, and everything as it was before the pause was found."""
    call, again = _redrive("ContinuedAnew").calls("Continue Anew")
    (checked,) = _responses(REDRIVE, "ContinuedAnew", "Check Request").values()
    (lane,) = _responses(REDRIVE, "ContinuedAnew", "Redrive Lane").values()
    listed = _responses(REDRIVE, "ContinuedAnew", "List Sequences")["0"]["Return"]["Payload"]
    assert again.parameters == call.parameters
    assert call.parameters["StateMachineArn"] == "arn:aws:states:eu-west-2:123456789012:stateMachine:machine"
    assert call.parameters["Input"].keys() == {"continued", "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"}
    assert call.parameters["Input"]["continued"] == {
        "request": checked["Return"]["Payload"],
        "lanes": [lane["Return"]["Payload"]],
        **listed,
    }
    started = RESPONSES["ContinuedAfterThrottling"]["1"]["Return"]["ExecutionArn"]
    assert _redrive("ContinuedAnew").output == {"continuedBy": started}


def test_an_execution_takes_over_where_the_one_before_it_paused():
    """It lists what was left, behind what was listed, with the totals so far, and counts its turns from nought."""
    given = EXPECTED[REDRIVE]["TakenOver"].given["continued"]
    first = _redrive("TakenOver").calls("List Sequences")[0].parameters["Payload"]["request"]
    assert first == {
        "recipient": "original",
        "groupId": "",
        "page": {"after": given["page"]["after"], "listed": given["page"]["listed"], "turn": 0},
        "totals": given["totals"],
        "lanes": given["lanes"],
    }
    (concluded,) = _redrive("TakenOver").calls("Conclude Redrive")
    assert concluded.parameters["Payload"]["request"]["request"] == given["request"]


def test_what_is_handed_on_is_what_is_taken_over():
    """The input that one execution writes is the one that the next one reads, field for field."""
    written = _redrive("ContinuedAnew").calls("Continue Anew")[0].parameters["Input"]
    assert _shape(written) == _shape(EXPECTED[REDRIVE]["TakenOver"].given)


# ----------------------------------------------------------------------------------------------------------------------
# What the steps of a history are handed
# ----------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("case", "steps"),
    [
        ("BroughtInTwoSteps", ["check", "begin", "read", "read", "conclude"]),
        ("RefusedThenBrought", ["check", "begin", "read", "conclude", "read", "conclude"]),
        ("GoesOn", ["check", "begin", "read", "conclude"]),
        ("DryRun", ["check", "describe"]),
        ("Stop", ["check"]),
        ("Resumed", ["check"]),
        ("OneMarkInSteps", ["check", "close", "bring", "bring", "bring"]),
    ],
)
def test_a_history_names_the_steps_that_the_function_knows(case: str, steps: list[str]):
    """Each Task of the function says which step it wants done, in this order; tries of the same step count once."""
    attempts = [attempt for attempt in _history(case).attempts if not attempt.number]
    payloads = [attempt.parameters.get("Payload", {}) for attempt in attempts]
    assert [payload["step"] for payload in payloads if payload] == steps


@pytest.mark.parametrize("case", ["BadRequest", "NothingDue", "Stop"])
def test_a_history_is_checked_as_it_was_asked(case: str):
    """The function gets the input of the execution, whatever it is: a request, or the detail of a change."""
    assert _requests(_history(case), "Check Request") == [EXPECTED[HISTORY][case].given]


@pytest.mark.parametrize(
    ("case", "state"),
    [
        ("Brought", "Begin History"),
        ("GoesOn", "Begin History"),
        ("DryRun", "Describe History"),
        ("OneMark", "Close Mark"),
        ("OneMark", "Bring Mark"),
    ],
)
def test_what_is_due_is_what_is_done(case: str, state: str):
    """The step is handed what the check found, at every try."""
    requests = _requests(_history(case), state)
    assert requests == _answered(HISTORY, case, "Check Request") * len(requests)
    assert requests


def test_a_segment_is_handed_its_number_and_how_many_there_are():
    """It is the same at every try and in every further invocation: how far it is, the table knows."""
    (begun,) = _answered(HISTORY, "Brought", "Begin History")
    part = {name: begun[name] for name in ("client", "queueUrl", "run", "eventsPerSecond")}
    for case in ("Brought", "BroughtInTwoSteps", "RefusedThenBrought"):
        first, again = _requests(_history(case), "Read Segment")
        assert first == part | {"segments": 1, "segment": 0}
        assert {name: again[name] for name in first} == first


@pytest.mark.parametrize(
    ("case", "segments"),
    [
        ("Brought", [{"done": True, "stopped": "", "ended": True}]),
        ("RefusedForGood", [{"done": False, "stopped": "AccessDenied", "ended": True}]),
        ("StoppedMeanwhile", [{"done": False, "stopped": "HistoryStopped", "ended": True}]),
        ("SegmentDown", [{"done": False, "stopped": "HeldEventsUnavailableError"}]),
    ],
)
def test_what_became_of_the_segments_is_concluded(case: str, segments: list[dict[str, Any]]):
    """A segment that could not go on is told with its error, beside the others; the history does not fail."""
    (begun,) = _answered(HISTORY, case, "Begin History")
    assert _requests(_history(case), "Conclude History")[0] == {"request": begun, "segments": segments}


def test_a_history_has_the_less_patience_the_more_often_it_comes_back():
    """The next conclusion is handed the request as the one before left it."""
    _, second = _requests(_history("RefusedThenBrought"), "Conclude History")
    first = _answered(HISTORY, "RefusedThenBrought", "Conclude History")[0]
    assert second["request"] == first["request"]


def test_a_mark_goes_on_where_its_last_invocation_stopped():
    """The request comes back with what was sent of the mark, and is handed on as it is."""
    asked, *left = _requests(_history("OneMarkInSteps"), "Bring Mark")
    answers = _answered(HISTORY, "OneMarkInSteps", "Bring Mark")
    assert (asked["inHand"], left) == (0, answers[:-1])


@pytest.mark.parametrize("case", ["BroughtInTwoSteps", "Resumed", "OneMark"])
def test_what_was_held_for_the_client_is_redriven(case: str):
    """All of it, of this client alone, however often."""
    calls = _history(case).calls("Redrive Held")
    assert calls
    for call in calls:
        assert call.parameters["StateMachineArn"] == "RedriveStateMachineArn"
        started_by = call.parameters["Input"]["AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"]
        assert call.parameters["Input"] == {"client": "original"} | {
            "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": started_by
        }
        assert started_by.startswith("arn:aws:states:")


# ----------------------------------------------------------------------------------------------------------------------
# Nothing in the definition is left out
# ----------------------------------------------------------------------------------------------------------------------
@every_machine
def test_every_state_is_come_by(machine: str):
    """There is no state that no case comes by."""
    visited = {name for case in CASES[machine] for name in _execution(machine, case).visited}
    assert {name for name, _ in states(definition(machine))} - visited == set()


@every_machine
def test_every_choice_and_catch_is_taken(machine: str):
    """Every branch of every Choice, and every Catch, is taken in some case: told from the histories."""
    branching = {
        (name, target)
        for name, state in states(definition(machine))
        if state["Type"] == "Choice" or "Catch" in state
        for target in targets(state)
    }
    taken = {step for case in CASES[machine] for step in _execution(machine, case).steps}
    assert branching - taken == set()


@every_machine
def test_every_retrier_is_used(machine: str):
    """Every element of every Retry meets an error that it names; those with attempts try again, the others do not."""
    tries: dict[tuple[str, int], int] = {}
    for execution in [_execution(machine, case) for case in CASES[machine]]:
        for attempt in execution.attempts:
            retriers = TASKS[machine][attempt.state]["Retry"]
            for position, retrier in enumerate(retriers):
                if attempt.error in retrier["ErrorEquals"]:
                    place = attempt.state, position
                    tries[place] = max(tries.get(place, 0), len(execution.calls(attempt.state)))
    assert {place: count > 1 for place, count in tries.items()} == {
        (name, position): retrier["MaxAttempts"] > 0
        for name, task in TASKS[machine].items()
        for position, retrier in enumerate(task["Retry"])
    }


# ----------------------------------------------------------------------------------------------------------------------
# The file of cases is true to the definitions, and to AWS
# ----------------------------------------------------------------------------------------------------------------------
@every_machine
def test_cases_name_tasks_that_exist(machine: str):
    """A case mocks Tasks of its machine's definition."""
    assert {state for states_of_case in CASES[machine].values() for state in states_of_case} <= TASKS[machine].keys()


def test_cases_use_the_responses_that_there_are():
    """A case's responses are in the file, and each response of the file is in use."""
    used = {response for cases in CASES.values() for mocks in cases.values() for response in mocks.values()}
    assert used == RESPONSES.keys()


@every_case
def test_every_response_of_a_case_is_given(machine: str, case: str):
    """An execution calls each Task that its case mocks, and gets as far as the last of its responses."""
    for state in CASES[machine][case]:
        last_starts = max(first_and_last(key)[0] for key in _responses(machine, case, state))
        assert len(_execution(machine, case).calls(state)) > last_starts, state


class Answer(NamedTuple):
    """What a case answers for a Task."""

    task: dict[str, Any]
    body: dict[str, Any]

    @property
    def payload(self) -> dict[str, Any]:
        """What a function returned."""
        return dict(self.body.get("Return", {}).get("Payload", {}))


def _answers(*machines: str) -> Iterator[Answer]:
    for machine in machines:
        for mocks in CASES[machine].values():
            for state, response in mocks.items():
                for answer in RESPONSES[response].values():
                    yield Answer(TASKS[machine][state], answer)


def test_errors_are_those_that_aws_gives():
    """Every error that a case throws is one that the Task's service, or a function of ours, can raise."""
    thrown = [answer for answer in _answers(*CASES) if "Throw" in answer.body]
    assert thrown
    for answer in thrown:
        assert answer.body["Throw"]["Error"] in rules.errors_of(answer.task)


def test_answers_have_the_fields_that_aws_gives():
    """Every answer of a service has only fields of the operation's output, and those that it always has."""
    checked = 0
    for answer in _answers(*CASES):
        operation = rules.operation_of(answer.task)
        if operation and "Return" in answer.body:
            known = {name.lower(): name for name in operation.model.output_shape.members}
            given = {known.get(name.lower(), f"unknown: {name}") for name in answer.body["Return"]}
            # SendMessageBatch: AWS says that both lists are always there; Failed has been seen absent.
            always = set(operation.model.output_shape.required_members) - {"Failed"}
            assert always <= given <= set(known.values()), answer
            checked += 1
    assert checked


def test_mocked_plans_are_such_as_the_planner_makes():
    """Every plan that a function answers with in a case is the plan of its own entries."""
    payloads = [answer.payload for answer in _answers(DELIVER)]
    plans = [payload.get("plan", payload) for payload in payloads if {"plan", "waves"} & {*payload}]
    assert plans
    for one in plans:
        assert plan(entries_of(one)) == one | {"parked": 0}


@every_delivery
def test_mocked_answers_of_the_validator_are_such_as_the_validator_makes(case: str):
    """It answers with all that the validator does, and hands on of whom anything is held as the case's input has it."""
    given = EXPECTED[DELIVER][case].given
    made = validate(given["batch"] | {"events": []}, given["clients"], load(SCHEMAS.parent), hold_marks=True)
    for answer in _payloads(case, "Validate Events"):
        assert answer.keys() == made.keys()
        assert answer["counts"].keys() == made["counts"].keys()
        assert answer["held"] == made["held"]


def test_mocked_withheld_events_are_such_as_the_validator_makes():
    """Every withheld event of a case has the fields that the validator gives one that it rejects, and no others."""
    batch = {"events": [event_input(body="{}")], "held": {"recipients": [], "atGate": False}}
    (made,) = validate(batch, [], load(SCHEMAS.parent), hold_marks=True)["withheld"]
    withheld = [event for answer in _answers(DELIVER) for event in answer.payload.get("withheld", ())]
    assert withheld
    assert {tuple(event) for event in withheld} == {tuple(made)}


@pytest.mark.parametrize("case", [case for case, mocks in CASES[DELIVER].items() if "Hold At Gate" in mocks])
def test_mocked_answers_of_the_gate_are_such_as_the_gate_makes(case: str):
    """Of the validator's answer in a case the gate itself makes the mocked one, given what the case says is held."""
    store = HeldEventsInMemory()
    (validated,) = _payloads(case, "Validate Events")
    if case == "FollowersHeldAtGate":
        store.hold(GATE, [[validated["plan"]["waves"][0][0]]], QUARANTINED, "ContractBroken")
    if case == "ClientHeldSinceTheBatchBegan":
        store.hold("original", [[validated["plan"]["waves"][0][0]]], PARKED, "Sqs.SqsException")
    for state, going in (("Hold At Gate", validated["plan"]), ("Hold Rest At Gate", plan([]))):
        for answer in _payloads(case, state):
            validated = hold_at_gate(validated | {"plan": going}, store, hold_marks=True)
            assert answer == validated


_PLAIN = Subscription("original", CLIENT["queueUrl"], NOW)
_SAID = {
    "ClientHasFilter": replace(_PLAIN, filter=Filter({"properties": {"mark": {"const": "BIG 1"}}})),
    "ClientIsPaused": replace(_PLAIN, paused=True),
}


@pytest.mark.parametrize(
    "case", [case for case, mocks in CASES[DELIVER].items() if "Select Events" in mocks and case != "SelectionDown"]
)
def test_mocked_answers_of_the_selection_are_such_as_the_selection_makes(case: str):
    """Of what a case hands it the selection makes the mocked answer: by filter, pause, or what is held before."""
    store, said = HeldEventsInMemory(), SubscriptionsFake({"original": _SAID.get(case, _PLAIN)})
    (call,) = _delivery(case).calls("Select Events")
    if case not in _SAID:
        store.hold("original", [[call.parameters["Payload"]["plan"]["waves"][0][0]]], PARKED, "Sqs.SqsException")
    assert select(call.parameters["Payload"], said, store, HistoriesFake(), NOW).plan == _plan(case, "Select Events")


@pytest.mark.parametrize(
    "case", [case for case, mocks in CASES[DELIVER].items() if mocks.get("Park Events", "").startswith("Parked")]
)
def test_mocked_answers_of_parking_are_such_as_parking_makes(case: str):
    """Of what a case hands it parking itself makes the mocked answer, and holds as many events as that says."""
    store = HeldEventsInMemory()
    payload = _parked(case)
    left = park(payload, store)
    assert [left] == _answered(DELIVER, case, "Park Events")
    held = sum(len(sequence) for sequence in store.stored("original").values())
    assert held == left["parked"] - payload["plan"]["parked"]


def _shape(value: Any) -> Any:
    """Return the fields of a value with their types; of an array, which may be empty, no more than that it is one."""
    if isinstance(value, dict):
        return {name: _shape(part) for name, part in value.items()}
    return type(value).__name__


def test_mocked_answers_of_a_redrive_are_such_as_the_function_makes():
    """Each step's answers in the cases have the fields, and the types, that the step makes of a held sequence."""
    store = HeldEventsInMemory()
    store.hold("original", [entries(["AFC F7"])], PARKED, "Sqs.SqsException")
    asked = parse(EXPECTED[REDRIVE]["Discard"].given).as_state()
    checked = aim(asked | {"queueUrl": CLIENT["queueUrl"]}, store)
    totals = {"sequences": 0, "delivered": 0, "stoppedSequences": 0, "errors": []}
    start = {"page": {"after": "", "listed": False, "turn": 0}, "totals": totals, "lanes": []}
    listed = list_lanes(checked | start, store)
    lane = redrive_lane(checked | {"groupIds": ["AFC%20F7"]}, store, QueueInMemory(), lambda: False)
    made = {
        "Check Request": checked,
        "Describe Effect": describe(checked, store),
        "List Sequences": listed,
        "Redrive Lane": lane,
        "Release Lane": lane,
        "Discard Events": discard(checked, store, lambda: True),
        "Conclude Redrive": conclude({"request": checked, "totals": listed["totals"]}, store),
    }
    shapes = {state: _shape(answer) for state, answer in made.items()}
    for mocks in CASES[REDRIVE].values():
        for state in mocks.keys() & made.keys():
            for answer in [answer["Return"] for answer in RESPONSES[mocks[state]].values() if "Return" in answer]:
                assert _shape(answer["Payload"]) == shapes[state], (state, mocks[state])


def test_mocked_answers_of_a_history_are_such_as_the_function_makes():
    """Each step's answers in the cases have the fields, and the types, that the step makes for a client."""
    url, now = CLIENT["queueUrl"], datetime(2026, 3, 1, 12, tzinfo=UTC)
    dynamodb = DynamoDBInMemory()
    table = SimpleNamespace(size=lambda: (1, 1), mark=lambda _: [], marks=lambda *_: iter(()))
    stores = Stores(table, HistoriesTable("held", dynamodb), HeldEventsTable("held", dynamodb), QueueInMemory())
    said, moment = Subscription("original", url, now, since="beginning"), Moment(now, "run", 60)
    checked = check(HistoryRequest("original"), said, stores, moment)
    mark = check(HistoryRequest("original", mark="A"), replace(said, since=""), stores, moment)
    rules_ = Rules(load(SCHEMAS.parent), said, "run", (), True, now)
    sender = Sender(Pace(500), lambda: True)
    begun = begin(checked, stores)
    stores.held.close("original", "A")
    read = read_segment(begun | {"segment": 0, "segments": 1}, rules_, stores, sender)
    made = {
        "Describe History": describe_history(checked, stores),
        "Begin History": begun,
        "Read Segment": read,
        "Conclude History": conclude_history({"request": begun, "segments": [read]}, stores),
        "Close Mark": mark,
        "Bring Mark": bring_mark(mark, rules_, stores, sender),
    }
    shapes = {state: _shape(answer) for state, answer in made.items()}
    stop = check(HistoryRequest("original", stop=True), said, stores, moment)
    checks = {_shape_text(one) for one in (checked, mark, stop)}
    for mocks in CASES[HISTORY].values():
        for state in mocks.keys() & {*made, "Check Request"}:
            for answer in [answer["Return"] for answer in RESPONSES[mocks[state]].values() if "Return" in answer]:
                if state == "Check Request":
                    assert _shape_text(answer["Payload"]) in checks, mocks[state]
                else:
                    assert _shape(answer["Payload"]) == shapes[state], (state, mocks[state])


def _read_results(case: str) -> Iterator[dict[str, Any]]:
    """Yield what each visit of a case's one segment comes to, with how many events were sent."""
    for answer in _responses(HISTORY, case, "Read Segment").values():
        if "Return" not in answer:
            if not answer["Throw"]["Error"].startswith("Lambda."):
                yield {"done": False, "stopped": answer["Throw"]["Error"], "sent": 0}
        elif answer["Return"]["Payload"]["ended"]:
            yield answer["Return"]["Payload"]


@pytest.mark.parametrize("case", [case for case, mocks in CASES[HISTORY].items() if "Conclude History" in mocks])
def test_mocked_conclusions_of_a_history_are_such_as_the_function_makes(case: str):
    """Of what the segment of a case came to, the function itself makes the mocked answer, value by value."""
    (begun,) = _answered(HISTORY, case, "Begin History")
    concluded = _answered(HISTORY, case, "Conclude History")
    dynamodb, run_ = DynamoDBInMemory(), begun["run"]
    histories = HistoriesTable("held", dynamodb)
    stores = Stores(SimpleNamespace(), histories, HeldEventsTable("held", dynamodb), QueueInMemory())
    histories.begin("original", begun["history"], run_, 1)
    results = list(_read_results(case))
    assert len(results) == len(concluded)
    for result, answer in zip(results, concluded, strict=True):
        counts = tuple(answer["counts"].values())
        _, holder = histories.claim("original", run_, 0)
        histories.save("original", run_, 0, Segment(done=result["done"], counts=counts), holder)
        # Of what is refused, or fails, for good, the case has the last of many tries alone.
        patience = answer["request"]["patience"] + 1
        made = conclude_history({"request": begun | {"patience": patience}, "segments": [result]}, stores)
        assert made == answer
        assert list(answer["counts"]) == ["marks", "sent", "filtered", "passedOver", "leftToGate"]
        assert answer["counts"]["sent"] == result["sent"]


def _shape_text(value: Any) -> str:
    return json.dumps(_shape(value), sort_keys=True)


def test_both_ways_of_saying_that_nothing_failed_are_answered():
    """Failed may be absent or empty: one case has it so, another the other way."""
    returned = [answer.body.get("Return", {}) for answer in _answers(DELIVER)]
    answers = [answer for answer in returned if "Successful" in answer]
    assert {("Failed" in answer, bool(answer.get("Failed"))) for answer in answers} == {
        (False, False), (True, False), (True, True),
    }  # fmt: skip
