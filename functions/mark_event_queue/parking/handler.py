"""Entry point of the parking function: wiring only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics

from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.adapters.settings import required
from mark_event_queue.adapters.telemetry import count_for_client
from mark_event_queue.domain.rounds import Plan
from mark_event_queue.parking.parking import park

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()
table = HeldEventsTable(required("PARKED_EVENTS_TABLE"))


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: LambdaContext) -> Plan:
    """Park what a round could not deliver; answer with the plan that can go on."""
    plan = park(event, table)
    parked = plan["parked"] - event["plan"]["parked"]
    errors = sorted({*event["sent"]["errors"], *event["sent"]["resent"]["errors"]})
    logger.warning("parked", client=event["client"], events=parked, errors=errors)
    count_for_client(metrics, "EventsParked", event["client"], parked)
    return plan
