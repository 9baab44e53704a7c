"""The local engine, writing down every call that functions, state machines and pollers make, as a line of JSON each.

What the benchmark itself asks of the engine, as the account's root, is not written down.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import ministack.app
from ministack.core import iam_actions, iam_evaluator
from ministack.services import lambda_svc, sqs, stepfunctions

from local.engine_process import mend

CALLS = Path(os.environ["CALLS"])
STATES = Path(os.environ["STATES"])


def write_down(call: str, **more: Any) -> None:
    """Append a call to the file that CALLS names."""
    _append(CALLS, {"call": call} | more)


def _append(path: Path, line: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(line) + "\n")


def write_down_functions() -> None:
    """Write down what functions ask of services, and how often and how long they run."""

    def extract(*request: Any, **options: Any) -> Any:
        action = extract_action(*request, **options)
        if not iam_evaluator.caller_arn().endswith(":root"):
            write_down(action)
        return action

    def execute(function: Any, config: Any, *rest: Any) -> Any:
        started = time.monotonic()
        result = execute_function(function, config, *rest)
        write_down("lambda:Invocation", name=config["FunctionName"], seconds=time.monotonic() - started)
        return result

    extract_action, execute_function = iam_actions.extract_iam_action, lambda_svc._execute_function_dispatch
    iam_actions.extract_iam_action, lambda_svc._execute_function_dispatch = extract, execute


def write_down_states() -> None:
    """Write down the tasks of state machines, every try of each."""

    def invoke(resource: str, task_input: Any) -> Any:
        service, action = resource.split(":")[-2:]
        write_down(f"{service}:{action[0].upper()}{action[1:]}")
        return invoke_resource(resource, task_input)

    invoke_resource = stepfunctions._invoke_resource
    stepfunctions._invoke_resource = invoke


def write_down_state_sizes() -> None:
    """Write down what enters and leaves every state, those inside Maps too, while the file that STATES names exists."""

    def observed(kind: str, execute: Any) -> Any:
        def observe(definition: Any, state_input: Any, *rest: Any) -> Any:
            name = rest[-1]["State"]["Name"]
            output, successor = execute(definition, state_input, *rest)
            if STATES.exists():
                texts = _text(state_input), _text(output)
                sizes = [len(text.encode()) for text in texts]
                escapes = sum(text.count(character) for text in texts for character in '"\\')
                place = {"kind": kind, "name": name}
                _append(STATES, place | {"input": sizes[0], "output": sizes[1], "escapes": escapes})
            return output, successor

        return observe

    def iterate(*arguments: Any) -> Any:
        if STATES.exists():
            of_map = arguments[-1]["State"]["Name"]
            _append(STATES, {"kind": "Iteration", "name": of_map, "input": 0, "output": 0, "escapes": 0})
        return run_iteration(*arguments)

    for kind in ("Pass", "Task", "Choice", "Map"):
        name = f"_execute_{kind.lower()}"
        setattr(stepfunctions, name, observed(kind, getattr(stepfunctions, name)))
    run_iteration = stepfunctions._run_sub_machine
    stepfunctions._run_sub_machine = iterate


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def poll_at_once() -> None:
    """Poll as soon as there is something to poll for: MiniStack rests for 50 ms after it was woken for nothing."""
    lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS = 0


def write_down_pollers() -> None:
    """Write down what Lambda's poller of a queue asks for; polls that find nothing are left out."""

    def receive(*arguments: Any) -> Any:
        messages = receive_messages(*arguments)
        if messages:
            write_down("sqs:ReceiveMessage")
        return messages

    def delete(*arguments: Any) -> None:
        write_down("sqs:DeleteMessageBatch")
        delete_messages(*arguments)

    receive_messages, delete_messages = sqs._receive_messages_for_esm, sqs._delete_messages_for_esm
    sqs._receive_messages_for_esm, sqs._delete_messages_for_esm = receive, delete


if __name__ == "__main__":
    mend()
    write_down_functions()
    write_down_states()
    write_down_state_sizes()
    write_down_pollers()
    poll_at_once()
    ministack.app.main()
