"""How calls, duration and bytes grow with the batch, the clients and the events, by an invocation each."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from bench.events import EVENT_BYTES, records
from bench.rig import Calls, Rig

BATCHES = (1, 10, 50, 100, 200, 500)
CLIENTS = (1, 3, 10, 20, 40)
KILOBYTES = (0.5, 1, 5, 20, 100)
_TIMES = 3
_EVENTS_OF_A_SIZE = 50  # of 100 KB each they are 5 MB: an invocation takes 6


class Point(NamedTuple):
    """What one invocation took. Seconds are those of the local engine; bytes are what enters and leaves states."""

    varied: str
    events: int
    clients: int
    event_bytes: int
    executions: int
    calls: int
    seconds: float
    converter_seconds: float
    validator_seconds: float
    bytes_through_states: int
    largest_state: int


def measure(rig: Rig) -> Iterator[Point]:
    """Vary one of the three at a time."""
    rig.have_clients(3)
    for events in BATCHES:
        yield _point(rig, "batch", events, 3, EVENT_BYTES)
    for kilobytes in KILOBYTES:
        yield _point(rig, "event", _EVENTS_OF_A_SIZE, 3, int(kilobytes * 1024))
    for clients in CLIENTS:
        rig.have_clients(clients)
        yield _point(rig, "clients", 100, clients, EVENT_BYTES)


def _point(rig: Rig, varied: str, events: int, clients: int, event_bytes: int) -> Point:
    functions, name = rig.engine.client("lambda"), rig.function_name("ConverterFunction")
    _invoke(functions, name, records(1, 1))
    measured = [_measured(rig, functions, name, records(events, events, event_bytes)) for _ in range(_TIMES)]
    calls, executions, seconds = min(measured, key=lambda one: one[0].seconds_of("Converter"))  # noise only ever adds
    # Once more to weigh the states, inside Maps too, which takes its time.
    states = rig.states_of(lambda: _invoke(functions, name, records(events, events, event_bytes)))
    sizes = [size for state in states for size in (state.input, state.output)]
    return Point(
        varied, events, clients, event_bytes, executions, calls.total, seconds, calls.seconds_of("Converter"),
        calls.seconds_of("Validator"), sum(sizes), max(sizes),
    )  # fmt: skip


def _measured(rig: Rig, functions: Any, name: str, batch: list[dict[str, Any]]) -> tuple[Calls, int, float]:
    """Return the calls of an invocation, how many executions it had, and how many seconds they took together."""
    rig.take_calls()
    rig.take_histories()
    _invoke(functions, name, batch)
    histories = rig.take_histories()
    seconds = sum((history[-1]["timestamp"] - history[0]["timestamp"]).total_seconds() for history in histories)
    return rig.take_calls(), len(histories), seconds


def _invoke(functions: Any, name: str, batch: list[dict[str, Any]]) -> None:
    answer = functions.invoke(FunctionName=name, Payload=json.dumps({"Records": batch}))
    result = json.load(answer["Payload"])
    if result != {"batchItemFailures": []}:
        raise RuntimeError(f"the converter answered {result}")
