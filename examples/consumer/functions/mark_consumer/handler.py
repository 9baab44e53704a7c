"""Entry point of the consumer: wiring only."""

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from mark_consumer.consumer import consume, message_of
from mark_consumer.store import MarkTable

logger = Logger()
metrics = Metrics()
store = MarkTable(os.environ["MARK_TABLE"])
# A group waits behind its failed message; the other groups of the batch go on.
processor = SqsFifoPartialProcessor(skip_group_on_error=True)


def take(record: SQSRecord) -> None:
    """Take one message in, and count what became of it."""
    verdict, missing = consume(message_of(record.raw_event), store)
    metrics.add_metric(verdict.name.title().replace("_", ""), MetricUnit.Count, 1)
    metrics.add_metric("VersionsMissing", MetricUnit.Count, missing)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Take in a batch; answer which messages, and those behind them in their groups, have to come again."""
    return process_partial_response(event=event, record_handler=take, processor=processor, context=context)
