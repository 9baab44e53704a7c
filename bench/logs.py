"""Bytes of logs per batch: of the functions as they were written, of the execution as AWS would write them."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from bench.events import items
from bench.rig import Rig, StateSize
from local.inspection import logs

# CloudWatch Logs adds 26 bytes to every event that it takes in (CloudWatch Logs User Guide, quotas).
_PER_EVENT = 26

MACHINE = "mark-event-queue"  # as the template names it: after the stack
_EXECUTION = "111111111111111111111-abcd"  # as the converter names it
_ARN = f"arn:aws:states:eu-west-2:123456789012:express:{MACHINE}:{_EXECUTION}:01234567-89ab-cdef-0123-456789abcdef"

# What the log of an Express execution says of each kind of state, beside its name where that is said (Step Functions
# Developer Guide, Logging in CloudWatch Logs; API Reference, HistoryEvent), without data.
_CALL = {"resource": "sendMessageBatch", "resourceType": "aws-sdk:sqs"}
_EVENTS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "Pass": [("PassStateEntered", {"name": ""}), ("PassStateExited", {"name": ""})],
    "Choice": [("ChoiceStateEntered", {"name": ""}), ("ChoiceStateExited", {"name": ""})],
    "Task": [
        ("TaskStateEntered", {"name": ""}),
        ("TaskScheduled", _CALL | {"region": "eu-west-2", "timeoutInSeconds": "10"}),
        ("TaskStarted", _CALL),
        ("TaskSucceeded", _CALL),
        ("TaskStateExited", {"name": ""}),
    ],
    "Map": [
        ("MapStateEntered", {"name": ""}),
        ("MapStateStarted", {"length": "10"}),
        ("MapStateSucceeded", {}),
        ("MapStateExited", {"name": ""}),
    ],
    "Iteration": [
        ("MapIterationStarted", {"name": "", "index": "10"}),
        ("MapIterationSucceeded", {"name": "", "index": "10"}),
    ],
}
_OF_THE_EXECUTION: list[tuple[str, dict[str, Any]]] = [
    ("ExecutionStarted", {"roleArn": "arn:aws:iam::123456789012:role/DeliverEventsStateMachineRole-ABCDEFGHIJKL"}),
    ("ExecutionSucceeded", {}),
]


class LogBytes(NamedTuple):
    """Bytes per batch, and the events of the execution's log."""

    functions: int
    execution: int
    execution_with_data: int
    execution_events: int


def measure(rig: Rig, events: int, clients: int) -> LogBytes:
    """Deliver one batch, and weigh what it logs."""
    rig.have_clients(clients)
    rig.deliver_at_once(items(1, 1))
    before = weight(rig)
    states = rig.states_of(lambda: rig.deliver_at_once(items(events, events)))
    functions = weight(rig) - before
    return LogBytes(
        functions,
        execution_bytes(states, with_data=False),
        execution_bytes(states, with_data=True),
        execution_events(states),
    )


def execution_bytes(states: Sequence[StateSize], with_data: bool) -> int:
    """Return the bytes of an execution's log at level ALL; with data it has what enters and leaves each state."""
    said = sum(_bytes_of(kind, details, "") for kind, details in _OF_THE_EXECUTION)
    said += sum(_bytes_of(kind, details, state.name) for state in states for kind, details in _EVENTS[state.kind])
    # A task's parameters and result are logged as well, about what enters and leaves it once more.
    times = {"Task": 2, "Iteration": 0}
    data = sum((state.input + state.output + state.escapes) * times.get(state.kind, 1) for state in states)
    return said + (data if with_data else 0)


def execution_events(states: Sequence[StateSize]) -> int:
    """Return how many events an execution's log has at level ALL."""
    return len(_OF_THE_EXECUTION) + sum(len(_EVENTS[state.kind]) for state in states)


def _bytes_of(kind: str, details: dict[str, Any], name: str) -> int:
    event = {
        "id": "100",
        "type": kind,
        "details": details | ({"name": name} if "name" in details else {}),
        "redrive_count": "0",
        "previous_event_id": "100",
        "event_timestamp": "1772357400000",
        "execution_arn": _ARN,
    }
    return len(json.dumps(event, separators=(",", ":"))) + _PER_EVENT


def weight(rig: Rig) -> int:
    """Return the bytes of everything that functions have logged."""
    return sum(len(line.encode()) + _PER_EVENT for line in logs(rig.engine))
