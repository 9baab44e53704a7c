"""Marks, and which events were had, in one DynamoDB table: what belongs together changes in one transaction."""

import time
from collections.abc import Iterator
from typing import Any

import boto3

from mark_consumer.consumer import Mark, Message

# SQS keeps a message for 14 days: a repeat cannot come later.
REMEMBERED_SECONDS = 15 * 86_400

_MARK = "mark"


class MarkTable:
    """Partition key `pk`: the group; sort key `sk`: `mark`, or `event#` and an event id."""

    def __init__(self, table_name: str, client: Any = None) -> None:
        self._table = table_name
        self._client: Any = client or boto3.client("dynamodb")

    def mark(self, group_id: str) -> Mark:
        """Return what is kept of a mark, nothing of one that is not known."""
        item = self._get(group_id, _MARK)
        if not item:
            return Mark()
        return Mark(
            last_number=item["lastNumber"]["S"],
            version=int(item["version"]["N"]),
            history_id=item["historyId"]["S"],
            status=item["status"]["S"],
            past_histories=frozenset(one["S"] for one in item["pastHistories"]["L"]),
        )

    def had(self, group_id: str, event_id: str) -> str | None:
        """Return in which history an event was last had (empty: live, before any), None if it was not."""
        item = self._get(group_id, f"event#{event_id}")
        return str(item["historyId"]["S"]) if item else None

    def take_in(self, message: Message, before: Mark, after: Mark) -> None:
        """Note that an event was had and keep the mark, both or neither; fail if the mark is not as before."""
        expires = int(time.time()) + REMEMBERED_SECONDS
        event = _key(message.group_id, f"event#{message.event_id}") | {
            "historyId": {"S": after.history_id},
            "expires": {"N": str(expires)},
        }
        mark = _key(message.group_id, _MARK) | {
            "lastNumber": {"S": after.last_number},
            "version": {"N": str(after.version)},
            "historyId": {"S": after.history_id},
            "status": {"S": after.status},
            "pastHistories": {"L": [{"S": one} for one in sorted(after.past_histories)]},
        }
        as_it_was = "lastNumber = :number AND historyId = :history"
        as_before = {
            "ConditionExpression": f"attribute_not_exists(pk) OR ({as_it_was})" if before == Mark() else as_it_was,
            "ExpressionAttributeValues": {
                ":number": {"S": before.last_number},
                ":history": {"S": before.history_id},
            },
        }
        self._client.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": self._table, "Item": event}},
                {"Put": {"TableName": self._table, "Item": mark, **as_before}},
            ]
        )

    def forget(self, group_id: str) -> None:
        """Delete all that is kept of a mark. Whoever is interrupted gets the notice again, and deletes the rest."""
        for item in list(self._items(group_id)):
            self._client.delete_item(TableName=self._table, Key={"pk": item["pk"], "sk": item["sk"]})

    def _get(self, pk: str, sk: str) -> dict[str, Any] | None:
        answer = self._client.get_item(TableName=self._table, Key=_key(pk, sk), ConsistentRead=True)
        item: dict[str, Any] | None = answer.get("Item")
        return item

    def _items(self, group_id: str) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": group_id}},
            ConsistentRead=True,
        )
        for page in pages:
            yield from page["Items"]


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}
