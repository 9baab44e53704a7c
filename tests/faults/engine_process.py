"""The local engine with faults on order: failed calls, refused entries, killed functions, a forgotten window.

MiniStack never refuses an entry and never tires of writing, so these faults stand between the
application and the engine. The files of a folder join it to the tests:

- orders.json, which the tests write, says what is to go wrong: faults of a `kind`, each at one `target` (a
  queue, a table, a function, a state machine), the next `times` or until it is taken back;
- met.txt says which faults met something: the name of a fault to a line, written when it first fails a call, and
  never again however many calls it fails;
- progress.json says how many records the converter has handled, and how many executions run, also
  stopped ones whose last step goes on;
- windows.txt says when the queues forgot what they had had, a time in milliseconds to a line;
- left.jsonl holds what was in a deleted queue.

What waits here waits a twentieth of its time: states before they try again, and functions before they do.
"""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Lock, Timer, local
from typing import Any

import ministack.app
from ministack.core import lambda_runtime
from ministack.core.lambda_runtime import Worker
from ministack.core.responses import error_response_json
from ministack.services import dynamodb, lambda_svc, sqs, stepfunctions

from local.engine_process import mend

FOLDER = Path(os.environ["FAULTS"])
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}
PACE = 0.05
PACED_SLEEP = f"""import time
_sleep = time.sleep
time.sleep = lambda seconds: _sleep(seconds * {PACE})
"""

_send_message, _send_message_batch, _delete_queue = (
    sqs._act_send_message,
    sqs._act_send_message_batch,
    sqs._act_delete_queue,
)
_handle_dynamodb, _call_lambda = dynamodb.handle_request, stepfunctions._call_lambda
_start_sync_execution = stepfunctions._start_sync_execution
_invoke, _end, _wait_for_end = Worker.invoke, lambda_runtime._signal, lambda_runtime._collect
_invocation = local()
_poll = lambda_svc._poll_dynamodb_streams
_queues, _progress, _meetings = Lock(), Lock(), Lock()
_met: Counter[int] = Counter()
_past_windows: set[int] = set()
_accepted: set[tuple[str, str]] = set()
_forgotten: set[tuple[str, str]] = set()
_running = 0


def orders(kind: str, target: str) -> list[dict[str, Any]]:
    """What faults of a kind are ordered at a target, at the moment, and have not happened as often as they are to."""
    ordered = json.loads((FOLDER / "orders.json").read_text())
    here = [one for one in ordered if (one["kind"], one["target"]) == (kind, target)]
    return [one for one in here if one["times"] is None or _met[one["number"]] < one["times"]]


def meets(kind: str, target: str, ids: Iterable[Any] = ()) -> bool:
    """Whether a fault that is ordered meets what happens now; a call meets one fault, and one with ids just these."""
    with _meetings:
        met = next((one for one in orders(kind, target) if not one["ids"] or set(one["ids"]) & set(ids)), None)
        if met:
            _met[met["number"]] += 1
            if _met[met["number"]] == 1:
                tell_met(met["name"])
        return met is not None


def tell_met(name: str) -> None:
    """Write down that a fault has met something."""
    with (FOLDER / "met.txt").open("a") as file:
        file.write(f"{name}\n")


def tell_progress(started: int = 0) -> None:
    """Write down how far the stream is and how many executions run."""
    global _running  # noqa: PLW0603 (the process has one)
    with _progress:
        _running += started
        draft = FOLDER / "progress.draft"
        handled = sum(lambda_svc._dynamodb_stream_positions.values())
        draft.write_text(json.dumps({"handled": handled, "running": _running}))
        draft.replace(FOLDER / "progress.json")


def forget_window() -> None:
    """Have the queues forget what they have had; no message was sent in the millisecond that is written down."""
    time.sleep(0.002)
    with (FOLDER / "windows.txt").open("a") as windows:
        windows.write(f"{int(time.time() * 1000)}\n")
    for queue in list(sqs._queues.values()):
        queue["dedup_cache"] = {}
    _forgotten.update(_accepted)
    time.sleep(0.002)


def send_message(data: dict[str, Any], url: str) -> Any:
    """Send, unless the queue is to refuse the event or its group; begin a new window when told to."""
    with _queues:
        for window in orders("window", ""):
            if window["number"] not in _past_windows:
                _past_windows.add(window["number"])
                forget_window()
        queue_name = name_of_queue(data, url)
        ids = data.get("MessageGroupId"), data.get("MessageDeduplicationId")
        if meets("failed entry", queue_name, ids):
            raise sqs._Err("InternalError", "ordered", 500)
        try:
            answer = _send_message(data, url)
        except sqs._Err as error:
            meet_closed(queue_name, error)
            raise
        sent = queue_name, str(data.get("MessageDeduplicationId"))
        if sent in _forgotten:
            _forgotten.discard(sent)
            meets("window", "")
        _accepted.add(sent)
        return answer


def send_message_batch(data: dict[str, Any], url: str) -> Any:
    """Send a batch, unless the call is to fail as a whole."""
    queue_name = name_of_queue(data, url)
    if meets("throttled call", queue_name):
        raise sqs._Err("RequestThrottledException", "ordered")
    if meets("failed call", queue_name):
        raise sqs._Err("SqsException", "ordered (Service: Sqs, Status Code: 500)", 500)
    try:
        return _send_message_batch(data, url)
    except sqs._Err as error:
        meet_closed(queue_name, error)
        raise


def name_of_queue(data: dict[str, Any], url: str) -> str:
    """Return the name of the queue that a call is for."""
    return str(data.get("QueueUrl", url)).rsplit("/", 1)[-1]


def meet_closed(queue_name: str, error: Exception) -> None:
    """Note that a call has met a queue that is gone, or one that nobody may write to."""
    meets("access taken" if "AccessDenied" in str(vars(error)) else "queue deleted", queue_name)


def delete_queue(data: dict[str, Any], url: str) -> Any:
    """Delete a queue; write down what nobody had read."""
    with _queues:
        left = sqs._get_q(data.get("QueueUrl", url), "sqs:DeleteQueue")["messages"]
        with (FOLDER / "left.jsonl").open("a") as file:
            file.writelines(
                json.dumps({"body": one["body"], "sent": one["sys"]["SentTimestamp"]}) + "\n" for one in left
            )
        return _delete_queue(data, url)


async def handle_dynamodb(method: str, path: str, headers: dict[str, str], body: Any, query: dict[str, Any]) -> Any:
    """Handle a call, unless it is a write that the table is to refuse, or a read of whom anything is held."""
    text = body.decode()
    action = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
    if action in WRITES and any(meets("failed write", table) for table in tables_in(text)):
        return error_response_json("InternalServerError", "ordered", 500)
    if action == "Query" and '"RECIPIENTS"' in text and any(meets("failed read", table) for table in tables_in(text)):
        return error_response_json("InternalServerError", "ordered", 500)
    return await _handle_dynamodb(method, path, headers, body, query)


def tables_in(text: str) -> set[str]:
    """Return the tables that a call is about, of those of which faults are ordered."""
    ordered = json.loads((FOLDER / "orders.json").read_text())
    targets = {one["target"] for one in ordered if one["kind"] in {"failed write", "failed read"}}
    return {target for target in targets if target in text}


def call_lambda(function: str, event: Any) -> Any:
    """Invoke a function for a state machine, unless the call is to be throttled."""
    if meets("throttled function", function.rpartition(":function:")[2].partition(":")[0]):
        raise stepfunctions._ExecutionError("Lambda.TooManyRequestsException", "ordered")
    return _call_lambda(function, event)


def start_sync_execution(data: dict[str, Any]) -> Any:
    """Run an execution, unless it is not to be started, or nobody is to learn how it ended."""
    if meets("execution not started", data["stateMachineArn"]):
        return error_response_json("ServiceUnavailable", "ordered", 503)
    answer = _start_sync_execution(data)
    if meets("answer lost", data["stateMachineArn"]):
        return error_response_json("InternalFailure", "ordered", 500)
    return answer


def invoke(worker: Any, *call: Any, **more: Any) -> Any:
    """Invoke a function, and kill its process meanwhile if that is ordered; note it if anybody has killed it."""
    process, kills = worker._proc, orders("kill", worker.func_name)
    is_warm = process is not None and process.poll() is None
    timers = [Timer(one["after"], kill, [process]) for one in kills[:1] if is_warm]
    _invocation.over, _invocation.kept = time.monotonic() + worker.config.get("Timeout", 30), None
    for timer in timers:
        timer.start()
    answer = _invoke(worker, *call, **more)
    for timer in timers:
        timer.cancel()
    _invocation.over = 0
    # What ends in any other way leaves an answer, or had its time; one that is idle when it is killed says nothing.
    has_died = answer.get("error") in {"Worker process died", "[Errno 32] Broken pipe"}
    if is_warm and has_died and not meets("kill", worker.func_name):
        tell_met(worker.func_name)
    worker._proc = worker._proc or (None if has_died else _invocation.kept)
    return answer


def end(process: Any) -> None:
    """End a process whose time is up; keep one that has only raised an error, as AWS does and MiniStack does not."""
    if time.monotonic() < getattr(_invocation, "over", 0) and process.poll() is None:
        _invocation.kept = process
    else:
        _end(process)


def wait_for_end(process: Any, deadline: float) -> None:
    """Wait for a process that is to end."""
    if process is not getattr(_invocation, "kept", None):
        _wait_for_end(process, deadline)


def spawn(worker: Any) -> None:
    """Start a function's process, which sleeps a twentieth of its time: Python imports sitecustomize by itself."""
    settings = worker.config.get("Environment", {}).get("Variables", {})
    worker.config = worker.config | {"Environment": {"Variables": settings | {"PYTHONPATH": str(FOLDER)}}}
    _spawn(worker)


def kill(process: Any) -> None:
    """Kill a process that runs a function."""
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)


def run_execution(execution_arn: str) -> None:
    """Run an execution, which is not over before its thread is, whatever its status says."""
    tell_progress(+1)
    try:
        _run_execution(execution_arn)
    finally:
        tell_progress(-1)


def poll_streams() -> bool:
    """Have the converter handle what the stream holds."""
    polled: bool = _poll()
    tell_progress()
    return polled


if __name__ == "__main__":
    mend()
    _run_execution = stepfunctions._run_execution
    stepfunctions._run_execution = run_execution
    stepfunctions._SFN_WAIT_SCALE = PACE
    lambda_svc._poll_dynamodb_streams = poll_streams
    lambda_svc._ESM_BACKOFF_SECONDS *= PACE
    stepfunctions._call_lambda = call_lambda
    stepfunctions._start_sync_execution = start_sync_execution
    (FOLDER / "sitecustomize.py").write_text(PACED_SLEEP)
    _spawn = Worker._spawn
    Worker._spawn = spawn
    Worker.invoke = invoke
    lambda_runtime._signal, lambda_runtime._collect = end, wait_for_end
    sqs._act_send_message = send_message
    sqs._HANDLERS |= {
        "SendMessage": send_message,
        "SendMessageBatch": send_message_batch,
        "DeleteQueue": delete_queue,
    }
    dynamodb.handle_request = handle_dynamodb
    ministack.app.main()
