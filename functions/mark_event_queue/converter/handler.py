"""Entry point of the converter function: wiring only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics

from mark_event_queue.adapters.clients import Clients
from mark_event_queue.adapters.executions import READ_TIMEOUT_SECONDS, Executions
from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.adapters.settings import required
from mark_event_queue.adapters.telemetry import counted_as, counting, tell_unserved
from mark_event_queue.converter.conversion import Converter, Failures, Pipeline
from mark_event_queue.domain.batches import Batch
from mark_event_queue.domain.errors import ClientsUnavailableError
from mark_event_queue.domain.events import lacks_image

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()


clients = Clients(
    required("CLIENTS_PATH"),
    lambda admission: tell_unserved(logger, admission),
    int(required("CLIENTS_CACHE_SECONDS")),
)
tracks = int(required("TRACKS"))
converter = Converter(tracks)
executions = Executions(required("STATE_MACHINE_ARN"), at_once=tracks)
table = HeldEventsTable(required("PARKED_EVENTS_TABLE"))


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> Failures:
    """Deliver the records of one stream invocation; answer as ReportBatchItemFailures asks."""
    with counting(metrics, "EventsConverted", "BatchesNotDelivered") as count:

        def run(batch: Batch, payload: str) -> None:
            executions.run(f"{batch.checkpoint}-{context.aws_request_id[:4]}", payload)
            count("EventsConverted", len(batch.events))

        def has_time() -> bool:
            return context.get_remaining_time_in_millis() > READ_TIMEOUT_SECONDS * 1000

        def on_stop(batch: Batch, reason: str) -> None:
            logger.error("stopped; the stream will bring this batch again", reason=reason, first=batch.checkpoint)
            count("BatchesNotDelivered", 1)

        records = event["Records"]
        count("RecordsWithoutImage", sum(map(lacks_image, records)))
        with counted_as("BatchesNotDelivered", ClientsUnavailableError, count):
            served = clients.admission().subscriptions.values()
        return converter.deliver(records, served, Pipeline(run, table.mentions, has_time, on_stop))
