"""The local engine with faults on order: refused entries, a table that takes no writes, a forgotten window.

MiniStack never refuses an entry and never tires of writing, so these faults stand between the
application and the engine. The files of a folder join it to the tests:

- orders.json, which the tests write, says what is to go wrong;
- progress.json says how many records the converter has handled, and how many executions run, also
  stopped ones whose last step goes on;
- windows.txt says when the queues forgot what they had had, a time in milliseconds to a line;
- left.jsonl holds what was in a deleted queue.

What waits here waits a twentieth of its time.
"""

import json
import os
import time
from pathlib import Path
from threading import Lock
from typing import Any

import ministack.app
from ministack.core.responses import error_response_json
from ministack.services import dynamodb, lambda_svc, sqs, stepfunctions

from local.engine_process import mend

FOLDER = Path(os.environ["FAULTS"])
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}
PACE = 0.05

_send_message, _delete_queue, _handle_dynamodb = sqs._act_send_message, sqs._act_delete_queue, dynamodb.handle_request
_poll = lambda_svc._poll_dynamodb_streams
_queues, _progress = Lock(), Lock()
_past_windows = {0}
_running = 0


def orders() -> dict[str, Any]:
    """What faults are ordered at the moment."""
    ordered: dict[str, Any] = json.loads((FOLDER / "orders.json").read_text())
    return ordered


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
    time.sleep(0.002)


def send_message(data: dict[str, Any], url: str) -> Any:
    """Send, unless the queue is to refuse the event or its group; begin a new window when told to."""
    with _queues:
        ordered = orders()
        if ordered["window"] not in _past_windows:
            _past_windows.add(ordered["window"])
            forget_window()
        queue_name = data.get("QueueUrl", url).rsplit("/", 1)[-1]
        refused = set(ordered["refused"].get(queue_name, []))
        if {data.get("MessageGroupId"), data.get("MessageDeduplicationId")} & refused:
            raise sqs._Err("InternalError", "ordered", 500)
        return _send_message(data, url)


def delete_queue(data: dict[str, Any], url: str) -> Any:
    """Delete a queue; write down what nobody had read."""
    with _queues:
        left = sqs._get_q(data.get("QueueUrl", url), "sqs:DeleteQueue")["messages"]
        with (FOLDER / "left.jsonl").open("a") as file:
            file.writelines(
                json.dumps({"body": one["body"], "sent": one["sys"]["SentTimestamp"]}) + "\n" for one in left
            )
        return _delete_queue(data, url)


async def handle_dynamodb(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Any:
    """Handle a call, unless it writes to the table that is to take no writes."""
    action = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
    if action in WRITES and orders()["unwritable"].encode() in body:
        return error_response_json("InternalServerError", "ordered", 500)
    return await _handle_dynamodb(method, path, headers, body, query)


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
    sqs._act_send_message = send_message
    sqs._HANDLERS |= {"SendMessage": send_message, "DeleteQueue": delete_queue}
    dynamodb.handle_request = handle_dynamodb
    ministack.app.main()
