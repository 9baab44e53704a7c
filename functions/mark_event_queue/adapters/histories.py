"""The clients' histories, in the table of what waits.

| pk                   | sk             | one per                                                            |
|----------------------|----------------|--------------------------------------------------------------------|
| `HISTORY`            | client         | client with a history: which, which run, how far                   |
| `SEGMENTS#<client>`  | number         | segment of the event table: how far it has been read, and counts   |
| `BROUGHT#<client>#<group>` | event id | event that history brought and that may come once more; it expires |
| `PASSED#<client>`    | mark, time     | event that history passed over, since it breaks today's contract   |
| `RECIPIENTS`         | history        | history that needs no selection any more, see `held_events`        |
"""

from collections.abc import Mapping, Sequence
from typing import Any

import boto3
from botocore.config import Config

from mark_event_queue.adapters import AwsError, name_of
from mark_event_queue.adapters.held_events import RECIPIENTS
from mark_event_queue.adapters.held_writes import key
from mark_event_queue.domain.errors import HeldEventsUnavailableError
from mark_event_queue.domain.history import HistoryState
from mark_event_queue.domain.lanes import Entry

HISTORY = "HISTORY"

_KEYS_PER_READ = 100  # DynamoDB API Reference, BatchGetItem
_ITEMS_PER_WRITE = 25  # BatchWriteItem

_CONFIG = Config(read_timeout=5, connect_timeout=2, retries={"mode": "standard", "total_max_attempts": 4})


class HistoriesTable:
    """Histories in DynamoDB."""

    def __init__(self, table_name: str, client: Any = None) -> None:
        self._table = table_name
        self._client = client or boto3.client("dynamodb", config=_CONFIG)

    def state(self, client: str) -> HistoryState:
        """Return what is known of a client's history.

        Raises:
            HeldEventsUnavailableError: the table did not answer.
        """
        answer = self._call("get_item", TableName=self._table, Key=key(HISTORY, client), ConsistentRead=True)
        item = plain(answer.get("Item", {}))
        return HistoryState(
            item.get("history", ""), item.get("run", ""), item.get("progress", ""), item.get("rememberedUntil", "")
        )

    def brought(self, client: str, entries: Sequence[Entry]) -> set[str]:
        """Return the event ids of those entries that history brought, as far as they are remembered.

        Raises:
            HeldEventsUnavailableError: the table did not answer.
        """
        keys = [
            key(brought_key(client, group_id), event_id)
            for group_id, event_id in {(one["MessageGroupId"], one["MessageDeduplicationId"]) for one in entries}
        ]
        found: set[str] = set()
        while keys:
            read = {"Keys": keys[:_KEYS_PER_READ], "ConsistentRead": True, "ProjectionExpression": "sk"}
            answer = self._call("batch_get_item", RequestItems={self._table: read})
            found |= {item["sk"]["S"] for item in answer["Responses"].get(self._table, [])}
            keys = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", []) + keys[_KEYS_PER_READ:]
        return found

    def settle(self, history: str) -> None:
        """Note that a history needs no selection any more.

        Raises:
            HeldEventsUnavailableError: the table did not take it.
        """
        self._call("put_item", TableName=self._table, Item=key(RECIPIENTS, history))

    def _call(self, operation: str, **arguments: Any) -> Any:
        try:
            return getattr(self._client, operation)(**arguments)
        except AwsError as error:
            raise HeldEventsUnavailableError(f"{operation}: {name_of(error)}") from error


def brought_key(client: str, group_id: str) -> str:
    """Return the partition of a mark's events that history brought a client and that may come once more."""
    return f"BROUGHT#{client}#{group_id}"


def plain(item: Mapping[str, Any]) -> dict[str, str]:
    """Return an item of texts and numbers without their types."""
    return {name: next(iter(value.values())) for name, value in item.items()}
