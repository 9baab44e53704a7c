"""CPU per event in converter and validator, beside the obvious way and beside reading and printing the JSON once."""

import gc
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from boto3.dynamodb.types import TypeDeserializer

from bench.events import records
from local.guarantees import reference_validators
from local.stack import SCHEMAS
from mark_event_queue.domain.batches import LIVE, Batch, carry, input_of
from mark_event_queue.domain.budget import budget
from mark_event_queue.domain.contract import load
from mark_event_queue.domain.tracks import spread
from mark_event_queue.validator.validation import validate

EVENTS = 100
MEMORY_MB = 512  # of the functions; Lambda gives a whole CPU for 1,769 MB (Lambda Developer Guide, memory)
_MEMORY_MB_OF_A_CPU = 1769
_ROUNDS = 30
_TRACKS = 8
_NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
_QUEUE = "https://sqs.eu-west-2.amazonaws.com/123456789012/MarkFanOutClient{}.fifo"
_CLIENTS = [{"name": name, "queueUrl": _QUEUE.format(name), "selects": ""} for name in ("Insurer", "Police", "Archive")]


class Work(NamedTuple):
    """Microseconds of CPU per event."""

    event_bytes: int
    floor: float
    converter: float
    validator: float
    obvious_converter: float
    obvious_validator: float
    converter_runtime: float
    validator_runtime: float

    @property
    def total(self) -> float:
        """Converter and validator."""
        return self.converter + self.validator

    @property
    def obvious(self) -> float:
        """Both of them, written in the obvious way."""
        return self.obvious_converter + self.obvious_validator

    @property
    def runtime(self) -> float:
        """What Lambda's runtime does around both, whatever is in them."""
        return self.converter_runtime + self.validator_runtime


def lambda_seconds(microseconds: float) -> float:
    """Return how long so much CPU takes a function, which has only a share of a processor."""
    return microseconds * 1e-6 * _MEMORY_MB_OF_A_CPU / MEMORY_MB


def measure() -> Work:
    """Measure everything in turns, and take the best of each: noise only ever adds."""
    batch = records(EVENTS, EVENTS)
    contract, room = load(SCHEMAS.parent), budget(_CLIENTS)
    (packed,) = _batches(batch, room)
    bodies = [event.body for event in packed.events]
    payload = input_of(packed, _CLIENTS, _NOW, LIVE)
    given = json.loads(payload)
    answer = validate(given["batch"], given["clients"], contract, hold_marks=True)
    if answer["counts"] != {"valid": EVENTS, "rejected": 0, "behind": 0}:
        raise RuntimeError("the events to measure with are not all valid")
    invocation = json.dumps({"Records": batch})
    obvious = Obvious()
    obvious_input = json.loads(obvious.convert(batch))

    best = _best(
        lambda: [json.dumps(json.loads(body)) for body in bodies],
        lambda: [input_of(packed, _CLIENTS, _NOW, LIVE) for packed in _batches(batch, room)],
        lambda: validate(given["batch"], given["clients"], contract, hold_marks=True),
        lambda: obvious.convert(batch),
        lambda: obvious.validate(obvious_input),
        # What Lambda's runtime does around both functions, and the converter's client around the execution's input.
        lambda: (json.loads(invocation), json.dumps({"input": payload})),
        lambda: (json.loads(payload), json.dumps(answer)),
    )
    return Work(len(bodies[0]), *best)


def _batches(records: list[dict[str, Any]], room: int) -> list[Batch]:
    return [turn.batch for track in spread(list(carry(records, room)), room, _TRACKS) for turn in track]


class Obvious:
    """The same by boto3's TypeDeserializer, json and jsonschema, its validators made once."""

    def __init__(self) -> None:
        self._deserializer = TypeDeserializer()
        self._validators = reference_validators()

    def convert(self, batch: list[dict[str, Any]]) -> str:
        """Return the input of an execution."""
        images = [record["dynamodb"]["NewImage"] for record in batch]
        events = [
            {name: self._deserializer.deserialize(attribute) for name, attribute in image.items()} for image in images
        ]
        return json.dumps({"events": events, "clients": _CLIENTS}, default=_number)

    def validate(self, given: dict[str, Any]) -> list[dict[str, str]]:
        """Return the entries to send."""
        for event in given["events"]:
            self._validators[event["eventName"]].validate(event)
        return [
            {"Id": event["eventId"], "MessageBody": json.dumps(event), "MessageGroupId": event["mark"]}
            for event in given["events"]
        ]


def _number(value: Any) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)


def _best(*ways: Callable[[], object]) -> list[float]:
    best = [float("inf")] * len(ways)
    gc.disable()
    try:
        for _ in range(_ROUNDS):
            for place, way in enumerate(ways):
                started = time.process_time()
                way()
                best[place] = min(best[place], (time.process_time() - started) / EVENTS * 1e6)
    finally:
        gc.enable()
    return best
