"""The definition, run by the local engine's own interpreter in this process, with a clock instead of waiting."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from ministack.services import stepfunctions

from bench.virtual.clock import Clock, Pool, wait
from mark_event_queue.domain.errors import BatchNotDeliveredError

DELIVER_EVENTS = Path(__file__).parents[2] / "statemachines" / "deliver-events.asl.json"

# Step Functions Developer Guide, Inline mode: up to 40 iterations of a Map side by side.
_ITERATIONS_AT_ONCE = 40

Call = Callable[[str, dict[str, Any]], Any]
"""What a Task does with its resource and parameters."""


class Machine:
    """Runs executions of one definition, one at a time, in which only calls and waits between tries take time.

    What the template puts into the definition is called here by its own name: the function of
    `${ValidatorFunctionArn}` is `ValidatorFunctionArn`. No deadline passes: the interpreter knows no
    TimestampGreaterThanPath.
    """

    def __init__(self, clock: Clock, call: Call, definition: str = DELIVER_EVENTS.read_text("utf-8")) -> None:
        self._clock, self._call = clock, call
        self._definition = json.loads(re.sub(r"\$\{(\w+)}", r"\1", definition))

    def run(self, payload: str) -> Any:
        """Run one execution with this JSON text as its input, and return its output.

        Raises:
            BatchNotDeliveredError: it failed; the text is its error and cause.
        """
        given = json.loads(payload)
        context = {
            "QueryLanguage": self._definition.get("QueryLanguage", "JSONPath"),
            "variables": {},
            "Execution": {"Id": "execution", "Name": "execution", "Input": given, "StartTime": stepfunctions.now_iso()},
            "StateMachine": {"Id": "machine", "Name": "machine"},
        }
        start, states = self._definition["StartAt"], self._definition["States"]
        with self._in_virtual_time():
            try:
                return stepfunctions._run_sub_machine(states, start, given, {"events": []}, context)
            except stepfunctions._ExecutionError as error:
                raise BatchNotDeliveredError(str(error)) from error

    @contextmanager
    def _in_virtual_time(self) -> Iterator[None]:
        clock = self._clock
        with mock.patch.multiple(
            stepfunctions,
            ThreadPoolExecutor=lambda max_workers: Pool(clock, min(max_workers, _ITERATIONS_AT_ONCE)),
            futures_wait=partial(wait, clock=clock),
            _invoke_resource=self._call,
            _scaled_sleep=clock.advance,
            _execute_parallel=_refuse,  # its threads would share the clock
        ):
            yield


def _refuse(*_: Any) -> None:
    raise NotImplementedError("a Parallel state")
