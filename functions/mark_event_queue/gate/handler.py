"""Entry point of the gate function: wiring only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.adapters.settings import one_of, required
from mark_event_queue.domain.rejected import RejectedEvents
from mark_event_queue.gate.gate import hold_at_gate

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()
table = HeldEventsTable(required("PARKED_EVENTS_TABLE"))
rejected_events = one_of(RejectedEvents, required("REJECTED_EVENTS"))


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Hold what broke the contract, and what follows; answer with what can go on."""
    answer = hold_at_gate(event, table, rejected_events.hold_marks)
    before, after = (len(one["withheld"]) - one["counts"]["behind"] for one in (event, answer))
    logger.info("held at the gate", events=before - after)
    metrics.add_metric("EventsQuarantined", MetricUnit.Count, before - after)
    return answer
