"""What a queue holds, read with an ordinary boto3 client as a client team would."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from local.engine import Engine


@dataclass(frozen=True)
class Message:
    """A message as it came out of a queue."""

    body: str
    group_id: str
    attributes: dict[str, str]
    sent: int = 0
    """When the queue accepted it, in milliseconds."""

    @property
    def event(self) -> Any:
        """The event, numbers exact."""
        return json.loads(self.body, parse_float=Decimal, parse_int=Decimal)

    @property
    def event_id(self) -> str:
        """The event's identity, from the message attribute that clients rely on."""
        return self.attributes["eventId"]

    @property
    def sequence_number(self) -> int:
        """The stream's sequence number."""
        return int(self.attributes["sequenceNumber"])


def drain(engine: Engine, queue_url: str) -> list[Message]:
    """Take every message out of a queue, in the order in which the queue gives them."""
    queue = engine.client("sqs")
    messages: list[Message] = []
    while True:
        received = queue.receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["MessageGroupId", "SentTimestamp"],
        ).get("Messages", [])
        if not received:
            return messages
        for message in received:
            attributes = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
            told = message["Attributes"]
            messages.append(Message(message["Body"], told["MessageGroupId"], attributes, int(told["SentTimestamp"])))
        handles = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(received)]
        queue.delete_message_batch(QueueUrl=queue_url, Entries=handles)


def depth(engine: Engine, queue_url: str) -> int:
    """Return how many messages a queue holds that nobody has received."""
    name = "ApproximateNumberOfMessages"
    attributes = engine.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=[name])
    return int(attributes["Attributes"][name])


def until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: it did not come true in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.1)
