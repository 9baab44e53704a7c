"""Entry point of the selection function: wiring only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics

from mark_event_queue.adapters.clients import Clients
from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.adapters.histories import HistoriesTable
from mark_event_queue.adapters.settings import required
from mark_event_queue.adapters.telemetry import count_for_client, tell_unserved
from mark_event_queue.domain.rounds import Plan
from mark_event_queue.selection.selection import select

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# A client that has been resumed, or has changed its filter, should not wait for a minute.
_FRESH_SECONDS = 5

logger = Logger()
metrics = Metrics()
clients = Clients(
    required("CLIENTS_PATH"), lambda admission: tell_unserved(logger, admission), cache_seconds=_FRESH_SECONDS
)
table = HeldEventsTable(required("PARKED_EVENTS_TABLE"))
histories = HistoriesTable(required("PARKED_EVENTS_TABLE"))


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Plan]:
    """Hold what waits for a client; answer with the plan of those events to send."""
    selected = select(event, clients, table, histories, datetime.now(UTC))
    held = selected.plan["parked"]
    count_for_client(metrics, "EventsHeldBehind", event["client"], held)
    count_for_client(metrics, "EventsFiltered", event["client"], selected.filtered)
    return {"plan": selected.plan}
