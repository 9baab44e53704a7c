"""Unit tier, `bench.virtual`, its clock: proves that what is side by side takes the time of the longest, by hand.

It runs the local engine's own interpreter, on definitions that have one thing each.
"""

import json

import pytest
from ministack.services import stepfunctions

from bench.virtual.clock import Clock, Pool
from bench.virtual.machine import DELIVER_EVENTS, Machine
from bench.virtual.services import Message, Services, in_order
from mark_event_queue.domain.errors import BatchNotDeliveredError
from tests.builders import STATE_MACHINE


def _lasting(clock: Clock, seconds: float):
    def work() -> float:
        clock.advance(seconds)
        return seconds

    return work


def test_what_is_side_by_side_ends_with_the_last():
    """Every task starts at the same moment, whatever was run before it; results are in the order of the tasks."""
    clock = Clock()
    clock.advance(10)
    assert clock.side_by_side([_lasting(clock, seconds) for seconds in (1, 3, 2)]) == [1, 3, 2]
    assert clock.now == 13


def test_a_pool_of_two_starts_the_third_when_the_first_is_free():
    """Three, one and one second by two workers are three seconds."""
    clock = Clock()
    pool = Pool(clock, workers=2)
    ends = [pool.submit(_lasting(clock, seconds)).end for seconds in (3, 1, 1, 2)]
    assert ends == [3, 1, 2, 4]
    assert clock.now == 0


def test_an_error_comes_to_whoever_waits_when_it_happened():
    """A task that fails after a second has taken that second."""
    clock = Clock()

    def fail() -> None:
        clock.advance(1)
        raise ValueError

    task = Pool(clock).submit(fail)
    assert clock.now == 0
    with pytest.raises(ValueError):  # noqa: PT011 - it has no text
        task.result()
    assert clock.now == 1


def test_nobody_waits_longer_than_the_timeout():
    """What takes five seconds is given up after two."""
    clock = Clock()
    task = Pool(clock).submit(_lasting(clock, 5))
    with pytest.raises(TimeoutError):
        task.result(timeout=2)
    assert clock.now == 2


CALLING = {"Type": "Task", "Resource": "arn:aws:states:::call:it", "Parameters": {"seconds.$": "$"}, "End": True}


def _machine(call, **states: dict) -> tuple[Clock, Machine]:
    clock = Clock()
    definition = json.dumps({"StartAt": next(iter(states)), "States": states})
    return clock, Machine(clock, lambda _, parameters: call(clock, parameters["seconds"]), definition)


def _take(clock: Clock, seconds: float) -> float:
    clock.advance(seconds)
    return seconds


def _map(state: dict) -> dict:
    return {"Type": "Map", "ItemProcessor": {"StartAt": "Inner", "States": {"Inner": state}}, "End": True}


def test_a_map_ends_with_its_longest_iteration():
    """Iterations are side by side, those of a Map within a Map too, and their results in order."""
    clock, machine = _machine(_take, Outer=_map(_map(CALLING)))
    assert machine.run("[[1, 2], [5, 3], [4]]") == [[1, 2], [5, 3], [4]]
    assert clock.now == 5


def test_a_map_has_forty_iterations_under_way_at_most():
    """The forty-first starts when the first has ended; with MaxConcurrency it is so many fewer."""
    clock, machine = _machine(_take, Outer=_map(CALLING))
    machine.run(json.dumps([1] * 40))
    assert clock.now == 1
    machine.run(json.dumps([1] * 41))
    assert clock.now == 1 + 2
    clock, machine = _machine(_take, Outer=_map(CALLING) | {"MaxConcurrency": 1})
    machine.run("[1, 2, 3]")
    assert clock.now == 6


def test_tries_and_the_waits_between_them_take_time():
    """A call of a second that succeeds at the third try: three seconds, and waits of one and two."""
    tries = []

    def call(clock: Clock, seconds: float) -> float:
        tries.append(clock.now)
        _take(clock, seconds)
        if len(tries) < 3:
            raise stepfunctions._ExecutionError("Sqs.SqsException", "")
        return seconds

    retry = [{"ErrorEquals": ["Sqs.SqsException"], "IntervalSeconds": 1, "BackoffRate": 2, "MaxAttempts": 2}]
    clock, machine = _machine(call, Call=CALLING | {"Retry": retry})
    machine.run("1")
    assert tries == [0, 2, 5]
    assert clock.now == 6


def test_a_task_is_given_up_after_its_timeout():
    """A call of five seconds in a state that waits for two."""
    clock, machine = _machine(_take, Call=CALLING | {"TimeoutSeconds": 2})
    with pytest.raises(BatchNotDeliveredError, match=r"States\.Timeout"):
        machine.run("5")
    assert clock.now == 2


def test_a_wait_takes_its_time():
    """And nobody's else."""
    clock, machine = _machine(_take, Wait={"Type": "Wait", "Seconds": 3600, "Next": "Call"}, Call=CALLING)
    machine.run("1")
    assert clock.now == 3601


def test_a_parallel_state_is_refused():
    """Its threads would share the clock, and the times would be wrong."""
    _, machine = _machine(_take, Both={"Type": "Parallel", "Branches": [], "End": True})
    with pytest.raises(NotImplementedError):
        machine.run("1")


def test_what_no_sound_batch_needs_is_refused():
    """A call that is not modelled must not pass for one that did something."""
    services = Services(Clock(), 0.02, {})
    with pytest.raises(NotImplementedError, match="ParkFunctionArn"):
        services.call("arn:aws:states:::lambda:invoke", {"FunctionName": "ParkFunctionArn", "Payload": {}})
    with pytest.raises(NotImplementedError, match="sns:publish"):
        services.call("arn:aws:states:::sns:publish", {})


def _message(number: int, sent: float, arrived: float, call: int = 0, group_id: str = "A") -> Message:
    return Message(group_id, f"{number}", f"{number}", sent, arrived, call or number)


def test_order_is_that_of_each_group_and_of_the_calls():
    """A message may leave when the one before it has arrived, or in the same call behind it; not before."""
    assert in_order([_message(1, 0, 1), _message(2, 1, 2), _message(1, 0, 5, group_id="B")])
    assert in_order([_message(1, 0, 1, call=7), _message(2, 0, 1, call=7)])
    assert not in_order([_message(2, 0, 1), _message(1, 1, 2)])
    assert not in_order([_message(1, 0, 1), _message(1, 1, 2)])
    assert not in_order([_message(1, 0, 1), _message(2, 0, 1)])
    assert not in_order([_message(1, 0, 1), _message(2, 0.5, 2)])
    assert not in_order([_message(2, 0, 1, call=7), _message(1, 0, 1, call=7)])


def test_the_definition_is_the_one_that_is_deployed():
    """Not a copy."""
    assert DELIVER_EVENTS == STATE_MACHINE
