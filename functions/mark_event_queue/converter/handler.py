"""Entry point of the converter function: wiring only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from mark_event_queue.adapters.clients import Clients
from mark_event_queue.adapters.executions import READ_TIMEOUT_SECONDS, Executions
from mark_event_queue.adapters.settings import required
from mark_event_queue.adapters.telemetry import tell_unserved
from mark_event_queue.converter.conversion import Failures, deliver
from mark_event_queue.domain.batches import Batch
from mark_event_queue.domain.clients import Admission
from mark_event_queue.domain.events import lacks_image

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()


def _tell_unserved(admission: Admission) -> None:
    tell_unserved(logger, admission)
    metrics.add_metric("MalformedRegistrations", MetricUnit.Count, len(admission.malformed))
    metrics.add_metric("ClientsCrowdedOut", MetricUnit.Count, len(admission.crowded_out))


def _tell_stop(batch: Batch, reason: str) -> None:
    logger.error("stopped; the stream will bring this batch again", reason=reason, first=batch.checkpoint)
    metrics.add_metric("BatchesNotDelivered", MetricUnit.Count, 1)


clients = Clients(required("CLIENTS_PATH"), _tell_unserved, int(required("CLIENTS_CACHE_SECONDS")))
executions = Executions(required("STATE_MACHINE_ARN"))


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> Failures:
    """Deliver the records of one stream invocation; answer as ReportBatchItemFailures asks."""

    def run(batch: Batch, payload: str) -> None:
        executions.run(f"{batch.checkpoint}-{batch.size}-{context.aws_request_id[:8]}", payload)
        metrics.add_metric("EventsConverted", MetricUnit.Count, len(batch.events))

    def has_time() -> bool:
        return context.get_remaining_time_in_millis() > READ_TIMEOUT_SECONDS * 1000

    records = event["Records"]
    metrics.add_metric("RecordsWithoutImage", MetricUnit.Count, sum(map(lacks_image, records)))
    return deliver(records, clients.admission().subscriptions.values(), run, has_time, _tell_stop)
