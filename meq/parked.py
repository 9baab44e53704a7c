"""What is parked, for whom, since when and why; how much is quarantined. No payloads."""

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

from meq.stack import Stack


class Parked(NamedTuple):
    """A parked sequence."""

    client: str
    mark: str
    events: int
    since: str
    error: str
    first_event_id: str


def report(stack: Stack) -> list[str]:
    """Return the report, line by line."""
    sequences = list(parked_sequences(stack))
    width = max([len(sequence.client) for sequence in sequences], default=0)
    lines = [f"{sum(sequence.events for sequence in sequences)} events of {len(sequences)} sequences are parked"]
    lines += [
        f"  {sequence.client:<{width}}  {sequence.mark:<9} {sequence.events:>5} events since {sequence.since}"
        f"  {sequence.error}  first: {sequence.first_event_id}"
        for sequence in sequences
    ]
    waiting = f"{undelivered(stack)} objects with records that the stream gave up wait for a replay"
    return [*lines, f"{quarantined(stack)} events are quarantined", waiting]


def parked_sequences(stack: Stack) -> Iterator[Parked]:
    """Yield what is parked, by client and mark."""
    table = _Table(stack)
    for client in table.query("CLIENTS"):
        name = client["sk"]
        for sequence in table.query(f"CLIENT#{name}"):
            events = f"SEQUENCE#{name}#{sequence['sk']}"
            first = next(table.query(events, Limit=1), {"eventId": "none left"})
            mark = unquote(sequence["sk"])
            since, error = sequence["parkedSince"], sequence["error"]
            yield Parked(name, mark, table.count(events), since, error, first["eventId"])


def quarantined(stack: Stack) -> int:
    """Return about how many events are quarantined."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    url = stack.outputs["QuarantineQueueUrl"]
    attributes = stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(attributes[name]) for name in names)


def undelivered(stack: Stack) -> int:
    """Return how many objects with undelivered records are in the bucket."""
    pages = (
        stack.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=stack.outputs["UndeliveredRecordsBucketName"])
    )
    return sum(page["KeyCount"] for page in pages)


class _Table:
    def __init__(self, stack: Stack) -> None:
        self._queries = stack.client("dynamodb").get_paginator("query")
        self._name = stack.outputs["ParkedEventsTableName"]

    def query(self, pk: str, **options: Any) -> Iterator[dict[str, str]]:
        for page in self._pages(pk, **options):
            for item in page["Items"]:
                yield {name: next(iter(value.values())) for name, value in item.items()}

    def count(self, pk: str) -> int:
        return sum(page["Count"] for page in self._pages(pk, Select="COUNT"))

    def _pages(self, pk: str, **options: Any) -> Any:
        return self._queries.paginate(
            TableName=self._name,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
            ConsistentRead=True,
            **options,
        )
