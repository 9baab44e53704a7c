"""Which records of a replay come late: behind events of their mark that were delivered meanwhile.

An event of the producer's table that is not in the bucket itself passes for delivered. So a record is
late if its mark has such an event that came after it. The order is that of the producer: the instant,
read as one, then the version; instants do not sort as text.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from mark_event_queue.adapters.aws import AwsError
from mark_event_queue.domain.order import Position, position_of, text_of
from meq.errors import explain
from meq.stack import Stack

Record = Mapping[str, Any]


class Place(NamedTuple):
    """Which event it is, of its mark's: two in the same instant differ in their ids."""

    create_time: str
    event_id: str


class EventTable:
    """The producer's table, found by the stream that the converter reads. What cannot be read makes all late."""

    def __init__(self, stack: Stack) -> None:
        self.problem: str | None = None
        self._table = stack.client("dynamodb")
        self._name = ""
        try:
            mappings = stack.client("lambda").list_event_source_mappings(
                FunctionName=stack.output("ConverterFunctionName")
            )
            (arn,) = [mapping["EventSourceArn"] for mapping in mappings["EventSourceMappings"]]
            self._name = arn.split("/")[1]  # arn:…:table/NAME/stream/LABEL
        except (*AwsError, ValueError) as error:
            self.problem = _told(error)

    def late(self, mark: str, records: Iterable[Record], in_bucket: set[Place]) -> list[bool]:
        """Tell of each record of a mark whether it is late."""
        records = list(records)
        if not mark or self.problem:
            return [True] * len(records)
        try:
            later = self._elsewhere(mark, in_bucket)
        except AwsError as error:
            self.problem = _told(error)
            return [True] * len(records)
        known = [position for position in later if position]
        if len(known) < len(later):
            return [True] * len(records)
        positions = [position_of(image_of(record)) for record in records]
        return [bool(known) and (not position or position < max(known)) for position in positions]

    def of_mark(self, mark: str) -> Iterator[Record]:
        """Yield the items of a mark, whole: personal data."""
        asked = {"KeyConditionExpression": "mark = :mark", "ExpressionAttributeValues": {":mark": {"S": mark}}}
        for page in self._table.get_paginator("query").paginate(TableName=self._name, ConsistentRead=True, **asked):
            yield from page["Items"]

    def of_event(self, event_id: str) -> Iterator[Record]:
        """Yield the items with this event id, whole; it takes a look at every item of the table."""
        asked = {"FilterExpression": "eventId = :id", "ExpressionAttributeValues": {":id": {"S": event_id}}}
        for page in self._table.get_paginator("scan").paginate(TableName=self._name, ConsistentRead=True, **asked):
            yield from page["Items"]

    def _elsewhere(self, mark: str, in_bucket: set[Place]) -> list[Position | None]:
        """Return the positions of the mark's events that are not in the bucket. Nothing of people is asked for."""
        pages = self._table.get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression="mark = :mark",
            ExpressionAttributeValues={":mark": {"S": mark}},
            ProjectionExpression="createTime, eventId, RegistrationNumber.version",
            ConsistentRead=True,
        )
        items = [item for page in pages for item in page["Items"]]
        return [position_of(item) for item in items if place_of(item) not in in_bucket]


def image_of(record: Record) -> Record:
    """Return what a record brings of an event: its item, or, of a stream without images, its key."""
    change = record["dynamodb"]
    image: Record = change.get("NewImage") or change.get("Keys") or {}
    return image


def place_of(image: Record) -> Place:
    """Return which event of its mark an item is."""
    return Place(text_of(image, "createTime"), text_of(image, "eventId"))


def mark_of(record: Record) -> str:
    """Return the mark of a record, nothing if it has none."""
    return text_of(record["dynamodb"].get("Keys") or {}, "mark") or text_of(image_of(record), "mark")


def _told(error: Exception) -> str:
    if isinstance(error, AwsError):
        return " ".join(explain(error).splitlines())
    return "the converter does not read exactly one stream"
