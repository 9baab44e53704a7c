"""The table of what waits, as a stack has it: how commands read it, and what its items say of broken rules."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mark_event_queue.adapters.dynamodb import plain
from mark_event_queue.adapters.held_writes import key
from meq.stack import Stack

Item = dict[str, str]


@dataclass(frozen=True)
class Violation:
    """A rule that an event breaks, and where in it."""

    path: str
    rule: str


class Table:
    """The table of what waits of a stack; its items come without their types."""

    def __init__(self, stack: Stack) -> None:
        self._name = stack.output("ParkedEventsTableName")
        self._client = stack.client("dynamodb")

    def get(self, pk: str, sk: str) -> Item:
        """Return an item, empty if it is not there."""
        answer = self._client.get_item(TableName=self._name, Key=key(pk, sk), ConsistentRead=True)
        return plain(answer.get("Item", {}))

    def query(self, pk: str, **options: Any) -> Iterator[Item]:
        """Yield the items of a partition, page by page."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
            ConsistentRead=True,
            **options,
        )
        for page in pages:
            yield from map(plain, page["Items"])


def violations_of(item: Item) -> list[Violation]:
    """Return the rules that the event of an item breaks, or the first event of a sequence."""
    return [Violation(one["path"], one["rule"]) for one in json.loads(item.get("violations", "[]"))]
