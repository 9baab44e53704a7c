"""Entry point of the history function: one step of the history state machine each; wiring only."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aws_lambda_powertools import Logger, Metrics

from mark_event_queue.adapters.clients import Clients
from mark_event_queue.adapters.event_table import EventTable
from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.adapters.histories import HistoriesTable
from mark_event_queue.adapters.queues import ClientQueues
from mark_event_queue.adapters.settings import one_of, required
from mark_event_queue.adapters.telemetry import count_for_client, tell_unserved
from mark_event_queue.domain.contract import load
from mark_event_queue.domain.rejected import RejectedEvents
from mark_event_queue.history.bringing import Sender, bring_mark, read_segment
from mark_event_queue.history.course import begin, conclude, describe
from mark_event_queue.history.due import Moment, check
from mark_event_queue.history.pace import Pace
from mark_event_queue.history.past import Rules
from mark_event_queue.history.ports import Stores
from mark_event_queue.history.request import EVENTS_PER_SECOND, parse

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Left of an invocation when it sends no further wave: more than a call, its retries and what follows take.
_SPARE_MILLISECONDS = 60_000

Answer = dict[str, Any]

logger = Logger()
metrics = Metrics()
clients_path = required("CLIENTS_PATH")
cache_seconds = int(required("CLIENTS_CACHE_SECONDS"))
clients = Clients(clients_path, lambda admission: tell_unserved(logger, admission), cache_seconds=0)
contracts = load(Path(required("SCHEMAS_FOLDER")))
rejected_events = one_of(RejectedEvents, required("REJECTED_EVENTS"))
histories = HistoriesTable(required("PARKED_EVENTS_TABLE"))
held = HeldEventsTable(required("PARKED_EVENTS_TABLE"))
stores = Stores(EventTable(required("EVENT_TABLE")), histories, held, ClientQueues())


def what_is_due(request: Answer, _context: LambdaContext) -> Answer:
    """Find out what is due for the client that is named, or whose registration changed."""
    asked = parse(request, clients_path)
    moment = Moment(datetime.now(UTC), uuid4().hex[:12], cache_seconds)
    return check(asked, clients.subscription(asked.client, fresh=True), stores, moment)


@metrics.log_metrics
def read(request: Answer, context: LambdaContext) -> Answer:
    """Bring the client a part of a segment."""
    before = histories.segment(request["client"], request["run"], request["segment"]).counts[1]
    pace = Pace(request["eventsPerSecond"] / request["segments"])
    answer = read_segment(request, _rules(request), stores, Sender(pace, _has_time(context)))
    count_for_client(metrics, "HistoryEventsSent", request["client"], answer["sent"] - before)
    return answer


def close(request: Answer, _context: LambdaContext) -> Answer:
    """Hold what comes of one mark from now on."""
    held.close(request["client"], request["mark"])
    return request


@metrics.log_metrics
def bring(request: Answer, context: LambdaContext) -> Answer:
    """Bring the client one mark."""
    answer = bring_mark(request, _rules(request), stores, Sender(Pace(EVENTS_PER_SECOND), _has_time(context)))
    count_for_client(metrics, "HistoryEventsSent", request["client"], answer["inHand"] - request["inHand"])
    return answer


STEPS: dict[str, Callable[[Answer, LambdaContext], Answer]] = {
    "check": what_is_due,
    "describe": lambda request, _: describe(request, stores),
    "begin": lambda request, _: begin(request, stores),
    "read": read,
    "close": close,
    "bring": bring,
    "conclude": lambda request, _: conclude(request, stores),
}


@logger.inject_lambda_context
def handler(event: Answer, context: LambdaContext) -> Answer:
    """Do one step of a history: `{step, request}`."""
    return STEPS[event["step"]](event["request"], context)


def _rules(request: Answer) -> Rules:
    return Rules(
        contracts=contracts,
        subscription=clients.demand(request["client"]),
        run=request["run"],
        given_up=histories.given_up_at_gate(),
        hold_marks=rejected_events.hold_marks,
        now=datetime.now(UTC),
    )


def _has_time(context: LambdaContext) -> Callable[[], bool]:
    return lambda: context.get_remaining_time_in_millis() > _SPARE_MILLISECONDS
