"""Proves that the interpreter which runs the cases does what AWS does where the definition leans on it.

Each expectation is what AWS documents, or what Jayway JsonPath does, on which AWS's paths are built. It
also fails once a mend of interpreter.py is needed no longer. Whether AWS keeps to it is not proven.
"""

import inspect
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.retry.max_attempts_decl import MaxAttemptsDecl
from moto.stepfunctions.parser.asl.component.state.choice.comparison.operator.implementations.is_operator import (
    IsTimestamp,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_aws_sdk
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.parse.intrinsic.intrinsic_parser import IntrinsicParser
from moto.stepfunctions.parser.asl.utils import json_path
from moto.stepfunctions.parser.mocking.mock_config import MockedResponseReturn, MockTestCase, StateMockedResponses

from tests.builders import NOW
from tests.statemachine.cases import definition
from tests.statemachine.definitions import states
from tests.statemachine.interpreter import mended, run


def _evaluated(expression: str, given: Any) -> Any:
    machine = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Parameters": {"x.$": expression}, "End": True}}}
    execution = run(machine, given)
    assert execution.status == "SUCCEEDED", execution.cause
    return execution.output["x"]


def _is_present(path: str, given: Any) -> bool:
    choice = {"Type": "Choice", "Choices": [{"Variable": path, "IsPresent": True, "Next": "Yes"}], "Default": "No"}
    ends = {name: {"Type": "Pass", "End": True} for name in ("Yes", "No")}
    return run({"StartAt": "A?", "States": {"A?": choice, **ends}}, given).visited[-1] == "Yes"


def _refusing(*waves: list[str] | None) -> list[dict[str, Any]]:
    """Return what SQS answers for each wave, of which it refused these Ids; for None it does not name Failed."""
    return [{} if ids is None else {"Failed": [{"Id": one} for one in ids]} for ids in waves]


_REFUSED_OF_ALL = "$[*].Failed[*].Id"


@pytest.mark.parametrize(
    ("waves", "refused"),
    [
        ([], []),
        ([None], []),
        ([[]], []),
        ([None, []], []),
        ([["1"]], ["1"]),
        ([None, ["11"]], ["11"]),
        ([["1", "3"], [], ["21"]], ["1", "3", "21"]),
    ],
)
def test_two_wildcards_give_one_array_of_whatever_there_is(waves: list[list[str] | None], refused: list[str]):
    """Of no answer, one or more they find none, one or more values, and give one flat array each time, in order."""
    assert _evaluated(_REFUSED_OF_ALL, _refusing(*waves)) == refused


@pytest.mark.parametrize(
    ("results", "refused"),
    [
        ([{"accepted": True}, {"accepted": True}], []),
        ([{"accepted": True}, {"refusedId": "3"}], ["3"]),
        ([{"refusedId": "1"}, {"accepted": True}, {"refusedId": "3"}], ["1", "3"]),
    ],
)
def test_wildcard_passes_over_elements_without_the_field(results: list[Any], refused: list[str]):
    """What has no such field is left out, in order, also when that is everything."""
    assert _evaluated("$[*].refusedId", results) == refused


@pytest.mark.parametrize(
    ("sent", "present"),
    [({}, False), ({"Failed": []}, False), ({"Failed": [{"Id": "0"}]}, True)],
)
def test_first_element_is_absent_from_nothing_and_from_an_empty_array(sent: dict[str, Any], present: bool):
    """IsPresent on the first element says no, without an error, for an absent list and for an empty one."""
    assert _is_present("$.sent.Failed[0]", {"sent": sent}) is present


@pytest.mark.parametrize(("names", "contained"), [([], False), (["b"], False), (["b", "a"], True)])
def test_array_contains(names: list[str], contained: bool):
    """States.ArrayContains looks for the value as it is, in an empty array too."""
    assert _evaluated("States.ArrayContains($.names, $.name)", {"names": names, "name": "a"}) is contained


@pytest.mark.parametrize(
    ("waves", "place"), [([["d"]], "0-0"), ([["a", "b", "c", "d"]], "0-3"), ([["a"]] * 10 + [["b", "c", "d"]], "10-2")]
)
def test_an_id_finds_its_entry(waves: list[list[str]], place: str):
    """An entry's Id is the number of its wave and its place in that."""
    (selector,) = {
        state["ItemSelector"]["entry.$"]
        for name, state in states(definition())
        if name in ("Write Refused Alone", "Send Refused Alone")
    }
    expression = selector.replace("$$.Map.Item.Value", "$.Id")
    assert _evaluated(expression, {"batch": {"plan": {"waves": waves}}, "Id": place}) == "d"


def test_a_number_finds_its_wave_and_the_next_round():
    """A place in an array, and the one behind it, are numbers of the input."""
    plan = {"waves": ["w0", "w1"], "rounds": [[0], [1]], "cursor": 0}
    assert _evaluated("States.ArrayGetItem($.waves, $.cursor)", plan) == "w0"
    assert _evaluated("States.ArrayGetItem($.rounds, States.MathAdd($.cursor, 1))", plan) == [1]


# ----------------------------------------------------------------------------------------------------------------------
# The mends
# ----------------------------------------------------------------------------------------------------------------------
def test_moto_still_misses_what_two_wildcards_do_not_find():
    """Without the mend, two wildcards that find nothing are an error; once they are not, the mend can go."""
    with pytest.raises(json_path.NoSuchJsonPathError):
        json_path.extract_json(_REFUSED_OF_ALL, _refusing([]))
    with mended([]):
        assert json_path.extract_json(_REFUSED_OF_ALL, _refusing([])) == []


def test_moto_still_reads_one_bracket_behind_a_name():
    """Without the mend, an intrinsic function's path loses its second bracket; once it does not, the mend can go."""

    def path() -> str:
        function: Any = IntrinsicParser.parse("States.ArrayLength($.waves[*][*])")[0]
        return str(function.argument_list.arguments[0].json_path)

    assert path() == "$.waves[*]"
    with mended([]):
        assert path() == "$.waves[*].[*]"


def test_moto_still_names_the_errors_of_sqs_in_lower_case():
    """Without the mend, SQS is "sqs" in error names; once it is not, the mend can go."""
    normalise = state_task_service_aws_sdk.StateTaskServiceAwsSdk._normalise_service_error_name
    assert normalise("sqs") == "sqs"
    with mended([]):
        assert normalise("sqs") == "Sqs"


def test_moto_still_changes_shared_components_while_they_run():
    """Without the mend, asking a component for its key gives it a field; once it does not, the mend can go."""
    component = MaxAttemptsDecl(1)
    fields = set(vars(component))
    with mended([]):
        assert component.heap_key == component.heap_key
        assert set(vars(component)) == fields
    assert component.heap_key
    assert set(vars(component)) > fields


def test_moto_still_reads_no_timestamps_but_its_own():
    """Without the mend, a time with fractions or an offset is none; once it is one, the mend can go."""
    assert IsTimestamp.string_to_timestamp("2026-03-01T09:30:00.5+00:00") is None
    with mended([]):
        assert IsTimestamp.string_to_timestamp("2026-03-01T09:30:00.5+00:00") == NOW.replace(microsecond=500_000)
        assert IsTimestamp.string_to_timestamp("no time") is None


def test_moto_still_answers_every_visit_alike():
    """Without the mend, moto takes a mocked response by the retry's number; once it does not, the mend can go."""
    assert "RetryCount" in inspect.getsource(Environment.get_current_mocked_response)
    answers = [MockedResponseReturn(number, number, {"MessageId": str(number)}) for number in (0, 1)]
    case = MockTestCase("machine", "case", [StateMockedResponses("A", "numbered", answers)])
    task = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sqs:sendMessage", "Parameters": {}, "End": True}
    each = {"Type": "Map", "MaxConcurrency": 1, "ItemProcessor": {"StartAt": "A", "States": {"A": task}}, "End": True}
    execution = run({"StartAt": "Each", "States": {"Each": each}}, ["a", "b"], case)
    assert execution.output == [{"MessageId": "0"}, {"MessageId": "1"}]


@pytest.mark.parametrize(
    ("entered", "late"),
    [(NOW, False), (NOW + timedelta(seconds=1), False), (NOW + timedelta(seconds=1, milliseconds=1), True)],
)
def test_a_state_knows_when_it_was_entered(entered: datetime, late: bool):
    """The time of entry is compared with the input's as a time, to the fraction of a second."""
    choice = {
        "Type": "Choice",
        "Choices": [{"Variable": "$$.State.EnteredTime", "TimestampGreaterThanPath": "$.deadline", "Next": "Late"}],
        "Default": "In Time",
    }
    ends = {name: {"Type": "Pass", "End": True} for name in ("Late", "In Time")}
    machine = {"StartAt": "A?", "States": {"A?": choice, **ends}}
    execution = run(machine, {"deadline": "2026-03-01T09:30:01Z"}, clock=lambda: entered)
    assert execution.visited[-1] == ("Late" if late else "In Time")


def test_waits_are_noted_and_not_waited():
    """An hour between two attempts is over at once; without the mend moto sleeps by the time module."""
    assert retrier_decl.time is time
    retrier = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 3600, "MaxAttempts": 2, "BackoffRate": 2}
    task = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sqs:sendMessage", "Parameters": {}, "End": True}
    execution = run({"StartAt": "A", "States": {"A": task | {"Retry": [retrier]}}}, {})
    assert execution.waits == [3600, 7200]
    assert [attempt.number for attempt in execution.calls("A")] == [0, 1, 2]


def test_a_state_that_is_not_mocked_reaches_nobody():
    """Without a client to call, a Task fails: no case can pass by an answer of some other service."""
    task = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sqs:sendMessage", "Parameters": {}, "End": True}
    execution = run({"StartAt": "A", "States": {"A": task}}, {})
    assert (execution.status, execution.error) == ("FAILED", "States.Runtime")
    assert "does not mock" in execution.cause
