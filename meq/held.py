"""What is held, for whom, since when and why. No bodies of events are read."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mark_event_queue.domain.events import to_group_id
from meq.stack import Stack
from meq.text import alike, mark_of

_Item = dict[str, str]


@dataclass(frozen=True)
class Held:
    """What is held of a mark for a recipient."""

    recipient: str
    mark: str
    events: int
    since: str
    reason: str
    first_event_id: str | None
    violations: list[str]


class HeldEvents:
    """What the table of a stack holds."""

    def __init__(self, stack: Stack) -> None:
        self._name = stack.output("ParkedEventsTableName")
        self._table = stack.client("dynamodb")

    def recipients(self) -> list[str]:
        """Return those for whom anything may be held."""
        return [item["sk"] for item in self._query("CLIENTS")]

    def all(self, recipient: str | None = None, mark: str | None = None) -> Iterator[Held]:
        """Yield what is held, by recipient and mark; of one recipient or mark if asked."""
        for name in [recipient] if recipient else self.recipients():
            for sequence in self._sequences(name, mark):
                yield self._held(name, sequence)

    def holds(self, recipient: str, mark: str | None = None) -> bool:
        """Tell whether anything of this mark, or of any, is held for a recipient."""
        return next(self._sequences(recipient, mark), None) is not None

    def marks_like(self, recipient: str, mark: str) -> list[str]:
        """Return marks held for a recipient that differ from this one only in case and spaces."""
        found = (_mark(sequence) for sequence in self._sequences(recipient, None))
        return [one for one in found if alike(one) == alike(mark)]

    def left(self, recipient: str, mark: str | None = None) -> int:
        """Return how many events of a mark are held for a recipient; for no mark, of how many marks any are."""
        pk = f"SEQUENCE#{recipient}#{to_group_id(mark)}" if mark else f"CLIENT#{recipient}"
        return sum(page["Count"] for page in self._pages(pk, Select="COUNT"))

    def _sequences(self, recipient: str, mark: str | None) -> Iterator[_Item]:
        yield from self._query(f"CLIENT#{recipient}", group_id=to_group_id(mark) if mark else "")

    def _held(self, recipient: str, sequence: _Item) -> Held:
        events, first = 0, None
        for event in self._query(f"SEQUENCE#{recipient}#{sequence['sk']}", ProjectionExpression="eventId, mark"):
            events, first = events + 1, first or event
        return Held(
            recipient=recipient,
            mark=sequence.get("mark") or (first or {}).get("mark") or _mark(sequence),
            events=events,
            since=sequence["parkedSince"],
            reason=sequence["error"],
            first_event_id=first["eventId"] if first else None,
            violations=[],
        )

    def _query(self, pk: str, group_id: str = "", **options: Any) -> Iterator[_Item]:
        for page in self._pages(pk, group_id, **options):
            for item in page["Items"]:
                yield {name: next(iter(value.values())) for name, value in item.items()}

    def _pages(self, pk: str, group_id: str = "", **options: Any) -> Any:
        values = {":pk": {"S": pk}} | ({":sk": {"S": group_id}} if group_id else {})
        return self._table.get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression="pk = :pk AND sk = :sk" if group_id else "pk = :pk",
            ExpressionAttributeValues=values,
            ConsistentRead=True,
            **options,
        )


def _mark(sequence: _Item) -> str:
    return sequence.get("mark") or mark_of(sequence["sk"])
