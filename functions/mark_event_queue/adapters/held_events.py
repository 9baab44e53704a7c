"""The table of what waits.

Four kinds of item, by partition key `pk` and sort key `sk`:

| pk                             | sk                            | one per                                      |
|--------------------------------|-------------------------------|----------------------------------------------|
| `RECIPIENTS`                   | recipient                     | whoever has anything held; see `histories`    |
| `HELD#<recipient>`             | group id                      | held sequence of that recipient               |
| `SEQUENCE#<recipient>#<group>` | sequence number, `#`, event id | held event of that sequence, in order         |
| `DISCARDED#<recipient>`        | time, group id, number        | event given up: by whom, when and why         |

A sequence is held as long as its item under `HELD#` exists. Every event appended raises the `version` of its
sequence and of its recipient, and these are only deleted at the version at which they were seen empty. A new
one starts at a random version: what was seen of one that has ended meanwhile never ends its successor.
Whoever is about to start sequences leaves a token in `coming` of the recipient, which is not deleted with one in it.

A sequence's item also knows how many events it has and which is the first: events come and go in one
transaction with it. A recipient's number of events is added up beside, in calls of its own, so that waiting
events of many marks do not queue for one item; a crash in between leaves it off by a batch until nothing is held.
The index `OldestFirst` has the sequences of each recipient by the time since when they are held, those apart
that wait for a pin of the client's: a client knows of them, and may leave them waiting for months.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mark_event_queue.adapters.dynamodb import ConditionNotMetError, caller, client_for_held, items_at, items_of, plain
from mark_event_queue.adapters.held_writes import (
    BROKEN,
    FIRST_IS,
    Discarding,
    Holding,
    HoldingBehind,
    Leaving,
    Values,
    Writer,
    event_key,
    events_value,
    first_values,
    key,
    line_of,
    now,
    recipient_key,
    sequence_key,
    version_values,
)
from mark_event_queue.domain.errors import HeldEventsUnavailableError, SequenceClosedError
from mark_event_queue.domain.events import to_group_id
from mark_event_queue.domain.held import HISTORY, OTHER_MAJOR, HeldSequence, Recipient
from mark_event_queue.domain.rounds import Entry, entry_of, sequences_of

RECIPIENTS = "RECIPIENTS"
HISTORY_PREFIX = "/"
"""What the name of a history begins with, and no recipient's."""
OLDEST_FIRST = "OldestFirst"

_LONGEST_INVOCATION_SECONDS = 900  # Lambda Developer Guide, quotas
_NOTHING_COMING = "(attribute_not_exists(coming) OR comingAt < :longAgo)"


class HeldEventsTable:
    """Held events in DynamoDB."""

    def __init__(self, table_name: str, client: Any = None) -> None:
        self._table = table_name
        self._client = client or client_for_held()
        self._call = caller(self._client, HeldEventsUnavailableError)
        self._writer = Writer(self._client)

    # ------------------------------------------------------------------------------------------------------------------
    # Holding
    # ------------------------------------------------------------------------------------------------------------------
    def hold(self, recipient: str, sequences: Iterable[Sequence[Entry]], reason: str, error: str) -> None:
        """Hold sequences of entries, each in order, starting those that are not held yet.

        The recipient is named before its sequences and says that they are coming, so that neither a crash
        nor a redrive that finds it empty in between leaves a sequence that nobody looks for.

        Raises:
            HeldEventsUnavailableError: the table did not take them.
        """
        self._hold(recipient, sequences, Holding(self._table, recipient, reason, error), lambda: True)

    def hold_while(
        self, recipient: str, sequences: Iterable[Sequence[Entry]], reason: str, still: Callable[[], bool]
    ) -> bool:
        """Hold sequences of entries if that is still wanted once the recipient is named; tell whether it was.

        Whoever ends what they are held for sees that they are coming, or they see that it has ended.

        Raises:
            HeldEventsUnavailableError: the table did not take them.
        """
        return self._hold(recipient, sequences, Holding(self._table, recipient, reason, ""), still)

    def _hold(
        self, recipient: str, sequences: Iterable[Sequence[Entry]], change: Holding, still: Callable[[], bool]
    ) -> bool:
        coming = secrets.token_hex(8)
        self._name(recipient, ", comingAt = :now ADD coming :coming", {":now": {"S": now()}, **_coming(coming)})
        wanted = still()
        written = self._writer.write(change, sequences) if wanted else 0
        self._name(recipient, " ADD events :events DELETE coming :coming", events_value(written) | _coming(coming))
        return wanted

    def hold_behind(self, recipient: str, sequences: Iterable[Sequence[Entry]]) -> list[Entry]:
        """Hold entries behind what is held of their sequences; return those that found theirs ended.

        Raises:
            HeldEventsUnavailableError: the table did not take them.
        """
        behind = HoldingBehind(self._table, recipient)
        if written := self._writer.write(behind, sequences):
            self._name(recipient, " ADD events :events", events_value(written))
        return behind.too_late

    def close(self, recipient: str, mark: str) -> None:
        """Hold what comes of a mark, and let nothing of it go, until it is opened.

        Raises:
            HeldEventsUnavailableError: the table did not take it.
        """
        self._name(recipient, " ADD events :none", events_value(0, ":none"))
        known = {"recipient": recipient, "mark": mark, "now": now(), "reason": HISTORY, "error": "", "yes": "yes"}
        self._call(
            "update_item",
            TableName=self._table,
            Key=key(recipient_key(recipient), to_group_id(mark)),
            UpdateExpression=(
                "SET version = if_not_exists(version, :start) + :one, "
                "recipient = if_not_exists(recipient, :recipient), mark = :mark, "
                "since = if_not_exists(since, :now), reason = if_not_exists(reason, :reason), "
                "#error = if_not_exists(#error, :error), closed = :yes ADD events :none"
            ),
            ExpressionAttributeNames={"#error": "error"},
            ExpressionAttributeValues=version_values()
            | events_value(0, ":none")
            | {f":{name}": {"S": text} for name, text in known.items()},
        )

    def open(self, recipient: str, mark: str) -> None:
        """Let what is held of a mark go again.

        Raises:
            HeldEventsUnavailableError: the table did not take it.
        """
        place = key(recipient_key(recipient), to_group_id(mark))
        self._amend(place, "SET version = version + :one REMOVE closed", {":one": {"N": "1"}})

    def held_from(self, recipient: str, group_ids: Iterable[str]) -> dict[str, str]:
        """Return those of the groups that are held, each with the sequence number from which on, if that is known.

        Raises:
            HeldEventsUnavailableError: the table did not answer.
        """
        keys = [key(recipient_key(recipient), group_id) for group_id in group_ids]
        items = map(plain, items_at(self._call, self._table, keys, "sk, firstNumber"))
        return {item["sk"]: item.get("firstNumber", "") for item in items}

    # ------------------------------------------------------------------------------------------------------------------
    # Looking
    # ------------------------------------------------------------------------------------------------------------------
    def mentions(self) -> list[str]:
        """Return of whom anything may be held, and, among them, the names of histories that are over.

        Raises:
            HeldEventsUnavailableError: the table did not answer.
        """
        return [item["sk"] for item in self._all(RECIPIENTS)]

    def recipients(self) -> list[Recipient]:
        """Return of whom anything may be held.

        Raises:
            HeldEventsUnavailableError: the table did not answer.
        """
        return [
            Recipient(item["sk"], max(0, int(item.get("events", 0))), item.get("progressAt", ""))
            for item in self._all(RECIPIENTS)
            if not item["sk"].startswith(HISTORY_PREFIX)
        ]

    def oldest(self, recipient: str, pinned: bool = False) -> str:
        """Return since when the oldest sequence of a recipient is held, nothing if none is; a second behind, at times.

        `pinned`: of those whose first event is not valid in the major version that the client has pinned, else of
        the others.

        Raises:
            HeldEventsUnavailableError: the table did not answer.
        """
        answer = self._call(
            "query",
            TableName=self._table,
            IndexName=OLDEST_FIRST,
            KeyConditionExpression="recipient = :recipient",
            ExpressionAttributeValues={":recipient": {"S": line_of(recipient, pinned)}},
            Limit=1,
        )
        return "".join([plain(item)["since"] for item in answer["Items"]])

    def sequences(self, recipient: str, after: str, limit: int) -> list[HeldSequence]:
        """Return held sequences of the recipient, ordered by group id, those behind `after`.

        Raises:
            HeldEventsUnavailableError: the table did not answer.
        """
        start = {"ExclusiveStartKey": key(recipient_key(recipient), after)} if after else {}
        return [_sequence(item) for item in self._query(recipient_key(recipient), Limit=limit, **start)]

    def sequence(self, recipient: str, group_id: str) -> HeldSequence | None:
        """Return one held sequence, or None when it is not held.

        Raises:
            HeldEventsUnavailableError: the table did not answer.
        """
        item = self._get(recipient_key(recipient), group_id)
        return _sequence(item) if item else None

    def version(self, recipient: str, group_id: str) -> int:
        """Return the version of a sequence, 0 when it is not held; of the recipient itself for no group.

        Raises:
            SequenceClosedError: nothing of it must go at the moment.
            HeldEventsUnavailableError: the table did not answer.
        """
        item = self._get(*_place(recipient, group_id))
        if "closed" in item:
            raise SequenceClosedError
        return int(item["version"]) if item else 0

    def events(self, recipient: str, group_id: str, limit: int, after: Entry | None = None) -> list[Entry]:
        """Return the first events of a sequence, in order, or the first ones behind an event.

        Raises:
            HeldEventsUnavailableError: the table did not answer.
        """
        start = {"ExclusiveStartKey": event_key(recipient, after)} if after else {}
        return [_entry(item) for item in self._query(sequence_key(recipient, group_id), Limit=limit, **start)]

    # ------------------------------------------------------------------------------------------------------------------
    # Letting go
    # ------------------------------------------------------------------------------------------------------------------
    def forget(self, recipient: str, entries: Sequence[Entry], upcoming: Mapping[str, Entry]) -> None:
        """Take events out of the table; `upcoming` is what is the first of its group then, where that is known.

        Raises:
            HeldEventsUnavailableError: the table did not take all of it.
        """
        self._writer.write(Leaving(self._table, recipient, upcoming), sequences_of(entries))

    def discard(self, recipient: str, entries: Sequence[Entry], by: str, reason: str) -> None:
        """Take events out of the table and put them on record with who gave them up, when and why.

        Raises:
            HeldEventsUnavailableError: the table did not take all of it.
        """
        self._writer.write(Discarding(self._table, recipient, by, reason), sequences_of(entries))

    def count_out(self, recipient: str, events: int) -> None:
        """Note that a recipient has so many events fewer, and when.

        Raises:
            HeldEventsUnavailableError: the table did not take it.
        """
        values = {":taken": {"N": str(-events)}, ":now": {"S": now()}}
        self._amend(key(RECIPIENTS, recipient), "SET progressAt = :now ADD events :taken", values)

    def end(self, recipient: str, group_id: str, version: int) -> bool:
        """End a sequence (for no group: the mention of the recipient) unless it has changed since that version.

        A mention stays while sequences are coming. What a crash left coming is void after a quarter of an
        hour, for no invocation lives longer.

        Raises:
            HeldEventsUnavailableError: the table did not answer.
        """
        try:
            self._call(
                "delete_item",
                TableName=self._table,
                Key=key(*_place(recipient, group_id)),
                ConditionExpression=f"attribute_not_exists(pk) OR (version = :seen AND {_NOTHING_COMING})",
                ExpressionAttributeValues={
                    ":seen": {"N": str(version)},
                    ":longAgo": {"S": now(_LONGEST_INVOCATION_SECONDS)},
                },
            )
        except ConditionNotMetError:
            return False
        return True

    def note(self, recipient: str, first: Entry, error: str) -> None:
        """Note why a sequence stays held, if it still is, which event is its first, and which rules that breaks.

        Raises:
            HeldEventsUnavailableError: the table did not take it.
        """
        noted = self._amend(
            key(recipient_key(recipient), first["MessageGroupId"]),
            f"SET #error = :error, recipient = :recipient, {FIRST_IS}",
            {":error": {"S": error}, ":recipient": {"S": line_of(recipient, error == OTHER_MAJOR)}}
            | first_values(first),
            **{"#error": "error"},
        )
        if noted and "Violations" in first:
            values = {":violations": {"S": first["Violations"]}}
            self._amend(event_key(recipient, first), "SET violations = :violations", values)

    # ------------------------------------------------------------------------------------------------------------------
    # How
    # ------------------------------------------------------------------------------------------------------------------
    def _name(self, recipient: str, expression: str, values: Mapping[str, Any]) -> None:
        self._call(
            "update_item",
            TableName=self._table,
            Key=key(RECIPIENTS, recipient),
            UpdateExpression=f"SET version = if_not_exists(version, :start) + :one{expression}",
            ExpressionAttributeValues={**version_values(), **values},
        )

    def _get(self, pk: str, sk: str) -> dict[str, str]:
        answer = self._call("get_item", TableName=self._table, Key=key(pk, sk), ConsistentRead=True)
        return plain(answer.get("Item", {}))

    def _amend(self, place: Values, expression: str, values: Mapping[str, Any], **names: str) -> bool:
        """Change an item if it is there; tell whether it was."""
        named = {"ExpressionAttributeNames": names} if names else {}
        try:
            self._call(
                "update_item",
                TableName=self._table,
                Key=place,
                UpdateExpression=expression,
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeValues=values,
                **named,
            )
        except ConditionNotMetError:
            return False
        return True

    def _all(self, pk: str) -> Iterator[dict[str, str]]:
        return map(plain, items_of(self._call, "query", **self._of(pk)))

    def _query(self, pk: str, **options: Any) -> list[dict[str, str]]:
        return [plain(item) for item in self._call("query", **self._of(pk), **options)["Items"]]

    def _of(self, pk: str) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": pk}},
            "ConsistentRead": True,
        }


def _place(recipient: str, group_id: str) -> tuple[str, str]:
    return (recipient_key(recipient), group_id) if group_id else (RECIPIENTS, recipient)


def _coming(token: str) -> dict[str, Any]:
    return {":coming": {"SS": [token]}}


def _sequence(item: Mapping[str, str]) -> HeldSequence:
    return HeldSequence(
        group_id=item["sk"],
        mark=item["mark"],
        events=int(item["events"]),
        since=item["since"],
        reason=item["reason"],
        error=item["error"],
        first_event_id=item.get("firstEventId", ""),
        violations=item.get("violations", "[]"),
    )


def _entry(item: Mapping[str, str]) -> Entry:
    broken = {name: item[attribute] for name, attribute in BROKEN.items() if attribute in item}
    return entry_of(item) | broken
