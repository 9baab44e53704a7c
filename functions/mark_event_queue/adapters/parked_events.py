"""The table of parked events.

Four kinds of item, by partition key `pk` and sort key `sk`:

| pk                          | sk                       | one per                                |
|-----------------------------|--------------------------|----------------------------------------|
| `CLIENTS`                   | client                   | client with anything parked            |
| `CLIENT#<client>`           | group id                 | parked sequence of that client         |
| `SEQUENCE#<client>#<group>` | sequence number          | parked event of that sequence, in order |
| `DISCARDED#<client>`        | time, group id, number   | event given up: by whom, when and why  |

A sequence is parked as long as its item under `CLIENT#` exists. Every change to the two upper kinds
raises their `version`, and they are only deleted at the version at which they were seen empty. A new
one starts at a random version: what was seen of one that has ended meanwhile never ends its successor.
"""

import secrets
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import boto3
from botocore.config import Config

from mark_event_queue.adapters import AwsError, name_of
from mark_event_queue.domain.errors import ParkedEventsUnavailableError
from mark_event_queue.domain.lanes import Entry, entry_of
from mark_event_queue.domain.parked import ParkedSequence

CLIENTS = "CLIENTS"

# DynamoDB API Reference: BatchGetItem takes 100 keys; TransactWriteItems 100 actions and 4 MB,
# of which one is the sequence's own item (a batch, and so a sequence in it, is below 256 KiB).
_KEYS_PER_READ = 100
_EVENTS_PER_WRITE = 99
_VERSION_BITS = 63

_CONFIG = Config(read_timeout=5, connect_timeout=2, retries={"mode": "standard", "total_max_attempts": 4})


class ParkedEventsTable:
    """Parked events in DynamoDB."""

    def __init__(self, table_name: str) -> None:
        self._table = table_name
        self._client = boto3.client("dynamodb", config=_CONFIG)

    def park(self, client: str, entries: list[Entry], error: str) -> None:
        """Park entries of one sequence, in order, starting the sequence if it is not parked yet.

        The client is named before its sequence, so that no crash leaves a sequence that nobody
        looks for, and once more after it, in case a redrive found the client empty in between.

        Raises:
            ParkedEventsUnavailableError: the table did not take them.
        """
        self._name(client, error)
        self._append(client, entries, error=error, only_if_parked=False)
        self._name(client, error)

    def parked_groups(self, client: str, group_ids: Iterable[str]) -> set[str]:
        """Return those of the groups whose sequence is parked for the client.

        Raises:
            ParkedEventsUnavailableError: the table did not answer.
        """
        keys = [_key(_client_key(client), group_id) for group_id in group_ids]
        parked: set[str] = set()
        while keys:
            read = {"Keys": keys[:_KEYS_PER_READ], "ConsistentRead": True, "ProjectionExpression": "sk"}
            answer = self._call("batch_get_item", RequestItems={self._table: read})
            parked |= {item["sk"]["S"] for item in answer["Responses"].get(self._table, [])}
            unprocessed = answer.get("UnprocessedKeys", {}).get(self._table, {})
            keys = unprocessed.get("Keys", []) + keys[_KEYS_PER_READ:]
        return parked

    def park_behind(self, client: str, entries: list[Entry]) -> list[Entry]:
        """Park entries behind what is parked of their sequence; return those that found it ended.

        Raises:
            ParkedEventsUnavailableError: the table did not take them.
        """
        return self._append(client, entries, error="", only_if_parked=True)

    def clients(self) -> list[str]:
        """Return the clients of whom anything may be parked.

        Raises:
            ParkedEventsUnavailableError: the table did not answer.
        """
        return [item["sk"]["S"] for item in self._query(CLIENTS)["Items"]]

    def sequences(self, client: str, after: str, limit: int) -> list[ParkedSequence]:
        """Return parked sequences of the client, ordered by group id, those behind `after`.

        Raises:
            ParkedEventsUnavailableError: the table did not answer.
        """
        start = {"ExclusiveStartKey": _key(_client_key(client), after)} if after else {}
        answer = self._query(_client_key(client), Limit=limit, **start)
        return [_sequence(item) for item in answer["Items"]]

    def sequence(self, client: str, group_id: str) -> ParkedSequence | None:
        """Return one parked sequence, or None when it is not parked.

        Raises:
            ParkedEventsUnavailableError: the table did not answer.
        """
        item = self._get(_client_key(client), group_id)
        return _sequence(item) if item else None

    def version(self, client: str, group_id: str) -> int:
        """Return the version of a sequence, 0 when it is not parked; of the client itself for no group.

        Raises:
            ParkedEventsUnavailableError: the table did not answer.
        """
        item = self._get(*_place(client, group_id))
        return int(item["version"]["N"]) if item else 0

    def first_events(self, client: str, group_id: str, limit: int) -> list[Entry]:
        """Return the first events of a sequence, in order.

        Raises:
            ParkedEventsUnavailableError: the table did not answer.
        """
        answer = self._query(_sequence_key(client, group_id), Limit=limit)
        return [entry_of({name: value["S"] for name, value in item.items()}) for item in answer["Items"]]

    def count(self, client: str, group_id: str) -> int:
        """Return how many events are parked in a sequence.

        Raises:
            ParkedEventsUnavailableError: the table did not answer.
        """
        start: dict[str, Any] = {}
        found = 0
        while True:
            answer = self._query(_sequence_key(client, group_id), Select="COUNT", **start)
            found += answer["Count"]
            if "LastEvaluatedKey" not in answer:
                return int(found)
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def forget(self, client: str, entries: Sequence[Entry]) -> None:
        """Take events out of the table.

        Raises:
            ParkedEventsUnavailableError: the table did not take all of it.
        """
        for entry in entries:
            self._call("delete_item", TableName=self._table, Key=_event_key(client, entry))

    def end(self, client: str, group_id: str, version: int) -> bool:
        """End a sequence (for no group: the mention of the client) unless it has changed since that version.

        Raises:
            ParkedEventsUnavailableError: the table did not answer.
        """
        try:
            self._call(
                "delete_item",
                TableName=self._table,
                Key=_key(*_place(client, group_id)),
                ConditionExpression="attribute_not_exists(pk) OR version = :seen",
                ExpressionAttributeValues={":seen": {"N": str(version)}},
            )
        except _ConditionNotMetError:
            return False
        return True

    def note_error(self, client: str, group_id: str, error: str) -> None:
        """Note why a sequence stays parked, if it still is.

        Raises:
            ParkedEventsUnavailableError: the table did not take it.
        """
        with suppress(_ConditionNotMetError):
            self._call(
                "update_item",
                TableName=self._table,
                Key=_key(_client_key(client), group_id),
                UpdateExpression="SET #error = :error",
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeNames={"#error": "error"},
                ExpressionAttributeValues={":error": {"S": error}},
            )

    def discard(self, client: str, entry: Entry, by: str, reason: str) -> None:
        """Take an event out of the table and put it on record with who gave it up, when and why.

        Raises:
            ParkedEventsUnavailableError: the table did not take it.
        """
        now = _now()
        number = _sequence_number(entry)
        record = _item(client, entry) | _key(f"DISCARDED#{client}", f"{now}#{entry['MessageGroupId']}#{number}")
        del record["body"]  # personal data; the event itself stays in the producer's table
        record |= {"discardedAt": {"S": now}, "discardedBy": {"S": by}, "reason": {"S": reason}}
        put = {"Put": {"TableName": self._table, "Item": record}}
        condition = {"ConditionExpression": "attribute_exists(pk)"}
        delete = {"Delete": {"TableName": self._table, "Key": _event_key(client, entry)} | condition}
        with suppress(_ConditionNotMetError):  # somebody else has given it up, or delivered it
            self._call("transact_write_items", TransactItems=[delete, put])

    def _name(self, client: str, error: str) -> None:
        self._call("update_item", TableName=self._table, Key=_key(CLIENTS, client), **_raise_version(error))

    def _append(self, client: str, entries: list[Entry], error: str, only_if_parked: bool) -> list[Entry]:
        group_id = entries[0]["MessageGroupId"]
        condition = {"ConditionExpression": "attribute_exists(pk)"} if only_if_parked else {}
        head = {"TableName": self._table, "Key": _key(_client_key(client), group_id)} | _raise_version(error)
        for position in range(0, len(entries), _EVENTS_PER_WRITE):
            puts = [
                {"Put": {"TableName": self._table, "Item": _item(client, entry)}}
                for entry in entries[position : position + _EVENTS_PER_WRITE]
            ]
            try:
                self._call("transact_write_items", TransactItems=[{"Update": head | condition}, *puts])
            except _ConditionNotMetError:
                return entries[position:]
        return []

    def _get(self, pk: str, sk: str) -> Any:
        return self._call("get_item", TableName=self._table, Key=_key(pk, sk), ConsistentRead=True).get("Item")

    def _query(self, pk: str, **options: Any) -> Any:
        return self._call(
            "query",
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
            ConsistentRead=True,
            **options,
        )

    def _call(self, operation: str, **arguments: Any) -> Any:
        try:
            return getattr(self._client, operation)(**arguments)
        except self._client.exceptions.ConditionalCheckFailedException as error:
            raise _ConditionNotMetError from error
        except self._client.exceptions.TransactionCanceledException as error:
            reasons: Any = error.response.get("CancellationReasons", [{}])
            if reasons[0].get("Code") == "ConditionalCheckFailed":
                raise _ConditionNotMetError from error
            raise ParkedEventsUnavailableError("transaction cancelled: another one was under way") from error
        except AwsError as error:
            raise ParkedEventsUnavailableError(f"{operation}: {name_of(error)}") from error


class _ConditionNotMetError(Exception):
    """The item was not, or not any more, as the write wanted it to be."""


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _client_key(client: str) -> str:
    return f"CLIENT#{client}"


def _sequence_key(client: str, group_id: str) -> str:
    return f"SEQUENCE#{client}#{group_id}"


def _place(client: str, group_id: str) -> tuple[str, str]:
    return (_client_key(client), group_id) if group_id else (CLIENTS, client)


def _event_key(client: str, entry: Entry) -> dict[str, Any]:
    return _key(_sequence_key(client, entry["MessageGroupId"]), _sequence_number(entry))


def _sequence_number(entry: Entry) -> str:
    return str(entry["MessageAttributes"]["sequenceNumber"]["StringValue"])


def _sequence(item: Any) -> ParkedSequence:
    return ParkedSequence(item["sk"]["S"], item["parkedSince"]["S"], item["error"]["S"])


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _raise_version(error: str) -> dict[str, Any]:
    return {
        "UpdateExpression": "SET version = if_not_exists(version, :start) + :one, "
        "parkedSince = if_not_exists(parkedSince, :now), #error = if_not_exists(#error, :error)",
        "ExpressionAttributeNames": {"#error": "error"},
        "ExpressionAttributeValues": {
            ":start": {"N": str(secrets.randbits(_VERSION_BITS))},
            ":one": {"N": "1"},
            ":now": {"S": _now()},
            ":error": {"S": error},
        },
    }


def _item(client: str, entry: Entry) -> dict[str, Any]:
    return _event_key(client, entry) | {
        "eventId": {"S": entry["MessageDeduplicationId"]},
        "groupId": {"S": entry["MessageGroupId"]},
        "sequenceNumber": {"S": _sequence_number(entry)},
        "body": {"S": entry["MessageBody"]},
    }
