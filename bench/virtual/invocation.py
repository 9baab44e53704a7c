"""An invocation of the converter: the real code and the real definition, and what of both takes time.

Time is what calls take and the CPU of the functions, as measured. Nothing else: no cold start, no network
beside the calls, and no time for Step Functions to go from one state to the next.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NamedTuple

from bench.end_to_end import CLIENTS
from bench.events import records
from bench.virtual.clock import Clock
from bench.virtual.machine import Machine
from bench.virtual.services import Services, in_order
from bench.work import Work, lambda_seconds
from local.stack import SCHEMAS
from mark_event_queue.converter import conversion
from mark_event_queue.domain.batches import LIVE, Batch
from mark_event_queue.domain.clients import Subscription
from mark_event_queue.domain.contract import load
from mark_event_queue.validator.validation import validate

_QUEUE = "https://sqs.eu-west-2.amazonaws.com/123456789012/MarkFanOutClient{}.fifo"
_REGISTERED = datetime(2026, 3, 1, tzinfo=UTC)
_SUBSCRIPTIONS = [
    Subscription(f"Bench{number}", _QUEUE.format(f"Bench{number}"), _REGISTERED) for number in range(CLIENTS)
]
_CONTRACT = load(SCHEMAS.parent)

Shape = tuple[int, ...]
"""How many events each mark of a batch has, the most first."""


class Cost(NamedTuple):
    """What takes time: seconds of a call, and of CPU per event in converter and validator."""

    call: float
    converter: float = 0
    validator: float = 0


def cost_of(call_seconds: float, work: Work) -> Cost:
    """Return what takes time by the work that was measured, on a function's share of a processor."""
    converter = work.converter + work.converter_runtime
    validator = work.validator + work.validator_runtime
    return Cost(call_seconds, lambda_seconds(converter), lambda_seconds(validator))


class Timed(NamedTuple):
    """How long something took, and how long after its start the last client had each event that was in it."""

    seconds: float
    delivered: Sequence[float]


class Converter:
    """Invocations of the converter, one after another.

    The shape of a batch decides how long its execution takes, and when each event arrives. So the definition is run
    once for each shape, and its times are remembered, unless every execution is to leave its messages behind.
    """

    def __init__(self, cost: Cost, tracks: int, remembers: bool = True) -> None:
        self._cost, self._remembers = cost, remembers
        self.clock = Clock()
        self._converter = conversion.Converter(tracks, self.clock.side_by_side)
        self.services = Services(self.clock, cost.call, {"ValidatorFunctionArn": self._validate})
        self._machine = Machine(self.clock, self.services.call)
        self._known: dict[Shape, Timed] = {}
        self._delivered: dict[str, float] = {}

    def invoke(self, stream_records: Sequence[Mapping[str, Any]]) -> Timed:
        """Deliver the records of one invocation.

        Raises:
            RuntimeError: an execution failed, or took so long that a deadline would have passed: what became of its
                events is not in the model.
        """
        self._delivered = {}
        began = self.clock.now
        self.clock.advance(len(stream_records) * self._cost.converter)
        self._deliver(stream_records)
        delivered = [self._delivered[record["dynamodb"]["NewImage"]["eventId"]["S"]] for record in stream_records]
        return Timed(self.clock.now - began, [at - began for at in delivered])

    def _deliver(self, stream_records: Sequence[Mapping[str, Any]]) -> None:
        """Call the converter: the one place that knows how."""
        pipeline = conversion.Pipeline(self._run, self._mentions, lambda: True, _refuse_to_stop)
        self._converter.deliver(stream_records, _SUBSCRIPTIONS, pipeline)

    def _mentions(self) -> list[str]:
        """Read of whom anything is held, which is nobody."""
        self.clock.advance(self._cost.call)
        return []

    def _run(self, batch: Batch, payload: str) -> None:
        """Run an execution, whose start is a call."""
        self.clock.advance(self._cost.call)
        ranked = _ranked(batch)
        shape = tuple(map(len, ranked))
        known = self._known.get(shape)
        began = self.clock.now
        if known:
            self.clock.advance(known.seconds)
        else:
            self._machine.run(payload)
            last = self._last_arrivals()  # a KeyError says that a client has not got an event
            known = Timed(self.clock.now - began, [last[event_id] - began for event_id in chain(*ranked)])
            if known.seconds > LIVE.stores_seconds:
                raise RuntimeError(f"an execution took {known.seconds:.0f} s, so a deadline would have passed")
            if self._remembers:
                self._known[shape] = known
                self.services.queues.clear()
        for event_id, seconds in zip(chain(*ranked), known.delivered, strict=True):
            self._delivered[event_id] = began + seconds

    def _last_arrivals(self) -> dict[str, float]:
        """Return when the last of the clients had each event."""
        queues = [self.services.queues[subscription.queue_url] for subscription in _SUBSCRIPTIONS]
        arrived = [{message.event_id: message.arrived for message in messages} for messages in queues]
        return {event_id: max(of_client[event_id] for of_client in arrived) for event_id in arrived[0]}

    def _validate(self, payload: Any) -> Any:
        self.clock.advance(len(payload["batch"]["events"]) * self._cost.validator)
        return validate(payload["batch"], payload["clients"], _CONTRACT, hold_marks=True)


def _refuse_to_stop(_batch: Batch, reason: str) -> None:
    raise RuntimeError(reason)


def _ranked(batch: Batch) -> list[list[str]]:
    """Return the ids of the events, mark by mark: the most events first, else as they come."""
    marks: dict[str, list[str]] = {}
    for event in batch.events:
        marks.setdefault(event.group_id, []).append(event.event_id)
    return sorted(marks.values(), key=len, reverse=True)


class Single(NamedTuple):
    """One invocation by itself: how long, and whether every queue got every event, once and in order."""

    tracks: int
    events: int
    marks: int
    call_seconds: float
    seconds: float
    is_complete: bool
    is_in_order: bool


def single(cost: Cost, tracks: int, events: int = 800, marks: int = 400) -> Single:
    """Deliver one batch of records, without remembering any execution."""
    converter = Converter(cost, tracks, remembers=False)
    stream_records = records(events, marks)
    seconds = converter.invoke(stream_records).seconds
    queues = converter.services.queues
    wanted = sorted(record["dynamodb"]["NewImage"]["eventId"]["S"] for record in stream_records)
    complete = [sorted(message.event_id for message in messages) == wanted for messages in queues.values()]
    return Single(
        tracks,
        events,
        marks,
        cost.call,
        seconds,
        complete == [True] * (CLIENTS + 1),
        all(map(in_order, queues.values())),
    )
