"""The rules that hold for every definition, as functions that return what breaks them.

What Step Functions itself refuses (a target that is missing, States.ALL not last) is here too: no
check that runs without AWS finds it before the deployment does.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import botocore.session
from botocore.model import OperationModel

from mark_event_queue.domain import errors
from tests.statemachine.definitions import Definition, State, scopes, states, targets, values

_WORDS = 4
_TITLE_CASE = re.compile(r"[A-Z][a-z]*(-[A-Z][a-z]+)?( [A-Z][a-z]*(-[A-Z][a-z]+)?)*\??")
_KEY_ORDER = (
    "Comment", "Type", "Error", "Cause", "Resource", "ItemsPath", "ItemSelector", "MaxConcurrency", "ItemProcessor",
    "Choices", "Default", "Seconds", "SecondsPath",
    "Parameters", "Result", "ResultSelector", "ResultPath", "OutputPath", "TimeoutSeconds",
    "Retry", "Catch", "Next", "End",
)  # fmt: skip
_JSONATA_KEYS = {"Arguments", "Assign", "Output", "Items", "Condition"}

# Step Functions Developer Guide, Lambda: what Lambda itself raises; beside it the errors of the function.
_LAMBDA_ERRORS = {
    f"Lambda.{name}"
    for name in ("ServiceException", "AWSLambdaException", "SdkClientException", "TooManyRequestsException", "Unknown")
} | {"Sandbox.Timedout"}
# The optimised integrations name what is no shape of its own as the AWS SDK for Java 1.x did.
_STEP_FUNCTIONS_ERRORS = {"AWSStepFunctionsException", "SdkClientException"}
# Errors that stay until somebody mends the queue, its key or a policy (SQS API Reference, SendMessageBatch).
_PERMANENT = re.compile(
    r"Sqs\.(QueueDoesNotExist|InvalidAddress|InvalidSecurity|UnsupportedOperation|Kms(?!Throttled)\w+)Exception"
)

START_EXECUTION = "arn:aws:states:::states:startExecution"
RUN_EXECUTION = "arn:aws:states:::states:startExecution.sync:2"

_SDK = botocore.session.get_session()


def targets_exist(definition: Definition) -> Iterator[str]:
    """Every transition leads to a state of its own scope."""
    for scope in scopes(definition):
        if scope.start_at not in scope.states:
            yield f"{scope.name} starts at {scope.start_at}, which is not there"
        for name, state in scope.states.items():
            for target in targets(state):
                if target not in scope.states:
                    yield f"{name} leads to {target}, which is not there"


def every_state_is_reached(definition: Definition) -> Iterator[str]:
    """A scope's start leads to each of its states."""
    for scope in scopes(definition):
        reached: set[str] = set()
        ahead = [scope.start_at]
        while ahead:
            name = ahead.pop()
            if name in scope.states and name not in reached:
                reached.add(name)
                ahead += targets(scope.states[name])
        for name in scope.states.keys() - reached:
            yield f"nothing leads to {name}"


def terminal_states_end(definition: Definition) -> Iterator[str]:
    """A state has a successor or ends, never both; a Choice always knows where to go."""
    for name, state in states(definition):
        match state["Type"]:
            case "Choice" if "Default" not in state:
                yield f"{name} may find no way on"
            case "Choice" | "Succeed" | "Fail" if {"Next", "End"} & state.keys():
                yield f"{name} cannot have Next or End"
            case "Task" | "Pass" | "Map" | "Wait" | "Parallel" if ("Next" in state) is (state.get("End") is True):
                yield f"{name} needs either Next or End"


def names_are_unique(definition: Definition) -> Iterator[str]:
    """A state's name says which state it is, in every scope: logs and mocked cases go by it."""
    for name, count in Counter(name for name, _ in states(definition)).items():
        if count > 1:
            yield f"{count} states are called {name}"


def names_read_well(definition: Definition) -> Iterator[str]:
    """Names are Title Case With Spaces, of at most four words, and a question exactly where there is a choice."""
    for name, state in states(definition):
        if not _TITLE_CASE.fullmatch(name) or len(name.split()) > _WORDS:
            yield f"{name} is not Title Case of at most {_WORDS} words"
        if name.endswith("?") is not (state["Type"] == "Choice"):
            yield f"{name} is a {state['Type']}"


def everything_times_out(definition: Definition) -> Iterator[str]:
    """The machine and every Task have a time limit: the ones Step Functions has by default are years."""
    if "TimeoutSeconds" not in definition:
        yield "the machine has no TimeoutSeconds"
    for name, state in states(definition):
        if state["Type"] == "Task" and "TimeoutSeconds" not in state:
            yield f"{name} has no TimeoutSeconds"


def reasons_are_given(definition: Definition) -> Iterator[str]:
    """A Comment says why: at the machine, every Map, every Choice, every state with a Catch."""
    if not definition.get("Comment"):
        yield "the machine has no Comment"
    for name, state in states(definition):
        if (state["Type"] in ("Map", "Choice") or "Catch" in state) and not state.get("Comment"):
            yield f"{name} has no Comment"


def all_errors_stand_last(definition: Definition) -> Iterator[str]:
    """States.ALL stands alone, last, and only in Catch."""
    for name, state in states(definition):
        for catcher in state.get("Catch", ())[:-1]:
            if "States.ALL" in catcher["ErrorEquals"]:
                yield f"{name} catches States.ALL before others"
        for catcher in state.get("Catch", ())[-1:]:
            if "States.ALL" in catcher["ErrorEquals"] and len(catcher["ErrorEquals"]) > 1:
                yield f"{name} catches States.ALL together with others"
        for retrier in state.get("Retry", ()):
            if "States.ALL" in retrier["ErrorEquals"]:
                yield f"{name} retries States.ALL"


def retries_spread_out(definition: Definition) -> Iterator[str]:
    """Whoever tries again waits longer each time, up to a limit, and not in step with others."""
    wanted = {"IntervalSeconds", "BackoffRate", "MaxAttempts", "MaxDelaySeconds", "JitterStrategy"}
    for name, state in states(definition):
        for retrier in state.get("Retry", ()):
            if retrier.get("MaxAttempts") != 0 and (missing := wanted - retrier.keys()):
                yield f"{name} retries without {', '.join(sorted(missing))}"


def permanent_errors_are_not_retried(definition: Definition) -> Iterator[str]:
    """What will not pass has MaxAttempts 0 wherever it is named, and is named wherever a client's queue is called."""
    for name, state in states(definition):
        never = {error for retrier in state.get("Retry", ()) if retrier.get("MaxAttempts") == 0
                 for error in retrier["ErrorEquals"]}  # fmt: skip
        named = {error for retrier in state.get("Retry", ()) for error in retrier["ErrorEquals"]}
        known = errors_of(state) if "Catch" in state else set()
        for error in sorted((named | known) - never):
            if _PERMANENT.fullmatch(error):
                yield f"{name} does not say that {error} is permanent"
        for error in sorted(never):
            if "." in error and not _PERMANENT.fullmatch(error):  # the errors of our functions are ours to judge
                yield f"{name} gives up at once on {error}, which may pass"


def errors_are_retried_once(definition: Definition) -> Iterator[str]:
    """No error stands in two retriers of a state: the second would never be asked."""
    for name, state in states(definition):
        named = Counter(error for retrier in state.get("Retry", ()) for error in retrier["ErrorEquals"])
        for error, count in named.items():
            if count > 1:
                yield f"{name} names {error} {count} times"


def error_names_exist(definition: Definition) -> Iterator[str]:
    """Every error in Retry and Catch is one that the state's service, or a function of ours, can raise."""
    for name, state in states(definition):
        for handler in [*state.get("Retry", ()), *state.get("Catch", ())]:
            for error in handler["ErrorEquals"]:
                if not error.startswith("States.") and error not in errors_of(state):
                    yield f"{name} names {error}, which {state.get('Resource')} does not raise"


def only_jsonpath(definition: Definition) -> Iterator[str]:
    """JSONPath is what every engine runs, AWS and local."""
    nodes = [("machine", {key: value for key, value in definition.items() if key != "States"}), *states(definition)]
    for name, state in nodes:
        if state.get("QueryLanguage", "JSONPath") != "JSONPath" or _JSONATA_KEYS & state.keys():
            yield f"{name} is not in JSONPath"
        if any(isinstance(value, str) and value.startswith("{%") for _, value in values(state)):
            yield f"{name} holds a JSONata expression"


def maps_are_inline(definition: Definition) -> Iterator[str]:
    """A Map runs inside the execution: a distributed one starts others, which an Express machine must not."""
    for name, state in states(definition):
        if state["Type"] == "Map" and state["ItemProcessor"].get("ProcessorConfig") != {"Mode": "INLINE"}:
            yield f"{name} does not say that it is INLINE"


def keys_are_in_order(definition: Definition) -> Iterator[str]:
    """A state reads from what it is for to where it leads."""
    for name, state in states(definition):
        if unknown := state.keys() - set(_KEY_ORDER):
            yield f"{name} has {', '.join(sorted(unknown))}, for which there is no place"
        elif list(state) != sorted(state, key=_KEY_ORDER.index):
            yield f"{name} has its keys in another order"


RULES = (
    targets_exist,
    every_state_is_reached,
    terminal_states_end,
    names_are_unique,
    names_read_well,
    everything_times_out,
    reasons_are_given,
    all_errors_stand_last,
    retries_spread_out,
    permanent_errors_are_not_retried,
    errors_are_retried_once,
    error_names_exist,
    only_jsonpath,
    maps_are_inline,
    keys_are_in_order,
)


class Operation(NamedTuple):
    """The AWS operation that a Task calls through the SDK integration."""

    service: str
    model: OperationModel


def operation_of(state: State) -> Operation | None:
    """Return the operation of a Task that calls one by arn:aws:states:::aws-sdk:<service>:<action>."""
    *_, integration, service, action = state.get("Resource", "::").split(":")
    if integration != "aws-sdk":
        return None
    model = _SDK.get_service_model(service)
    return Operation(service, model.operation_model(action[:1].upper() + action[1:]))


def errors_of(state: State) -> set[str]:
    """Return the names of the errors that a Task can end with, other than those of Step Functions itself."""
    operation = operation_of(state)
    if state.get("Resource") in (START_EXECUTION, RUN_EXECUTION):
        model = _SDK.get_service_model("stepfunctions").operation_model("StartExecution")
        ended_badly = {"States.TaskFailed"} if state["Resource"] == RUN_EXECUTION else set()
        names = _STEP_FUNCTIONS_ERRORS | {shape.name for shape in model.error_shapes}
        return {f"StepFunctions.{name}" for name in names} | ended_badly
    if operation is None:
        return _LAMBDA_ERRORS | _application_errors() if "lambda:invoke" in state.get("Resource", "") else set()
    # Step Functions names them as the AWS SDK for Java 2.x does: the shape, with one "Exception" at its end.
    prefix = {"sqs": "Sqs"}[operation.service]
    shapes = {shape.name.removesuffix("Exception") for shape in operation.model.error_shapes}
    return {f"{prefix}.{shape}Exception" for shape in shapes | {prefix, "SdkClient"}}


def _application_errors() -> set[str]:
    members: list[Any] = list(vars(errors).values())
    return {member.__name__ for member in members if isinstance(member, type) and issubclass(member, Exception)}
