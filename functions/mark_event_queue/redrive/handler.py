"""Entry point of the redrive function: one step of the redrive state machine each; wiring only."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics

from mark_event_queue.adapters.clients import Clients
from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.adapters.histories import HistoriesTable
from mark_event_queue.adapters.queues import ClientQueues
from mark_event_queue.adapters.settings import required
from mark_event_queue.adapters.telemetry import count_for_client, tell_unserved
from mark_event_queue.redrive.redrive import aim, conclude, describe, discard, list_lanes, redrive_lane
from mark_event_queue.redrive.request import parse
from mark_event_queue.redrive.standing import Standing, deployed, standing_of

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Left of an invocation when it takes no further wave: more than a call and its retries take.
_SPARE_MILLISECONDS = 25_000

Answer = dict[str, Any]

logger = Logger()
metrics = Metrics()
clients = Clients(required("CLIENTS_PATH"), lambda admission: tell_unserved(logger, admission))
table = HeldEventsTable(required("PARKED_EVENTS_TABLE"))
histories = HistoriesTable(required("PARKED_EVENTS_TABLE"))
queues = ClientQueues()
schemas = Path(required("SCHEMAS_FOLDER"))


def check(request: Answer, _context: LambdaContext) -> Answer:
    """Check what was asked, and find the client's queue if there may be something to send."""
    asked = parse(request)
    asked.demand_open(_standing(asked.recipient))
    return aim(asked.as_state() | {"queueUrl": clients.queue_url(asked.recipient, needed=asked.needs_queue)}, table)


@metrics.log_metrics
def redrive(request: Answer, context: LambdaContext) -> Answer:
    """Deliver the sequences of a lane for the time of one invocation."""
    answer = redrive_lane(request, table, queues, _has_time(context), _standing(request["recipient"]))
    count_for_client(metrics, "EventsRedriven", request["recipient"], answer["delivered"])
    return answer


@metrics.log_metrics
def give_up(request: Answer, context: LambdaContext) -> Answer:
    """Discard what was asked, on record."""
    answer = discard(request, table, _has_time(context))
    events = answer["discarded"] - request["discarded"]
    logger.warning("discarded", recipient=request["recipient"], events=events, by=request["by"])
    count_for_client(metrics, "EventsDiscarded", request["recipient"], events)
    return answer


STEPS: dict[str, Callable[[Answer, LambdaContext], Answer]] = {
    "check": check,
    "describe": lambda request, _: describe(request, table),
    "discard": give_up,
    "list": lambda request, _: list_lanes(request, table),
    "redrive": redrive,
    "conclude": lambda request, _: conclude(request, table),
}


@logger.inject_lambda_context
def handler(event: Answer, context: LambdaContext) -> Answer:
    """Do one step of a redrive: `{step, request}`."""
    return STEPS[event["step"]](event["request"], context)


def _standing(recipient: str) -> Standing:
    return standing_of(recipient, clients, histories, datetime.now(UTC), partial(deployed, schemas))


def _has_time(context: LambdaContext) -> Callable[[], bool]:
    return lambda: context.get_remaining_time_in_millis() > _SPARE_MILLISECONDS
