"""The local engine with faults on order: refused entries, a table that takes no writes, a forgotten window.

MiniStack never refuses an entry and never tires of writing, so these faults stand between the
application and the engine. The order is a JSON file that the tests write; see faults.py.
"""

import json
import os
from pathlib import Path
from typing import Any

import ministack.app
from ministack.core.responses import error_response_json
from ministack.services import dynamodb, sqs

from local.engine_process import mend

ORDERS = Path(os.environ["FAULTS"])
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}

_send_message, _handle_dynamodb = sqs._act_send_message, dynamodb.handle_request
_past_windows = {0}


def orders() -> dict[str, Any]:
    """What faults are ordered at the moment."""
    ordered: dict[str, Any] = json.loads(ORDERS.read_text())
    return ordered


def send_message(data: dict[str, Any], url: str) -> Any:
    """Send, unless the queue is to refuse the event or its group; begin a new window when told to."""
    ordered = orders()
    if ordered["window"] not in _past_windows:
        _past_windows.add(ordered["window"])
        for queue in list(sqs._queues.values()):
            queue["dedup_cache"] = {}
    queue_name = data.get("QueueUrl", url).rsplit("/", 1)[-1]
    if {data.get("MessageGroupId"), data.get("MessageDeduplicationId")} & set(ordered["refused"].get(queue_name, [])):
        raise sqs._Err("InternalError", "ordered", 500)
    return _send_message(data, url)


async def handle_dynamodb(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Any:
    """Handle a call, unless it writes to the table that is to take no writes."""
    action = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
    if action in WRITES and orders()["unwritable"].encode() in body:
        return error_response_json("InternalServerError", "ordered", 500)
    return await _handle_dynamodb(method, path, headers, body, query)


if __name__ == "__main__":
    mend()
    sqs._act_send_message = send_message
    sqs._HANDLERS["SendMessage"] = send_message
    dynamodb.handle_request = handle_dynamodb
    ministack.app.main()
