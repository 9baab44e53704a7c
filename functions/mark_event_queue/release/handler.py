"""Entry point of the release function: wiring only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from mark_event_queue.adapters.clients import Clients
from mark_event_queue.adapters.executions import READ_TIMEOUT_SECONDS, Executions
from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.adapters.settings import one_of, required
from mark_event_queue.adapters.telemetry import tell_unserved
from mark_event_queue.domain.batches import RELEASE, SPARE_SECONDS, Batch, input_of
from mark_event_queue.domain.budget import budget
from mark_event_queue.domain.events import Event
from mark_event_queue.domain.rejected import RejectedEvents
from mark_event_queue.domain.rounds import Entry
from mark_event_queue.release.release import release_lane, withheld_in

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Left of an invocation when it takes no further batch: the wait for an execution, and so much more that what it
# has in hand is sent while the queues still drop repeats of what another release has sent (see RELEASE).
_SPARE_MILLISECONDS = (READ_TIMEOUT_SECONDS + SPARE_SECONDS) * 1000

logger = Logger()
metrics = Metrics()
clients = Clients(
    required("CLIENTS_PATH"),
    lambda admission: tell_unserved(logger, admission),
    int(required("CLIENTS_CACHE_SECONDS")),
)
executions = Executions(required("STATE_MACHINE_ARN"))
table = HeldEventsTable(required("PARKED_EVENTS_TABLE"))
rejected_events = one_of(RejectedEvents, required("REJECTED_EVENTS"))


class Deliveries:
    """The state machine, which judges by the deployed contract and delivers what passes."""

    def __init__(self) -> None:
        self._clients = clients.registered()
        self.room = budget(self._clients)

    def put_through(self, events: Sequence[Event]) -> list[Entry]:
        """Have a batch judged and delivered; return what was withheld of it."""
        given = input_of(Batch(tuple(events)), self._clients, datetime.now(UTC), RELEASE, table.mentions())
        return withheld_in(executions.run(f"release-{uuid4()}", given))


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Release the sequences of a lane for the time of one invocation."""

    def has_time() -> bool:
        return context.get_remaining_time_in_millis() > _SPARE_MILLISECONDS

    answer = release_lane(event, table, Deliveries(), rejected_events.hold_marks, has_time)
    metrics.add_metric("EventsReleased", MetricUnit.Count, answer["delivered"])
    return answer
