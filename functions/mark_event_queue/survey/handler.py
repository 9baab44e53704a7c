"""Entry point of the survey function: wiring only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from mark_event_queue.adapters.clients import Clients
from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.adapters.histories import HistoriesTable
from mark_event_queue.adapters.settings import required
from mark_event_queue.adapters.undelivered_records import UndeliveredRecords
from mark_event_queue.survey.survey import survey

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()
# Why somebody who registered gets nothing, the converter's log tells.
clients = Clients(required("CLIENTS_PATH"), on_unserved=lambda _: None)
table = HeldEventsTable(required("PARKED_EVENTS_TABLE"))
histories = HistoriesTable(required("PARKED_EVENTS_TABLE"))
bucket = UndeliveredRecords(required("UNDELIVERED_RECORDS_BUCKET"))


@logger.inject_lambda_context
@metrics.log_metrics
def handler(_event: dict[str, Any], _context: LambdaContext) -> None:
    """Measure what is held back, for everybody together and by client."""
    admission = clients.admission(fresh=True)
    found = survey(table, histories, admission.subscriptions, datetime.now(UTC))
    metrics.add_metric("MalformedRegistrations", MetricUnit.Count, len(admission.malformed))
    metrics.add_metric("ClientsCrowdedOut", MetricUnit.Count, len(admission.crowded_out))
    metrics.add_metric("QuarantinedEvents", MetricUnit.Count, found.gate.events)
    metrics.add_metric("OldestQuarantinedAge", MetricUnit.Seconds, found.gate.oldest_seconds)
    metrics.add_metric("QuarantinedWithoutProgress", MetricUnit.Seconds, found.gate.idle_seconds)
    metrics.add_metric("ParkedEvents", MetricUnit.Count, found.for_clients.events)
    metrics.add_metric("OldestParkedAge", MetricUnit.Seconds, found.for_clients.oldest_seconds)
    metrics.add_metric("ParkedWithoutProgress", MetricUnit.Seconds, found.for_clients.idle_seconds)
    metrics.add_metric("HistoryWithoutProgress", MetricUnit.Seconds, found.histories_idle_seconds)
    for held in found.clients:
        dimensions = {"service": metrics.service, "client": held.recipient}
        for name, unit, value in (
            ("ParkedEvents", MetricUnit.Count, held.events),
            ("OldestParkedAge", MetricUnit.Seconds, held.oldest_seconds),
            ("ParkedWithoutProgress", MetricUnit.Seconds, held.idle_seconds),
        ):
            with single_metric(name, unit, value, default_dimensions=dimensions):
                pass
    metrics.add_metric("UndeliveredObjects", MetricUnit.Count, bucket.count())
