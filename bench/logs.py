"""Bytes of logs per batch: of the functions as they were written, of the execution as AWS would write them."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from bench.events import items
from bench.rig import Rig, StateSize
from local.inspection import logs

# CloudWatch Logs adds 26 bytes to every event that it takes in (CloudWatch Logs User Guide, quotas).
_PER_EVENT = 26

# An event of an Express execution's log (Step Functions Developer Guide, Logging in CloudWatch Logs).
_EXECUTION_EVENT = {
    "id": "100",
    "type": "TaskStateExited",
    "details": {"name": "Write To Fan-Out Queue"},
    "redrive_count": "0",
    "previous_event_id": "100",
    "event_timestamp": "1772357400000",
    "execution_arn": "arn:aws:states:eu-west-2:123456789012:express:DeliverEventsStateMachine-ABCDEFGHIJKL:"
    "111111111111111111111-100-abcdef01:01234567-89ab-cdef-0123-456789abcdef",
}

# Entered and exited; a task is scheduled, started and succeeds; a Map, and each of its iterations, starts and succeeds.
_EVENTS = {"Pass": 2, "Choice": 2, "Task": 5, "Map": 4, "Iteration": 2}


class LogBytes(NamedTuple):
    """Bytes per batch."""

    functions: int
    execution: int
    execution_with_data: int


def measure(rig: Rig, events: int, clients: int) -> LogBytes:
    """Deliver one batch, and weigh what it logs."""
    rig.have_clients(clients)
    rig.deliver_at_once(items(1, 1))
    before = weight(rig)
    states = rig.states_of(lambda: rig.deliver_at_once(items(events, events)))
    functions = weight(rig) - before
    return LogBytes(functions, execution_bytes(states, with_data=False), execution_bytes(states, with_data=True))


def execution_bytes(states: Sequence[StateSize], with_data: bool) -> int:
    """Return the bytes of an execution's log at level ALL; with data it has what enters and leaves each state."""
    per_event = len(json.dumps(_EXECUTION_EVENT, separators=(",", ":"))) + _PER_EVENT
    events = 2 + sum(_EVENTS[state.kind] for state in states)
    # A task's parameters and result are logged as well, about what enters and leaves it once more.
    times = {"Task": 2, "Iteration": 0}
    data = sum((state.input + state.output + state.escapes) * times.get(state.kind, 1) for state in states)
    return events * per_event + (data if with_data else 0)


def weight(rig: Rig) -> int:
    """Return the bytes of everything that functions have logged."""
    return sum(len(line.encode()) + _PER_EVENT for line in logs(rig.engine))
