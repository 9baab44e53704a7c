"""The two functions of the original pattern, as plainly as it has them."""

import json
import os
from decimal import Decimal
from typing import Any

import boto3
from boto3.dynamodb.types import TypeDeserializer

sqs = boto3.client("sqs")
deserializer = TypeDeserializer()


def write_to_fan_out_queue(event: dict[str, Any], _context: Any) -> None:
    """Send the one record's event to the fan-out queue."""
    for record in event["Records"]:
        image = record["dynamodb"]["NewImage"]
        item = {name: deserializer.deserialize(attribute) for name, attribute in image.items()}
        _send(os.environ["FAN_OUT_QUEUE_URL"], item["eventId"], json.dumps(item, default=_number))
        _log(f"{item['eventId']} is in the fan-out queue")


def write_to_client_queues(event: dict[str, Any], _context: Any) -> None:
    """Send the one message to every client's queue; the poller deletes it after that."""
    for message in event["Records"]:
        event_id = message["attributes"]["MessageDeduplicationId"]
        for queue_url in os.environ["CLIENT_QUEUE_URLS"].split(","):
            _send(queue_url, event_id, message["body"])
        _log(f"{event_id} is in the clients' queues")


def _send(queue_url: str, event_id: str, body: str) -> None:
    sqs.send_message(
        QueueUrl=queue_url,
        MessageBody=body,
        MessageGroupId="mark-event",
        MessageDeduplicationId=event_id,
        MessageAttributes={"eventId": {"DataType": "String", "StringValue": event_id}},
    )


def _log(line: str) -> None:
    if os.environ["LOG_LINES"] == "true":
        print(line)


def _number(value: Any) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)
