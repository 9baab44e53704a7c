"""A client as it sees its own queue: the worked consumer in this process, over a table in memory.

Its batches go through the processor that the consumer's handler has. Whoever attacks the pipeline gives it what the
queue holds, and looks at what it then keeps.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from local.queues import Message
from mark_consumer.consumer import Mark, Verdict, consume, message_of
from mark_consumer.store import MarkTable
from tests.dynamodb_in_memory import DynamoDBInMemory


class ClientView:
    """A client with a store of its own."""

    def __init__(self, dynamodb: DynamoDBInMemory | None = None) -> None:
        self.dynamodb = dynamodb or DynamoDBInMemory()
        self.store = MarkTable("marks", self.dynamodb)
        self.verdicts: Counter[Verdict] = Counter()
        self.missing = 0
        """How many versions were missing before those that came."""

    def consume(self, messages: Iterable[Message]) -> list[Message]:
        """Take in a batch; return what has to come again, in order: what failed, and what is behind it in its group."""
        batch = list(messages)
        try:
            answer = process_partial_response(
                event={"Records": [as_record(str(place), message) for place, message in enumerate(batch)]},
                record_handler=self._take,
                processor=SqsFifoPartialProcessor(skip_group_on_error=True),
            )
        except BatchProcessingError:  # all of it failed
            return batch
        return [batch[int(str(one["itemIdentifier"]))] for one in answer["batchItemFailures"]]

    def keeps(self) -> dict[str, Mark]:
        """Return what it keeps of each group."""
        return {group: self.store.mark(group) for group, sk in self.dynamodb.contents() if sk == "mark"}

    def _take(self, record: SQSRecord) -> None:
        verdict, missing = consume(message_of(record.raw_event), self.store)
        self.verdicts[verdict] += 1
        self.missing += missing


def as_record(message_id: str, message: Message) -> dict[str, Any]:
    """Return a message as the event source mapping gives it to a function."""
    return {
        "messageId": message_id,
        "receiptHandle": "r",
        "body": message.body,
        "attributes": {"MessageGroupId": message.group_id},
        "messageAttributes": {
            name: {"stringValue": text, "dataType": "String"} for name, text in message.attributes.items()
        },
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-2:123456789012:MarkFanOutClientA.fifo",
        "awsRegion": "eu-west-2",
    }
