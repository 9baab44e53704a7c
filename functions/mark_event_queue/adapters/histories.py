"""The clients' histories, in the table of what waits.

| pk                         | sk               | one per                                                            |
|----------------------------|------------------|--------------------------------------------------------------------|
| `HISTORY`                  | client           | client with a history: which, which run of it, how far it is       |
| `SEGMENTS#<client>`        | number           | segment of the producer's table: up to where it was read, counts   |
| `BROUGHT#<client>#<group>` | event id         | event that history brought and that may come once more; it expires |
| `PASSED#<client>`          | mark, `#`, event | event that history passed over: by the contract or the client's pin |
| `RECIPIENTS`               | history's name   | history that needs no selection any more                           |
"""

import json
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from mark_event_queue.adapters.aws import AwsError, name_of
from mark_event_queue.adapters.dynamodb import (
    ConditionNotMetError,
    caller,
    client_for_held,
    items_at,
    items_of,
    plain,
    write_all,
)
from mark_event_queue.adapters.held_events import RECIPIENTS
from mark_event_queue.adapters.held_writes import key, now
from mark_event_queue.domain.errors import HeldEventsUnavailableError
from mark_event_queue.domain.events import to_group_id
from mark_event_queue.domain.held import GATE
from mark_event_queue.domain.history import COUNTS, REMEMBERED, HistoryState, Passed, Progress, Segment
from mark_event_queue.domain.rounds import Entry

HISTORY = "HISTORY"


class HistoriesTable:
    """Histories in DynamoDB. Every method may raise HeldEventsUnavailableError: the table did not answer."""

    def __init__(self, table_name: str, client: Any = None) -> None:
        self._table = table_name
        self._client: Any = client or client_for_held()
        self._call = caller(self._client, HeldEventsUnavailableError)

    # ------------------------------------------------------------------------------------------------------------------
    # For whoever delivers
    # ------------------------------------------------------------------------------------------------------------------
    def state(self, client: str) -> HistoryState:
        """Return what is known of a client's history."""
        item = self._get(HISTORY, client)
        name, run, progress, ended, moved = (
            item.get(name, "") for name in ("history", "run", "progress", "ended", "moved")
        )
        return HistoryState(name, run, progress, ended, int(item.get("segments", 0)), moved)

    def brought(self, client: str, entries: Sequence[Entry]) -> set[str]:
        """Return the event ids of those entries that history brought, as far as they are remembered."""
        places = {(one["MessageGroupId"], one["MessageDeduplicationId"]) for one in entries}
        keys = [key(brought_key(client, group_id), event_id) for group_id, event_id in sorted(places)]
        return {item["sk"]["S"] for item in items_at(self._call, self._table, keys, "sk")}

    def settle(self, client: str, history: HistoryState) -> None:
        """Note that a history needs no selection any more, unless another run of it has begun."""
        as_seen = {
            "TableName": self._table,
            "Key": key(HISTORY, client),
            "ConditionExpression": "run = :run AND progress = :done",
            "ExpressionAttributeValues": {":run": {"S": history.run}, ":done": {"S": Progress.DONE}},
        }
        put = {"TableName": self._table, "Item": key(RECIPIENTS, history.name)}
        try:
            self._client.transact_write_items(TransactItems=[{"ConditionCheck": as_seen}, {"Put": put}])
        except self._client.exceptions.TransactionCanceledException:
            return
        except AwsError as error:
            raise HeldEventsUnavailableError(f"transact_write_items: {name_of(error)}") from error

    # ------------------------------------------------------------------------------------------------------------------
    # For the history itself
    # ------------------------------------------------------------------------------------------------------------------
    def begin(self, client: str, history: str, run: str, segments: int) -> None:
        """Begin a run of a client's history; from now on everything is held for the client."""
        texts = {"history": history, "run": run, "progress": Progress.RUNNING, "moved": now()}
        item = key(HISTORY, client) | {name: {"S": text} for name, text in texts.items()}
        self._call("put_item", TableName=self._table, Item=item | {"segments": {"N": str(segments)}})
        self._clear(client, history)

    def move(self, client: str, run: str, progress: Progress) -> None:
        """Note how far a run is, if it is still the client's."""
        expression = "SET progress = :progress, moved = :now" + (", ended = :now" if progress == Progress.DONE else "")
        with suppress(ConditionNotMetError):
            self._call(
                "update_item",
                TableName=self._table,
                Key=key(HISTORY, client),
                UpdateExpression=expression,
                ConditionExpression="run = :run",
                ExpressionAttributeValues={":progress": {"S": progress}, ":run": {"S": run}, ":now": {"S": now()}},
            )

    def end(self, client: str, history: str) -> None:
        """Know nothing of a client's history any more, as of one that has unsubscribed."""
        self._call("delete_item", TableName=self._table, Key=key(HISTORY, client))
        self._clear(client, history)

    def segment(self, client: str, run: str, number: int) -> Segment:
        """Return how far a segment of this run is."""
        item = self._get(segments_key(client), f"{number:06}")
        return _segment(item) if item.get("run") == run else Segment()

    def segments(self, client: str, run: str) -> list[Segment]:
        """Return the segments of this run that have been begun."""
        return [_segment(item) for item in self._query(segments_key(client)) if item.get("run") == run]

    def attended(self, client: str, run: str) -> str:
        """Return when an invocation was last at a segment of this run, nothing if none has been."""
        return max(
            (item.get("at", "") for item in self._query(segments_key(client)) if item.get("run") == run), default=""
        )

    def claim(self, client: str, run: str, number: int) -> tuple[Segment, str]:
        """Return how far a segment of this run is, and a name under which that is noted from now on, by nobody else.

        Whoever read it before, and goes on because nobody could end it, knows an older state of the marks.
        """
        segment, holder = self.segment(client, run, number), secrets.token_hex(8)
        self._call("put_item", TableName=self._table, Item=_item_of(client, run, number, segment, holder))
        return segment, holder

    def save(self, client: str, run: str, number: int, segment: Segment, holder: str) -> bool:
        """Note how far a segment is; tell whether it was still this holder's."""
        try:
            self._call(
                "put_item",
                TableName=self._table,
                Item=_item_of(client, run, number, segment, holder),
                ConditionExpression="holder = :holder",
                ExpressionAttributeValues={":holder": {"S": holder}},
            )
        except ConditionNotMetError:
            return False
        return True

    def remember(self, client: str, places: Iterable[tuple[str, str]]) -> None:
        """Remember events, by group and event id, that history is about to bring and that may come once more."""
        expires = {"expires": {"N": str(int(time.time() + REMEMBERED.total_seconds()))}}
        self._put(key(brought_key(client, group_id), event_id) | expires for group_id, event_id in places)

    def list_passed(self, client: str, passed: Iterable[Passed]) -> None:
        """List events that history passes over, with the rules that they break."""
        self._put(
            key(passed_key(client), f"{one.mark}#{one.create_time}")
            | {name: {"S": text} for name, text in one._asdict().items()}
            for one in passed
        )

    def clients(self) -> list[str]:
        """Return the clients with a history."""
        return [item["sk"] for item in self._query(HISTORY)]

    def forget(self, client: str, group_id: str) -> None:
        """Know nothing of a mark that a client's history brought or passed over."""
        brought = brought_key(client, group_id)
        self._delete(key(brought, item["sk"]) for item in self._query(brought))
        passed = passed_key(client)
        found = (item["sk"] for item in self._query(passed) if to_group_id(item["mark"]) == group_id)
        self._delete(key(passed, sk) for sk in found)

    def given_up_at_gate(self) -> set[str]:
        """Return the ids of the events that were discarded at the gate, which nobody gets."""
        return {item["eventId"] for item in self._query(f"DISCARDED#{GATE}", ProjectionExpression="eventId")}

    # ------------------------------------------------------------------------------------------------------------------
    # How
    # ------------------------------------------------------------------------------------------------------------------
    def _clear(self, client: str, history: str) -> None:
        """Take out what a run leaves beside what is known of it, and that it needs no selection."""
        self._call("delete_item", TableName=self._table, Key=key(RECIPIENTS, history))
        for pk in (segments_key(client), passed_key(client)):
            self._delete(key(pk, item["sk"]) for item in self._query(pk))

    def _put(self, items: Iterable[Mapping[str, Any]]) -> None:
        by_key = {(item["pk"]["S"], item["sk"]["S"]): item for item in items}
        write_all(self._call, self._table, [{"PutRequest": {"Item": item}} for item in by_key.values()])

    def _delete(self, keys: Iterable[Mapping[str, Any]]) -> None:
        write_all(self._call, self._table, [{"DeleteRequest": {"Key": one}} for one in keys])

    def _get(self, pk: str, sk: str) -> dict[str, str]:
        answer = self._call("get_item", TableName=self._table, Key=key(pk, sk), ConsistentRead=True)
        return plain(answer.get("Item", {}))

    def _query(self, pk: str, **options: Any) -> Iterator[dict[str, str]]:
        asked = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": pk}},
            "ConsistentRead": True,
        }
        return map(plain, items_of(self._call, "query", **asked, **options))


def brought_key(client: str, group_id: str) -> str:
    """Return the partition of a mark's events that history brought a client and that may come once more."""
    return f"BROUGHT#{client}#{group_id}"


def segments_key(client: str) -> str:
    """Return the partition of how far each segment of a client's history is."""
    return f"SEGMENTS#{client}"


def passed_key(client: str) -> str:
    """Return the partition of the events that a client's history passed over."""
    return f"PASSED#{client}"


def _item_of(client: str, run: str, number: int, segment: Segment, holder: str) -> dict[str, Any]:
    counts = dict(zip(COUNTS, segment.counts, strict=True))
    return key(segments_key(client), f"{number:06}") | {
        "run": {"S": run},
        "holder": {"S": holder},
        "at": {"S": now()},
        "after": {"S": json.dumps(segment.after)},
        "inHand": {"S": json.dumps(segment.in_hand)},
        "done": {"S": "yes" if segment.done else ""},
        **{name: {"N": str(count)} for name, count in counts.items()},
    }


def _segment(item: Mapping[str, str]) -> Segment:
    counts = tuple(int(item[name]) for name in COUNTS)
    return Segment(json.loads(item["after"]), json.loads(item["inHand"]), bool(item["done"]), counts)
