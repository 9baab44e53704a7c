"""Entry point of the forgetting function: wiring only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.adapters.histories import HistoriesTable
from mark_event_queue.adapters.settings import required
from mark_event_queue.forgetting.forgetting import forget_marks

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()
table = HeldEventsTable(required("PARKED_EVENTS_TABLE"))
histories = HistoriesTable(required("PARKED_EVENTS_TABLE"))


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, int]:
    """Delete what waits of removed events; answer with counts."""
    counts = forget_marks(event, table, histories)
    logger.info("forgotten", marks=counts.marks, held_events=counts.events)
    metrics.add_metric("MarksForgotten", MetricUnit.Count, counts.marks)
    metrics.add_metric("HeldEventsForgotten", MetricUnit.Count, counts.events)
    return counts._asdict()
