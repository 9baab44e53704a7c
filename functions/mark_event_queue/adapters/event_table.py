"""The producer's table of events, read as it is: mark by mark, consistently."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.config import Config

from mark_event_queue.adapters.aws import client_of
from mark_event_queue.adapters.dynamodb import caller, items_of
from mark_event_queue.domain.errors import EventTableUnavailableError

Item = dict[str, Any]

_CONFIG = Config(read_timeout=10, connect_timeout=2, retries={"mode": "standard", "total_max_attempts": 4})


class EventTable:
    """The table whose stream the application reads."""

    def __init__(self, table_name: str, client: Any = None) -> None:
        self._table = table_name
        self._call = caller(client or client_of("dynamodb", _CONFIG), EventTableUnavailableError)

    def marks(self, segment: int, segments: int, after: Mapping[str, Any]) -> Iterator[list[Item]]:
        """Yield the marks of a segment behind a key, each with all its items, which a scan gives together.

        Raises:
            EventTableUnavailableError: the table did not answer.
        """
        gathered: list[Item] = []
        for item in self._items("scan", {"Segment": segment, "TotalSegments": segments}, after):
            if gathered and gathered[0]["mark"] != item["mark"]:
                yield gathered
                gathered = []
            gathered.append(item)
        if gathered:
            yield gathered

    def mark(self, mark: str) -> list[Item]:
        """Return the items of one mark.

        Raises:
            EventTableUnavailableError: the table did not answer.
        """
        options = {"KeyConditionExpression": "mark = :mark", "ExpressionAttributeValues": {":mark": {"S": mark}}}
        return list(self._items("query", options, {}))

    def size(self) -> tuple[int, int]:
        """Return about how many items the table has, and how many bytes: numbers that are up to six hours old.

        Raises:
            EventTableUnavailableError: the table did not answer.
        """
        table = self._call("describe_table", TableName=self._table)["Table"]
        return int(table["ItemCount"]), int(table["TableSizeBytes"])

    def _items(self, operation: str, options: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Item]:
        start = {"ExclusiveStartKey": dict(after)} if after else {}
        asked = {"TableName": self._table, "ConsistentRead": True, **options, **start}
        for item in items_of(self._call, operation, **asked):
            yield {name: as_in_stream(value) for name, value in item.items()}


def as_in_stream(attribute: Any) -> Any:
    """Return an attribute value as a stream brings it to a function: binary as base64, where boto3 gives bytes."""
    if isinstance(attribute, bytes):
        return b64encode(attribute).decode("ascii")
    if isinstance(attribute, dict):
        return {name: as_in_stream(value) for name, value in attribute.items()}
    if isinstance(attribute, list):
        return [as_in_stream(value) for value in attribute]
    return attribute
