"""Proves that every definition is one that AWS accepts and a reader can follow: nothing is run.

It finds what no engine and no deployment to one would tell before AWS does (a transition to a missing
state, a state nobody reaches, an error name that does not exist). It cannot say that the branches do
what they are for: test_branches.py runs them.
"""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mark_event_queue.domain.batches import LIVE, RELEASE, Timing, cost, input_of
from mark_event_queue.domain.budget import budget
from mark_event_queue.domain.events import convert
from mark_event_queue.domain.forgetting import cost as cost_of_removal
from mark_event_queue.domain.forgetting import forgotten_by
from mark_event_queue.domain.rounds import WAVE_SIZE
from mark_event_queue.redrive.redrive import SEQUENCES_PER_TURN, TURNS_PER_EXECUTION
from tests.builders import NOW, SCHEMAS, item, pack, record, removal
from tests.statemachine import rules
from tests.statemachine.definitions import (
    FILES,
    Definition,
    Scope,
    load,
    machine_in_template,
    scopes,
    substitutions,
    targets,
    tasks,
)
from tests.statemachine.fields import Items, Shape, unknown_fields
from tests.statemachine.times import longest, patience, slow_client

Rule = Callable[[Definition], Iterator[str]]

every_definition = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)


def _by_name(rule: Rule) -> str:
    return rule.__name__


def test_there_is_something_to_check():
    """The definition that delivers events is among those that the other tests are given."""
    assert "deliver-events.asl.json" in [file.name for file in FILES]


@every_definition
@pytest.mark.parametrize("rule", rules.RULES, ids=_by_name)
def test_definition_keeps_the_rule(file: Path, rule: Rule):
    """Every definition keeps every rule of rules.py."""
    assert list(rule(load(file))) == []


@every_definition
def test_template_puts_in_exactly_what_the_definition_names(file: Path):
    """A ${Name} that nobody replaces would reach AWS as it is; a replacement nobody names is left over."""
    assert substitutions(load(file)) == set(machine_in_template(file)["DefinitionSubstitutions"])


# The input of each machine, as far as it is known here; of any other machine everything is believed.
_EVENT: dict[str, Any] = {
    "dynamodb": {"Keys": {"mark": {"S": "AFC F7"}}, "NewImage": {"eventId": {"S": "1"}}, "SequenceNumber": "1"}
}
_INPUTS: dict[str, Shape] = {
    "deliver-events.asl.json": {
        "batch": {"events": Items(None), "held": {"recipients": Items({}), "atGate": {}}},
        "clients": Items({"name": {}, "queueUrl": {}, "selects": {}}),
        "released": {},
        "storesDeadline": {},
        "deadline": {},
    },
}


@every_definition
def test_paths_name_fields_that_are_there(file: Path):
    """No path reads a field that the state before it does not leave: at run time that is States.Runtime."""
    assert unknown_fields(load(file), _INPUTS.get(file.name)) == []


def test_the_known_input_is_what_an_execution_is_given():
    """The fields that the test above starts from are those of the input that converter and release write."""
    (batch,) = pack([_EVENT], bytes_per_batch=10_000)
    written = json.loads(input_of(batch, [{"name": "a", "queueUrl": "b", "selects": ""}], NOW, LIVE))
    known: Any = _INPUTS["deliver-events.asl.json"]
    assert written.keys() == known.keys()
    assert written["batch"].keys() == known["batch"].keys()
    assert written["batch"]["held"].keys() == known["batch"]["held"].keys()
    assert written["clients"][0].keys() == known["clients"].element.keys()


# ----------------------------------------------------------------------------------------------------------------------
# Time
# ----------------------------------------------------------------------------------------------------------------------
every_timing = pytest.mark.parametrize("timing", [LIVE, RELEASE], ids=["live", "released"])


@every_timing
def test_a_client_that_never_answers_cannot_outlast_the_execution(timing: Timing):
    """The slowest way to find out that a client's queue is dead, and to park, fits into an execution.

    Assumed: what comes before the clients took as long as "Stores In Time?" lets it. Every call to the
    client's queue times out at every attempt, and every wait between them has its full length (jitter
    only shortens it). The application's own functions and stores are slow (each takes its whole
    TimeoutSeconds) but answer the first time; were they to fail, the batch fails and comes again.
    All waves of a round leave at once, so it takes as long as its slowest; a wave that times out takes all later
    events of its marks with it, and each of these is in a later round, so a dead queue costs this much once.
    """
    definition = load(_file("deliver-events.asl.json"))

    seconds, names = longest(definition | {"StartAt": "Deliver To Clients"}, slow_client)

    assert names == (
        "Select Events", "Send Wave", "Send Wave Again", "Send Refused Event", "Park Events", "Hold Rest At Gate",
    )  # fmt: skip
    assert timing.stores_seconds + seconds < definition["TimeoutSeconds"]


# Step Functions Developer Guide, Map state in Inline mode: iterations that run at the same time.
_AT_ONCE = 40


def _client() -> Scope:
    (client,) = [
        scope for scope in scopes(load(_file("deliver-events.asl.json"))) if scope.name == "Deliver To Clients"
    ]
    return client


def test_no_round_is_sent_behind_the_deadline():
    """Wherever a round is sent from, the clock is asked at that very moment, and what is late is parked instead."""
    late = {"Variable": "$$.State.EnteredTime", "TimestampGreaterThanPath": "$.deadline", "Next": "Out Of Time"}
    leading = {name: state for name, state in _client().states.items() if "Send Round" in targets(state)}
    assert leading.keys() == {"Needs Selection?", "Rounds To Send?"}
    for state in leading.values():
        assert (state["Default"], state["Choices"][-1]) == ("Send Round", late)
        assert "Send Round" not in [choice["Next"] for choice in state["Choices"]]


def test_no_refused_entry_is_tried_alone_behind_the_deadline():
    """Each asks the clock before it goes: of many that go forty at once some begin late."""
    alone = _client().states["Send Refused Alone"]["ItemProcessor"]
    first = alone["States"][alone["StartAt"]]
    assert (first["Type"], first["Default"]) == ("Choice", "Send Refused Event")
    assert first["Choices"] == [
        {"Variable": "$$.State.EnteredTime", "TimestampGreaterThanPath": "$.deadline", "Next": "Refused Too Late"}
    ]


@every_timing
def test_rounds_of_a_slow_client_end_within_the_execution(timing: Timing):
    """A round that starts at the last moment before the deadline ends, and what is left is parked, in time.

    Assumed: the execution starts when its deadline was set, so whatever came before this round (gate, fan-out,
    selection, any number of slow rounds) took the time up to the deadline and no more. The round meets a
    client's queue that times out at every attempt but answers at the very last one of each state, with
    entries refused; every wait has its full length. All waves leave at once. Of the refused entries forty are tried at
    once, however many there are, and none behind the deadline. There are no more than forty clients. Parking works,
    though each call of it takes its whole TimeoutSeconds: once for what the round could not bring, once for all later
    rounds, which are out of time. So does the gate, which holds what had to wait for these clients. A table that does
    not work fails the batch, and a fan-out that ends long after the deadline may: the stream brings it again.
    """
    definition, client = load(_file("deliver-events.asl.json")), _client()
    once_more = [client.states["Park Events"], definition["States"]["Hold Rest At Gate"]]

    seconds, names = longest({"StartAt": "Send Round", "States": client.states}, slow_client)

    assert names == ("Send Wave", "Send Wave Again", "Send Refused Event", "Park Events")
    seconds += sum(state["TimeoutSeconds"] for state in once_more)
    assert timing.delivery_seconds + seconds < definition["TimeoutSeconds"]


def test_all_waves_of_a_round_leave_at_once():
    """A batch of the smallest events, or of the shortest marks to forget, has no more waves than a Map runs at once.

    An event that the validator lets pass has at least what the envelope asks for; here each value has one character.
    """
    envelope = json.loads((SCHEMAS / "envelope.json").read_text("utf-8"))
    smallest = convert(record(item(mark="A")))._replace(body=json.dumps(dict.fromkeys(envelope["required"], 0)))
    shortest = forgotten_by(removal(mark="A"))
    for bytes_of_one in (cost(smallest), cost_of_removal(shortest)):
        assert budget([]) / bytes_of_one / WAVE_SIZE < _AT_ONCE


@every_definition
def test_no_single_task_can_outlast_the_execution(file: Path):
    """Each Task gives up, with all its retries, before the machine does, so the failure has its own name."""
    definition = load(file)
    assert {
        name: patience(task)
        for name, task in tasks(definition).items()
        if patience(task) >= definition["TimeoutSeconds"]
    } == {}


# Step Functions Developer Guide, quotas: events in the history of a Standard execution.
_HISTORY_EVENTS = 25_000


def _history_events(state: dict[str, Any]) -> int:
    """Return the most events that a visit of a state without states in it leaves: entered, exited, three a try."""
    tries = 1 + sum(retrier["MaxAttempts"] for retrier in state.get("Retry", ()))
    return 2 + 3 * tries if state["Type"] == "Task" else 2


def test_the_turns_of_an_execution_fit_into_its_history():
    """With every Task tried as often as can be, and every lane stopped, half of a history is left for a discard."""
    definition = load(_file("redrive-events.asl.json"))
    machine, lane = scopes(definition)
    lanes = SEQUENCES_PER_TURN // WAVE_SIZE
    of_lane = sum(_history_events(lane.states[name]) for name in ("At Gate?", "Release Lane", "Lane Stopped"))
    around = sum(
        _history_events(machine.states[name]) for name in ("List Sequences", "Sequences Left?", "Turn To Page")
    )
    assert TURNS_PER_EXECUTION * (around + 4 + lanes * (2 + of_lane)) < _HISTORY_EVENTS / 2


# ----------------------------------------------------------------------------------------------------------------------
# The rules find what they are for
# ----------------------------------------------------------------------------------------------------------------------
_SOUND: Definition = {
    "Comment": "A small definition that keeps every rule.",
    "StartAt": "Send It",
    "TimeoutSeconds": 60,
    "States": {
        "Send It": {
            "Comment": "What is refused is tried once more by itself.",
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:sqs:sendMessage",
            "Parameters": {"QueueUrl.$": "$.queueUrl", "MessageBody": "x"},
            "ResultPath": "$.sent",
            "TimeoutSeconds": 5,
            "Retry": [
                {
                    "ErrorEquals": [
                        "Sqs.InvalidAddressException", "Sqs.InvalidSecurityException",
                        "Sqs.KmsAccessDeniedException", "Sqs.KmsDisabledException", "Sqs.KmsInvalidKeyUsageException",
                        "Sqs.KmsInvalidStateException", "Sqs.KmsNotFoundException", "Sqs.KmsOptInRequiredException",
                        "Sqs.QueueDoesNotExistException", "Sqs.UnsupportedOperationException",
                    ],
                    "MaxAttempts": 0,
                },
                {
                    "ErrorEquals": ["Sqs.RequestThrottledException", "States.Timeout"],
                    "IntervalSeconds": 1,
                    "BackoffRate": 2,
                    "MaxAttempts": 3,
                    "MaxDelaySeconds": 4,
                    "JitterStrategy": "FULL",
                },
            ],
            "Catch": [
                {"ErrorEquals": ["Sqs.SqsException"], "ResultPath": "$.error", "Next": "Sent?"},
                {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Sent?"},
            ],
            "Next": "Sent?",
        },
        "Sent?": {
            "Comment": "Both ways end well.",
            "Type": "Choice",
            "Choices": [{"Variable": "$.queueUrl", "IsPresent": True, "Next": "Each Of Them"}],
            "Default": "Done",
        },
        "Each Of Them": {
            "Comment": "One after another.",
            "Type": "Map",
            "ItemsPath": "$.items",
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                "StartAt": "Note It",
                "States": {"Note It": {"Type": "Pass", "End": True}},
            },
            "Next": "Done",
        },
        "Done": {"Type": "Succeed"},
    },
}  # fmt: skip


def _change(*path: Any, to: Any) -> Definition:
    """Return the sound definition with one place changed."""
    definition = copy.deepcopy(_SOUND)
    node: Any = definition
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = to
    return definition


def _rename(old: str, new: str) -> Definition:
    text = json.dumps(_SOUND).replace(f'"{old}"', f'"{new}"')
    changed: Definition = json.loads(text)
    return changed


_SEND = ("States", "Send It")
_EACH = ("States", "Each Of Them")
_ALL = {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Sent?"}
_BROKEN: list[tuple[Rule, Definition, str]] = [
    (rules.targets_exist, _change("StartAt", to="Nowhere"), "starts at Nowhere"),
    (rules.targets_exist, _change(*_SEND, "Next", to="Nowhere"), "Send It leads to Nowhere"),
    (rules.targets_exist, _change(*_SEND, "Catch", 0, "Next", to="Nowhere"), "Send It leads to Nowhere"),
    (rules.targets_exist, _change("States", "Sent?", "Default", to="Nowhere"), "Sent? leads to Nowhere"),
    (rules.targets_exist, _change(*_SEND, "Next", to="Note It"), "Send It leads to Note It"),
    (rules.every_state_is_reached, _change("States", "Lost", to={"Type": "Succeed"}), "nothing leads to Lost"),
    (rules.every_state_is_reached, _change("StartAt", to="Sent?"), "nothing leads to Send It"),
    (rules.terminal_states_end, _change(*_EACH, "End", to=True), "Each Of Them needs either"),
    (rules.terminal_states_end, _change("States", "Done", "Next", to="Sent?"), "Done cannot have"),
    (rules.terminal_states_end, _change("States", "Sent?", to={"Type": "Choice", "Choices": []}), "no way on"),
    (rules.names_are_unique, _rename("Note It", "Done"), "2 states are called Done"),
    (rules.names_read_well, _rename("Done", "done"), "done is not Title Case"),
    (rules.names_read_well, _rename("Done", "It Is All Done Now"), "It Is All Done Now is not Title Case"),
    (rules.names_read_well, _rename("Sent?", "Sent"), "Sent is a Choice"),
    (rules.names_read_well, _rename("Done", "Done?"), "Done? is a Succeed"),
    (rules.everything_times_out, _change("States", "New", to={"Type": "Task"}), "New has no TimeoutSeconds"),
    (rules.everything_times_out, {"StartAt": "A", "States": {}}, "the machine has no TimeoutSeconds"),
    (rules.reasons_are_given, _change("Comment", to=""), "the machine has no Comment"),
    (rules.reasons_are_given, _change(*_SEND, "Comment", to=""), "Send It has no Comment"),
    (rules.reasons_are_given, _change(*_EACH, "Comment", to=""), "Each Of Them has no Comment"),
    (rules.reasons_are_given, _change("States", "Sent?", "Comment", to=""), "Sent? has no Comment"),
    (rules.all_errors_stand_last, _change(*_SEND, "Catch", to=[_ALL, _ALL]), "before others"),
    (rules.all_errors_stand_last, _change(*_SEND, "Catch", 1, "ErrorEquals", to=["States.ALL", "X"]), "together"),
    (rules.all_errors_stand_last, _change(*_SEND, "Retry", 1, "ErrorEquals", to=["States.ALL"]), "retries States.ALL"),
    (
        rules.retries_spread_out,
        _change(*_SEND, "Retry", to=[{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 1}]),
        "without BackoffRate, IntervalSeconds, JitterStrategy, MaxDelaySeconds",
    ),
    (rules.permanent_errors_are_not_retried, _change(*_SEND, "Retry", 0, "MaxAttempts", to=1), "is permanent"),
    (rules.permanent_errors_are_not_retried, _change(*_SEND, "Retry", to=[]), "QueueDoesNotExistException is perm"),
    (rules.permanent_errors_are_not_retried, _change(*_SEND, "Retry", 1, "MaxAttempts", to=0), "which may pass"),
    (
        rules.errors_are_retried_once,
        _change(*_SEND, "Retry", 0, "ErrorEquals", to=["States.Timeout"]),
        "States.Timeout 2 times",
    ),
    (
        rules.error_names_exist,
        _change(*_SEND, "Retry", 1, "ErrorEquals", to=["Sqs.RequestThrottled"]),
        "names Sqs.RequestThrottled,",
    ),
    (
        rules.error_names_exist,
        _change(*_SEND, "Retry", 1, "ErrorEquals", to=["DynamoDb.DynamoDbException"]),
        "names DynamoDb.DynamoDbException,",
    ),
    (
        rules.error_names_exist,
        _change(*_SEND, "Catch", 0, "ErrorEquals", to=["HeldEventsUnavailableError"]),
        "names HeldEventsUnavailableError,",
    ),
    (rules.only_jsonpath, _change("QueryLanguage", to="JSONata"), "machine is not in JSONPath"),
    (rules.only_jsonpath, _change("States", "Done", "Output", to={}), "Done is not in JSONPath"),
    (rules.only_jsonpath, _change(*_SEND, "Parameters", "MessageBody", to="{% $x %}"), "Send It holds"),
    (rules.maps_are_inline, _change(*_EACH, "ItemProcessor", "ProcessorConfig", to={}), "Each Of Them does not say"),
    (rules.keys_are_in_order, _change(*_SEND, "ResultSelector", to={}), "Send It has its keys in another order"),
    (rules.keys_are_in_order, _change("States", "Done", "Colour", to="red"), "Done has Colour"),
]


@pytest.mark.parametrize("rule", rules.RULES, ids=_by_name)
def test_sound_definition_breaks_no_rule(rule: Rule):
    """The definition from which the broken ones are made is sound, so each is broken in one place."""
    assert list(rule(_SOUND)) == []


@pytest.mark.parametrize(("rule", "definition", "complaint"), _BROKEN)
def test_rule_finds_what_is_broken(rule: Rule, definition: Definition, complaint: str):
    """A rule says which state of a broken definition breaks it, and how."""
    assert complaint in "; ".join(rule(definition))


def test_every_rule_is_shown_to_find_something():
    """A rule without a definition that breaks it might be one that nothing can break."""
    assert set(rules.RULES) == {rule for rule, _, _ in _BROKEN}


def test_substitutions_are_found_wherever_they_stand():
    """A ${Name} counts also inside a longer text, in an array and in a Map."""
    definition = _change(*_EACH, "ItemProcessor", "States", "Note It", "Result", to=["a", "arn:${One}:${Two}"])
    assert substitutions(definition) == {"One", "Two"}


_EITHER = {
    "And": [{"Not": {"Variable": "$.late", "BooleanEquals": True}}, {"Variable": "$.queueUrl", "IsPresent": True}],
    "Next": "Each Of Them",
}
_GIVEN: Shape = {"queueUrl": {}, "items": Items({"id": {}})}


@pytest.mark.parametrize(
    ("definition", "complaint"),
    [
        (_change(*_SEND, "Parameters", "QueueUrl.$", to="$.queueURL"), "Send It reads $.queueURL"),
        (_change(*_SEND, "Parameters", "QueueUrl.$", to="States.Format('{}', $.x)"), "Send It reads $.x"),
        (_change("States", "Sent?", "Choices", 0, "Variable", to="$.sent.Failed[0]"), "Sent? reads $.sent.Failed[0]"),
        (_change("States", "Sent?", "Choices", 0, "Variable", to="$.error.Error"), "Sent? reads $.error.Error"),
        (_change("States", "Sent?", "Choices", 0, "Variable", to="$$.State.Entered"), "reads $$.State.Entered"),
        (_change("States", "Sent?", "Choices", 0, to=_EITHER), "Sent? reads $.late"),
        (_change("States", "Done", to={"Type": "Pass", "Result": {"a": 1}, "OutputPath": "$.b"}), "Done reads $.b"),
        (_change(*_EACH, "ItemsPath", to="$.itemz"), "Each Of Them reads $.itemz"),
        (_change(*_EACH, "ItemSelector", to={"i.$": "$$.Map.Item.Value.ID"}), "reads $$.Map.Item.Value.ID"),
        (_change(*_EACH, "ResultSelector", to={"ids.$": "$[*].ID"}), "Each Of Them reads $[*].ID"),
        (_change(*_EACH, "ItemProcessor", "States", "Note It", "OutputPath", to="$.name"), "Note It reads $.name"),
    ],
)
def test_a_path_to_a_missing_field_is_found(definition: Definition, complaint: str):
    """A path is held against what the states before it leave, in parameters, choices and Maps alike."""
    assert unknown_fields(_SOUND, _GIVEN) == []
    assert complaint in "; ".join(unknown_fields(definition, _GIVEN))


def test_patience_adds_up_attempts_and_waits():
    """Four attempts of 5 s and waits of 1, 2 and 4 s are 27 s; a longest delay cuts the waits."""
    send = _SOUND["States"]["Send It"]
    assert patience(send) == 27
    assert patience(_change(*_SEND, "Retry", 1, "MaxDelaySeconds", to=1)["States"]["Send It"]) == 23


def _file(name: str) -> Path:
    (file,) = [file for file in FILES if file.name == name]
    return file
